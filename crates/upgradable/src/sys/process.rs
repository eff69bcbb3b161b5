//! Processes, by their descriptors.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, getpgrp, getpid, pidfd_open};

use super::fds;

/// A descriptor that is readable once this process has ended; `None` if it has ended already (pidfd_open(2), Linux
/// 5.3).
pub(crate) fn watch(pid: u32) -> io::Result<Option<OwnedFd>> {
    let pid = Pid::from_raw(pid.cast_signed()).ok_or(io::ErrorKind::InvalidInput)?;
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        Err(rustix::io::Errno::SRCH) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number by which the kernel tells this process from all others, where it does so: the inode of its pidfd (Linux
/// 6.9).
pub(crate) fn own_pidfd_id() -> Option<u64> {
    let fd = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    let kind = rustix::fs::fstatfs(&fd).ok()?.f_type;
    (kind == PID_FS_MAGIC).then(|| fds::identity(&fd).ok().map(|identity| identity.inode))?
}

/// `PID_FS_MAGIC` of linux/magic.h.
const PID_FS_MAGIC: rustix::fs::FsWord = 0x5049_4446;

/// Whether a shell waits for us at a terminal, and would take it back at our end.
pub(crate) fn is_in_foreground() -> bool {
    let stdin = io::stdin();
    rustix::termios::tcgetpgrp(stdin.as_fd()).is_ok_and(|group| group == getpgrp())
}

/// Ends this process at once.
#[allow(
    clippy::disallowed_methods,
    reason = "there is no main to return to that would listen"
)]
pub(crate) fn die(status: i32) -> ! {
    std::process::exit(status)
}
