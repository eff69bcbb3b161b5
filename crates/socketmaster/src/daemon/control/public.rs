//! The same over TCP, for reading alone: for what collects metrics and for health checks, which cannot reach a unix
//! socket of ours.

use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::{AsRawFd, OwnedFd};

use tokio::net::{TcpListener, TcpStream};

use super::answer::Access;
use super::http::{self, Door};
use crate::daemon::inputs::{Inputs, Task};
use crate::daemon::listeners::{self, OpenError, Reason};
use crate::wire::uri::ListenUri;

/// The socket, close-on-exec: workers never see it.
#[derive(Debug)]
pub struct Public {
    socket: OwnedFd,
    _serving: Task,
}

impl Public {
    /// Listens, and says where: the port may have been left to the system.
    ///
    /// # Errors
    /// The address cannot be listened on, and why; as for any other listener.
    pub fn open(uri: &ListenUri, inputs: &Inputs) -> Result<(Self, String), OpenError> {
        let failed = |error: io::Error| OpenError {
            uri: uri.text.clone(),
            reason: Reason::System(error),
        };
        let mut opened = listeners::open_all(std::slice::from_ref(uri))?;
        let listener = opened
            .pop()
            .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let socket = listener.fd().try_clone_to_owned().map_err(failed)?;
        let this = Self::resume(socket, inputs).map_err(failed)?;
        Ok((this, listener.actual()))
    }

    /// Goes on with the one of the program that we were before.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn resume(socket: OwnedFd, inputs: &Inputs) -> io::Result<Self> {
        let listener = StdListener::from(socket.try_clone()?);
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
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

impl Door for TcpListener {
    type Stream = TcpStream;
    const ACCESS: Access = Access::Read;

    async fn next(&self) -> io::Result<Option<TcpStream>> {
        Ok(Some(self.accept().await?.0))
    }
}
