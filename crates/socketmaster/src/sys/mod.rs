//! The operating system: descriptors, processes, signals, sockets, /proc, the clock.
//!
//! It knows no word of the domain, and is the only place with `unsafe`.
#![allow(unsafe_code)]
#![allow(clippy::disallowed_methods)]

pub mod clock;
pub mod diag;
pub mod fds;
pub mod handover;
pub mod hangup;
pub mod holder;
pub mod localtime;
pub mod memory;
pub mod names;
pub mod options;
pub mod peer;
pub mod process;
pub mod removals;
pub mod scm;
pub mod seccomp;
pub mod signals;
pub mod socket;
pub mod socket_path;
pub mod stderr;
pub mod text_file;
pub mod user;
pub mod waiting;
pub mod watched;
