//! Descriptors that come to us by number.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::fstat;
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

/// What a descriptor stands for: two with the same identity are the same socket or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The identity of an open descriptor.
pub(crate) fn identity(fd: impl AsFd) -> io::Result<Identity> {
    let stat = fstat(fd)?;
    Ok(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// The identity of what stands at a path, if anything does.
pub(crate) fn identity_at(path: &std::path::Path) -> Option<Identity> {
    let stat = rustix::fs::lstat(path).ok()?;
    Some(Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
    })
}

/// Takes charge of a descriptor that was left open for us, and makes it close-on-exec.
///
/// # Errors
/// It is not open, or one of the first three, which are everybody's.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: only a flag is asked for, and a number that is not open is answered with EBADF.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as just seen, and meant for this process by who started it, who names each number once. The
    // caller has looked whether it is the socket that was announced, and nothing of ours is opened under such a number.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Looks at a descriptor that may not be open without taking charge of it.
pub(crate) fn look<R>(number: RawFd, look: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
    if number < 0 {
        return None;
    }
    // SAFETY: only a flag is asked for, and a number that is not open is answered with EBADF.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(fd).ok()?;
    Some(look(fd))
}

/// A close-on-exec duplicate that is out of the way of the first three.
pub(crate) fn duplicate(fd: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(fd, 3)?)
}
