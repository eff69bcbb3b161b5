//! Descriptors that the runtime waits for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that is read or written when it is ready, and never blocks.
#[derive(Debug)]
pub struct Watched(AsyncFd<Arc<OwnedFd>>);

impl Watched {
    /// Waits for input only: nothing else wakes us.
    ///
    /// # Errors
    /// Out of descriptors, or a kind that epoll(7) does not take.
    pub fn for_input(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Self::new(fd, Interest::READABLE)
    }

    /// Waits for input and for room.
    ///
    /// # Errors
    /// As [`Watched::for_input`].
    pub fn for_both(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Self::new(fd, Interest::READABLE | Interest::WRITABLE)
    }

    fn new(fd: Arc<OwnedFd>, interest: Interest) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        // SAFETY: an Arc<OwnedFd> keeps the one descriptor open, under the one number, for as long as it lives.
        Ok(Self(unsafe {
            AsyncFd::register_with_interest(fd, interest)
        }?))
    }

    /// Waits until `read` does not say `WouldBlock`, and returns what it says instead.
    ///
    /// # Errors
    /// What `read` says.
    pub async fn read<R>(
        &self,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0
            .async_io(Interest::READABLE, |fd| read(fd.as_fd()))
            .await
    }

    /// Writes now, or says `WouldBlock`: then [`Watched::writable`] waits for room.
    ///
    /// # Errors
    /// What `write` says; `WouldBlock` also before the runtime has looked at the descriptor for the first time.
    pub fn try_write<R>(
        &self,
        write: impl FnOnce(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.try_io(Interest::WRITABLE, |fd| write(fd.as_fd()))
    }

    /// Waits for room.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn writable(&self) -> io::Result<()> {
        self.0
            .writable()
            .await
            .map(|mut guard| guard.retain_ready())
    }

    /// Waits for input without reading it.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn readable(&self) -> io::Result<()> {
        self.0
            .readable()
            .await
            .map(|mut guard| guard.retain_ready())
    }
}
