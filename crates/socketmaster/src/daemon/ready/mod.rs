//! How a worker says that it is ready, where `-ready` asks for a way of its own: a newline on a descriptor, or an ACK
//! on a command socket. `READY=1` has its socket in any case (see [`super::notify`]). And what the daemon makes of the
//! word.

mod einhorn;
mod notices;
mod pipe;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::{Inputs, Task};
use super::rundir::RunDir;
use super::{Daemon, words};
use crate::config::Readiness;
use crate::core::{Event, WorkerId};
use crate::launcher::FIRST_LISTENER;
use crate::sys::fds;
use einhorn::CommandSocket;
pub use notices::notices;
use pipe::ReadyPipe;

/// A way of one worker's own to say that it is ready.
#[derive(Debug)]
pub enum Channel {
    /// A newline says it.
    Pipe(ReadyPipe),
    /// An ACK says it.
    Einhorn(CommandSocket),
}

/// A [`Channel`] on its way through an upgrade.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldChannel {
    /// The worker's number for it, and ours of the end that we read.
    Pipe(RawFd, RawFd),
    /// Where it is, and its number.
    Einhorn(PathBuf, RawFd),
}

impl Channel {
    /// Opens the one that is asked for, if there is one; with the descriptor that the worker gets of it. `free` is the
    /// first number that is not a listener's.
    ///
    /// # Errors
    /// Out of descriptors; no run directory; the number is a listener's.
    pub fn open(
        readiness: &Readiness,
        id: WorkerId,
        free: RawFd,
        rundir: Option<&RunDir>,
    ) -> io::Result<(Option<Self>, Option<OwnedFd>)> {
        match readiness {
            // The command line cannot tell where a listener is as many sockets as systemd passes.
            Readiness::Fd(Some(number)) if (FIRST_LISTENER..free).contains(number) => Err(
                io::Error::other(format!("descriptor {number} is a listener's")),
            ),
            Readiness::Fd(number) => {
                let (pipe, writer) = ReadyPipe::open(number.unwrap_or(free))?;
                Ok((Some(Self::Pipe(pipe)), Some(writer)))
            }
            Readiness::Einhorn => {
                let rundir = rundir.ok_or_else(|| io::Error::other("there is no run directory"))?;
                let socket = CommandSocket::bind(rundir.path(), id)?;
                Ok((Some(Self::Einhorn(socket)), None))
            }
            _ => Ok((None, None)),
        }
    }

    /// Goes on with the one of the program that we were before.
    ///
    /// # Errors
    /// It is not open.
    pub fn resume(held: HeldChannel) -> io::Result<Self> {
        Ok(match held {
            HeldChannel::Pipe(number, fd) => {
                Self::Pipe(ReadyPipe::resume(number, fds::take_over(fd)?))
            }
            HeldChannel::Einhorn(path, fd) => {
                Self::Einhorn(CommandSocket::resume(path, fds::take_over(fd)?))
            }
        })
    }

    /// For an upgrade; with the descriptor that has to stay open.
    #[must_use]
    pub fn to_held(&self) -> HeldChannel {
        match self {
            Self::Pipe(pipe) => HeldChannel::Pipe(pipe.number(), pipe.reader().as_raw_fd()),
            Self::Einhorn(socket) => {
                HeldChannel::Einhorn(socket.path().into(), socket.socket().as_raw_fd())
            }
        }
    }

    /// The worker's number for its descriptor.
    #[must_use]
    pub fn ready_fd(&self) -> Option<RawFd> {
        match self {
            Self::Pipe(pipe) => Some(pipe.number()),
            Self::Einhorn(_) => None,
        }
    }

    /// Where the worker finds its command socket.
    #[must_use]
    pub fn einhorn_socket(&self) -> Option<&Path> {
        match self {
            Self::Pipe(_) => None,
            Self::Einhorn(socket) => Some(socket.path()),
        }
    }

    /// Listens to the worker, whose first process is `pid`, and which runs as `uid` if that is not our own.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn listen(
        &self,
        id: WorkerId,
        pid: i32,
        uid: Option<u32>,
        inputs: &Inputs,
    ) -> io::Result<Task> {
        match self {
            Self::Pipe(pipe) => pipe.listen(id, inputs),
            Self::Einhorn(socket) => socket.listen(id, pid, uid, inputs),
        }
    }

    /// What has been heard instead of the word, if that explains why there is none.
    fn instead(&self) -> Option<String> {
        match self {
            Self::Pipe(pipe) => pipe.was_closed().then(|| {
                let number = pipe.number();
                format!("it closed descriptor {number} without a newline on it")
            }),
            Self::Einhorn(socket) => socket.refused(),
        }
    }
}

impl HeldChannel {
    /// The descriptor that has to stay open through the exec.
    #[must_use]
    pub fn fd(&self) -> RawFd {
        match self {
            Self::Pipe(_, fd) | Self::Einhorn(_, fd) => *fd,
        }
    }
}

impl Daemon {
    /// A worker says that it is ready, in the way that counts for it.
    pub(super) fn says_ready(&mut self, id: WorkerId) {
        self.reap();
        if !self.ready_too_early(id) {
            self.handle(Event::Ready(id));
        }
    }

    /// A worker that starts asks for time. The service manager is asked for it too while it waits for the same: with a
    /// second more, so that it hears how it ended before its own patience ends.
    pub(super) fn extend(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let Some(span) = worker.extension.take() else {
            return;
        };
        let starting = self.core.starting().any(|starting| starting == id);
        if starting && self.core.attempted() == Some(worker.generation) {
            self.manager
                .extend(span.saturating_add(Duration::from_secs(1)));
        }
        self.handle(Event::Extend(id, span));
    }

    /// Why a worker with a channel of its own was not ready in time, if more is known than that it was silent.
    pub(super) fn why_unsaid(&self, id: WorkerId) -> Option<String> {
        let instead = self.workers.get(&id)?.channel.as_ref()?.instead()?;
        let within = words::span(self.recipe_of(id).config.ready_timeout);
        Some(format!("it was not ready within {within}: {instead}"))
    }
}
