//! Zero-downtime reload for any server program.
//!
//! The supervisor holds the listening sockets and changes the program behind them while connections keep coming.
//! It does not speak the program's protocol, never accepts a connection, and is no proxy.
//!
//! # The promise
//! 1. A connection that reached the socket is never refused or reset because of a reload.
//! 2. A serving generation is told to stop only when a newer one is ready **and alive at that moment**, or when a
//!    stop was asked for.
//! 3. A reload that fails changes nothing: not the old generation, not the listeners, not the configuration; and it
//!    says why.
//! 4. Every reload request gets exactly one verdict. A stop request always wins, at once.
//! 5. Nothing is left behind: no process, zombie, descriptor, socket file or lock.
//!
//! # Layers
//! ```text
//! cli ─► config ─► daemon ─► core     decides: events in, actions out; no clock, fd, pid or runtime
//!                    │  └───► wire     bytes ↔ values: listen URIs, readiness messages, log lines, handover state
//!                    └──────► sys      the operating system; the only unsafe
//! ```
//! Two small programs of their own stand beside the daemon and are the same executable under another name: the
//! [`launcher`] sets up a worker and becomes it, the [`forwarder`] carries the workers' lines to the log.

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
compile_error!(
    "socketmaster runs on Linux 5.10 or later, on x86-64 and aarch64: it stands on pidfd, signalfd, /proc and \
     close_range, and the numbers of the system calls it looks for in /proc are known for these two only"
);

pub mod cli;
pub mod client;
pub mod config;
pub mod core;
pub mod daemon;
pub mod demo;
pub mod forwarder;
pub mod launcher;
pub mod nearest;
pub mod screen;
pub mod sys;
pub mod wire;
