//! Calls that wait, and their answers.

use std::io;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A system call that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The kernel's name for it, never reused under one filter.
    pub id: u64,
    /// The thread that waits, as a thread id; 0 if it is in a pid namespace that we do not see.
    pub tid: i32,
    /// Which call.
    pub trapped: Trapped,
    /// Its arguments as the registers have them.
    pub args: [u64; 6],
}

/// The calls that a filter of ours has wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trapped {
    /// bind(2): descriptor, address, length.
    Bind,
    /// listen(2): descriptor, backlog.
    Listen,
    /// io_uring_setup(2).
    IoUringSetup,
    /// unlink(2): path.
    Unlink,
    /// unlinkat(2): directory, path, flags.
    UnlinkAt,
    /// None that we know.
    Other,
}

impl Trapped {
    fn from_number(number: i32) -> Self {
        match i64::from(number) {
            libc::SYS_bind => Self::Bind,
            libc::SYS_listen => Self::Listen,
            libc::SYS_io_uring_setup => Self::IoUringSetup,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => Self::Unlink,
            libc::SYS_unlinkat => Self::UnlinkAt,
            _ => Self::Other,
        }
    }
}

/// The next call that waits, without waiting for one; `None` when the last process under the filter has gone.
///
/// Nobody else may take calls from the descriptor meanwhile: it blocks if the one that it saw is taken away.
///
/// # Errors
/// `WouldBlock` if none waits.
pub fn next(notify: BorrowedFd<'_>) -> io::Result<Option<Call>> {
    let seen = look(notify)?;
    if !seen.contains(PollFlags::IN) {
        // Hung up.
        return if seen.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(None)
        };
    }
    // The kernel wants it zeroed. That it is as long as the kernel's is part of the request's number (ioctl(2)).
    let mut space = MaybeUninit::<libc::seccomp_notif>::zeroed();
    // SAFETY: the kernel writes one struct seccomp_notif, whose size is part of the request's number.
    let result = unsafe {
        libc::ioctl(
            notify.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            space.as_mut_ptr(),
        )
    };
    if result < 0 {
        let error = io::Error::last_os_error();
        return match error.raw_os_error() {
            // The one that waited was killed in this moment. Another may wait: the caller asks again.
            Some(libc::ENOENT | libc::EINTR) => next(notify),
            _ => Err(error),
        };
    }
    // SAFETY: zeroed before, and plain numbers.
    let notice = unsafe { space.assume_init() };
    Ok(Some(Call {
        id: notice.id,
        tid: notice.pid.cast_signed(),
        trapped: Trapped::from_number(notice.data.nr),
        args: notice.data.args,
    }))
}

/// Whether the last process under the filter has gone. On kernels that count zombies, once it has been reaped.
#[must_use]
pub fn is_deserted(notify: BorrowedFd<'_>) -> bool {
    // A call that waits tells that there is a process.
    matches!(look(notify), Ok(seen) if !seen.contains(PollFlags::IN) && !seen.is_empty())
}

fn look(notify: BorrowedFd<'_>) -> io::Result<PollFlags> {
    let mut fds = [PollFd::from_borrowed_fd(notify, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now))?;
    Ok(fds[0].revents())
}

/// Whether the call still waits: if so, what was read of its thread after its receipt belongs to it and not to another
/// thread of the same number.
#[must_use]
pub fn is_waiting(notify: BorrowedFd<'_>, id: u64) -> bool {
    // SAFETY: the kernel reads one u64.
    let result = unsafe {
        libc::ioctl(
            notify.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
            &raw const id,
        )
    };
    result == 0
}

/// Puts a descriptor of ours into the process that waits, under this number, in place of what it has there (Linux 5.9).
///
/// # Errors
/// `EBADF` for a number beyond the process's limit, `ENOENT` if the call no longer waits.
pub fn put(
    notify: BorrowedFd<'_>,
    id: u64,
    ours: BorrowedFd<'_>,
    number: i32,
    close_on_exec: bool,
) -> io::Result<()> {
    let request = libc::seccomp_notif_addfd {
        id,
        flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
        srcfd: ours.as_raw_fd().cast_unsigned(),
        newfd: number.cast_unsigned(),
        newfd_flags: if close_on_exec {
            libc::O_CLOEXEC.cast_unsigned()
        } else {
            0
        },
    };
    // SAFETY: the kernel reads one struct seccomp_notif_addfd.
    let result = unsafe {
        libc::ioctl(
            notify.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_ADDFD,
            &raw const request,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Answers the call with 0, as if it had been done. Whether it was there to hear that: before Linux 5.19 a signal takes
/// it away, and its thread mostly makes it anew (`SA_RESTART`, signal(7)).
pub fn succeed(notify: BorrowedFd<'_>, id: u64) -> bool {
    answer(notify, id, 0)
}

/// Has the kernel run the call after all, with the arguments as they are by now.
pub fn go_on(notify: BorrowedFd<'_>, id: u64) {
    answer(notify, id, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
}

fn answer(notify: BorrowedFd<'_>, id: u64, flags: u32) -> bool {
    // SAFETY: plain numbers, for which zero is a value.
    let mut response: libc::seccomp_notif_resp = unsafe { zeroed() };
    response.id = id;
    response.flags = flags;
    // SAFETY: the kernel reads one struct seccomp_notif_resp. It fails only if the call no longer waits.
    let result = unsafe {
        libc::ioctl(
            notify.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw mut response,
        )
    };
    result == 0
}
