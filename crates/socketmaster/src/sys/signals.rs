//! Signals as things to read, and the clean slate that a child gets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::watched::Watched;

/// The signals that the supervisor reads instead of being interrupted by them.
const READ: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGCHLD,
];

/// Signals that wait to be read: signalfd(2). Blocked from [`Signals::block`] on, so none is lost before this exists
/// or across an exec.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the signals that [`Signals::open`] will read. Call it first thing: an early signal then waits.
    ///
    /// A parent that ignores SIGCHLD would make the kernel reap our children unseen, so it gets its default back.
    ///
    /// # Errors
    /// None on a healthy system.
    pub fn block() -> io::Result<()> {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&Self::set()), None)?;
        Ok(())
    }

    /// A descriptor that is readable when one of them is pending.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn open() -> io::Result<Self> {
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&Self::set(), flags)?))
    }

    /// The next pending signal and the pid that sent it; `None` if there is none.
    ///
    /// # Errors
    /// None on a healthy system.
    pub fn read(&self) -> io::Result<Option<(i32, u32)>> {
        let info = self.0.read_signal()?;
        Ok(info.map(|info| (info.ssi_signo.cast_signed(), info.ssi_pid)))
    }

    fn set() -> SigSet {
        READ.into_iter().collect()
    }
}

/// [`Signals`] that are waited for.
#[derive(Debug)]
pub struct SignalStream {
    signals: Signals,
    watched: Watched,
}

impl SignalStream {
    /// Waits for the signals that [`Signals::block`] has blocked. To be called inside a runtime.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn open() -> io::Result<Self> {
        let signals = Signals::open()?;
        let watched = Watched::for_input(Arc::new(signals.as_fd().try_clone_to_owned()?))?;
        Ok(Self { signals, watched })
    }

    /// The next signal and the pid that sent it.
    ///
    /// # Errors
    /// None on a healthy system.
    pub async fn next(&self) -> io::Result<(i32, u32)> {
        let read = |_: BorrowedFd<'_>| {
            self.signals
                .read()?
                .ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        self.watched.read(read).await
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Gives every signal its default disposition and unblocks all: what a program may expect at its start, whatever the
/// one that started us had ignored or blocked.
pub fn reset_all() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: the default disposition runs no code of ours. SIGKILL, SIGSTOP and the two that the C library keeps
        // for itself refuse, which is as well.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // It only fails for an unknown `how`.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// Ignores the signals that a terminal or a service manager sends to everybody, for a process that ends otherwise.
pub fn ignore_requests() {
    for request in READ.into_iter().filter(|s| *s != Signal::SIGCHLD) {
        // SAFETY: ignoring runs no code of ours; it cannot fail for these.
        let _ = unsafe { signal(request, SigHandler::SigIgn) };
    }
}

/// The name of a signal as the shell has it, without `SIG`.
#[must_use]
pub fn name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().trim_start_matches("SIG").to_owned(),
        Err(_) => format!("RT{}", number - libc::SIGRTMIN()),
    }
}
