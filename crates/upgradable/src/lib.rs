//! Makes a Rust server replaceable: its next version takes over its listening sockets, and no connection is lost.
//!
//! It does not supervise, restart what crashes, or speak a protocol of its own to clients, and it has no runtime: it
//! is a handful of types to listen and accept with. A server that uses them can replace itself ([`Server::upgrade`]),
//! and can be replaced by socketmaster or systemd, with the same code.
//!
//! # The promise
//! 1. A connection that reached the socket is never refused or reset because of an upgrade.
//! 2. The old process stops accepting only when the new one is ready, alive at that moment, and has been told to
//!    serve; or when a stop was asked for.
//! 3. An upgrade that fails changes nothing, and says why. The next one may succeed.
//! 4. What is open is finished: clients are asked to go first (*lame duck*), idle connections are closed later, and
//!    at a deadline what is left is cut, counted, and told by the exit status.
//! 5. Nothing is left behind: no process, zombie, descriptor or socket file.
//!
//! It holds as long as one process holds the socket. A stop for good ends it: what waits in the queue at that moment
//! is still served, what comes after is refused.
//!
//! # A server
//! ```no_run
//! use std::io::Write;
//!
//! fn main() -> Result<(), upgradable::Error> {
//!     let server = upgradable::Server::new()?;
//!     let listener = server.listen("127.0.0.1:8080")?;
//!     for mut conn in listener.incoming() {
//!         std::thread::spawn(move || conn.write_all(b"Hello, world\n"));
//!     }
//!     server.drained().wait()
//! }
//! ```
//! `Server::upgrade` from anywhere, or a signal ([`Options::upgrade_on`]), starts the program's path again.
//!
//! # How
//! One thread watches signals, the other process and the deadlines. Its decisions are a pure state machine, tested by
//! random histories. The sockets travel to the new process in one message over a socket pair (`SCM_RIGHTS`, unix(7)),
//! so no descriptor is ever inherited by accident. With the feature `tokio` a listener becomes asynchronous, with
//! `hyper` (or `axum`, which is the same) it serves HTTP.
//!
//! Linux 5.10 or later.

#[cfg(not(target_os = "linux"))]
compile_error!("upgradable stands on pidfd, eventfd and SCM_RIGHTS as Linux has them");

mod address;
mod answer;
mod conn;
mod core;
mod error;
mod gate;
mod inherit;
mod keeper;
mod listener;
mod notify;
mod options;
mod pid_file;
mod program;
mod refusal;
mod server;
mod shared;
mod sockets;
mod successor;
mod sys;
mod wire;

#[cfg(feature = "hyper")]
mod http;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use address::Address;
pub use answer::Upgrade;
pub use conn::{Conn, Stream};
pub use error::{Cut, Error, UpgradeError};
pub use gate::Until;
pub use listener::{Incoming, Listener};
pub use options::{Options, Signal};
pub use server::{Drained, Server};
