//! Clients that read the log: the forwarder has it and sends it to them, we carry it to their connections.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::time::timeout;

use super::{Log, Message};
use crate::config::LogFormat;
use crate::sys::scm;
use crate::sys::watched::Watched;
use crate::wire::forward::{FOLLOW_MAX, Follow};

/// How many may read at once: far fewer than clients of the control socket, so that there is always room for a verb.
pub(super) const READERS: usize = 16;

/// How long the forwarder may take to answer: it does not while whoever reads the log itself is stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end waits for readers to take the last lines.
const LAST_PATIENCE: Duration = Duration::from_millis(500);

/// Why nobody can read the log now.
#[derive(Debug, thiserror::Error)]
pub enum NoReader {
    /// There are enough.
    #[error("{READERS} read the log at once already: let one of them end first")]
    TooMany,
    /// The system says no.
    #[error("cannot ask for the log: {0}")]
    System(#[from] io::Error),
    /// The forwarder is stuck in a write.
    #[error("the log cannot be read now: what it is written to takes nothing")]
    Stuck,
    /// The forwarder has ended, or is one of a version that knows nothing of this.
    #[error("the log cannot be read now: its forwarder ended just now, or is of an older version")]
    Ended,
}

impl From<TryAcquireError> for NoReader {
    fn from(_: TryAcquireError) -> Self {
        Self::TooMany
    }
}

/// Somebody who reads the log. With this its place is free again, and the forwarder sends no more.
#[derive(Debug)]
pub struct LogReader {
    socket: Watched,
    buffer: Vec<u8>,
    /// Whether each line is a JSON value.
    pub is_json: bool,
    _place: OwnedSemaphorePermit,
}

impl Log {
    /// Has the forwarder send what is wanted.
    ///
    /// # Errors
    /// There are too many readers, or too few descriptors.
    pub fn follow(&mut self, wanted: Follow) -> Result<LogReader, NoReader> {
        let place = Arc::clone(&self.places).try_acquire_owned()?;
        let (ours, theirs): (OwnedFd, OwnedFd) = scm::pair()?;
        let socket = Watched::for_input(Arc::new(ours))?;
        let message = Message::Follow(wanted, Arc::new(theirs));
        self.queue.push_back(message);
        self.flush();
        Ok(LogReader {
            socket,
            buffer: vec![0; FOLLOW_MAX],
            is_json: self.options.format == LogFormat::Json && self.options.syslog.is_none(),
            _place: place,
        })
    }

    /// Waits a moment for the readers to have had the last lines, because they go with us.
    pub(super) async fn let_read_out(&self) {
        let all = self.places.acquire_many(READERS as u32);
        let _ = timeout(LAST_PATIENCE, all).await;
        // Till what they have is on its way.
        for _ in 0..2 {
            tokio::task::yield_now().await;
        }
    }
}

impl LogReader {
    /// Waits for the position of the first line that will come.
    ///
    /// # Errors
    /// It did not come.
    pub async fn position(&mut self) -> Result<u64, NoReader> {
        let first = timeout(PATIENCE, self.read()).await;
        let first = first.map_err(|_| NoReader::Stuck)?;
        let text = first.and_then(|bytes| std::str::from_utf8(bytes).ok());
        text.and_then(|text| text.parse().ok())
            .ok_or(NoReader::Ended)
    }

    /// Waits for the next lines; `None` at the end.
    pub async fn read(&mut self) -> Option<&[u8]> {
        let buffer = &mut self.buffer;
        let (length, _) = self.socket.read(|fd| scm::receive(fd, buffer)).await.ok()?;
        self.buffer.get(..length).filter(|bytes| !bytes.is_empty())
    }
}
