//! The operating system: descriptors, processes, signals, sockets, the clock.
//!
//! It knows no word of the domain, and is the only place with `unsafe`.
#![allow(unsafe_code)]

pub(crate) mod clock;
pub(crate) mod fds;
pub(crate) mod process;
pub(crate) mod scm;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod wake;
