//! The operating system: descriptors, processes, signals, sockets, /proc, the clock.
//!
//! It knows no word of the domain, and is the only place with `unsafe`.
#![allow(unsafe_code)]
#![allow(clippy::disallowed_methods)]

pub mod hangup;
pub mod holder;
pub mod names;
pub mod scm;
pub mod socket;
pub mod socket_path;
