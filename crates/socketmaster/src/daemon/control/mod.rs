//! The control socket: HTTP on a unix socket in the run directory, for its owner and root alone.
//!
//! Each connection is a task that speaks HTTP and puts what is asked into the daemon's queue as an [`Ask`]; the answer
//! comes back through a channel. So a client that is slow, or speaks nonsense, holds up nobody but itself; where many
//! such take all places, they make place for others (`room`).
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /v1/status` | [`Status`] |
//! | `POST /v1/reload` | [`Progress`], one JSON value a line, to the verdict |
//! | `POST /v1/scale` | `{}` when it is so, or will be when the reload is over |
//! | `POST /v1/stop`, `POST /v1/upgrade` | `{}` when it has begun; 409 and why if the new program does not work |
//! | `GET /v1/logs` | lines of the log, also those to come |
//! | `GET /metrics` | what Prometheus reads, as OpenMetrics to who asks for that |
//! | `GET /healthz`, `GET /readyz` | 200 while the supervisor lives; 200 or 503 as a generation is ready |
//!
//! The `GET` ones but the log are answered over TCP too, where `-metrics` says so ([`Public`]).

mod answer;
mod asks;
mod connections;
mod http;
mod logs;
mod metrics;
mod public;
mod room;
mod status;

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

use super::inputs::{Inputs, Task};
use super::log::{LogReader, NoReader};
use crate::sys::socket;
use crate::sys::socket_path::{self, Permissions};
use crate::wire::control::{Progress, ReloadRequest, SOCKET, Status};
use crate::wire::exposition::Format;
use crate::wire::forward::Follow;

pub use asks::{Last, Watchers};
pub use connections::Counted;
pub use metrics::Counters;
pub use public::Public;

/// What a client wants to know or have done.
#[derive(Debug)]
pub enum Ask {
    /// How things are.
    Status(oneshot::Sender<Status>),
    /// Whether a generation is ready.
    Ready(oneshot::Sender<bool>),
    /// The metrics as text.
    Metrics(Format, oneshot::Sender<String>),
    /// To read the log.
    Logs(Follow, oneshot::Sender<Result<LogReader, NoReader>>),
    /// A new generation.
    Reload(ReloadRequest, mpsc::UnboundedSender<Progress>),
    /// So many workers.
    Scale(u32, oneshot::Sender<()>),
    /// The end.
    Stop(oneshot::Sender<()>),
    /// A new supervisor: the answer is the new program's, or why there is none.
    Upgrade(oneshot::Sender<Result<(), String>>),
}

/// The socket; its file goes with the run directory.
#[derive(Debug)]
pub struct Control {
    socket: OwnedFd,
    _serving: Task,
}

/// Clients that may wait to be accepted; `net.core.somaxconn` is 4096 too, since Linux 5.4 (listen(2)).
const BACKLOG: i32 = 4096;

impl Control {
    /// Makes it in the run directory.
    ///
    /// # Errors
    /// The directory is gone, the disk is full, or the path is longer than the 107 bytes of unix(7).
    pub fn bind(directory: &Path, inputs: &Inputs) -> io::Result<Self> {
        let socket = socket::unix(socket::Type::Stream)?;
        let permissions = Permissions {
            mode: Some(0o600),
            ..Permissions::default()
        };
        socket_path::bind(socket.as_fd(), &path(directory), permissions)?;
        Self::resume(socket, inputs)
    }

    /// Goes on with the one of the program that we were before: who has connected meanwhile waits in its queue.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn resume(socket: OwnedFd, inputs: &Inputs) -> io::Result<Self> {
        socket::listen(socket.as_fd(), BACKLOG)?;
        let listener = StdListener::from(socket.try_clone()?);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        Ok(Self {
            socket,
            _serving: Task::spawn(http::serve(listener, inputs.clone())),
        })
    }

    /// Its number, for an upgrade.
    #[must_use]
    pub fn number(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// Where the socket of a run directory is.
#[must_use]
pub fn path(directory: &Path) -> PathBuf {
    directory.join(SOCKET)
}
