//! Why a process can't be looked at, in words for its owner.

/// Why nothing can be seen (ptrace(2), "Ptrace access mode checking"; proc(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlindReason {
    /// The process belongs to another user, and we have no `CAP_SYS_PTRACE`.
    #[error("it runs as another user (uid {uid}), and looking at it takes CAP_SYS_PTRACE")]
    OtherUser {
        /// The effective user of the process.
        uid: u32,
    },
    /// The same user, refused all the same: `PR_SET_DUMPABLE` is 0, the program file is not readable, or it has
    /// capabilities that we don't have.
    #[error(
        "it does not let itself be looked at (it is not dumpable, or has more rights than this process)"
    )]
    Protected,
    /// Its descriptors can be read and show nothing, the system calls of its threads can't be read.
    #[error("the system calls of its threads may not be read (see kernel.yama.ptrace_scope)")]
    SystemCalls,
    /// It waits by io_uring, which shows in no system call.
    #[error("it waits by io_uring, which can't be seen from outside")]
    IoUring,
    /// It lives, and /proc does not show it.
    #[error(
        "/proc does not show it (not mounted, mounted with hidepid, or for another pid namespace)"
    )]
    Hidden,
}
