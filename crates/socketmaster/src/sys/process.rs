//! Children: their descriptors, their ends, what is left of their process groups.

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use super::peer;

/// A child of ours that has not been reaped, held by its pidfd: a signal sent through it can only hit this process.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: Arc<OwnedFd>,
}

impl Child {
    /// Takes charge of a child by its pid, which stays its own until we reap it.
    ///
    /// # Errors
    /// There is no such process (pidfd_open(2), Linux 5.3).
    pub fn new(pid: i32) -> io::Result<Self> {
        let id = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
        let pidfd = pidfd_open(id, PidfdFlags::empty())?;
        Ok(Self {
            pid,
            pidfd: Arc::new(pidfd),
        })
    }

    /// A process by its pid and a descriptor of it that is there already.
    #[must_use]
    pub fn with_pidfd(pid: i32, pidfd: OwnedFd) -> Self {
        Self {
            pid,
            pidfd: Arc::new(pidfd),
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its pidfd, which is readable once it has ended.
    #[must_use]
    pub fn pidfd(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.pidfd)
    }

    /// Waits for its end, if need be, and frees its pid.
    pub fn reap(self) {
        wait(self.pid, 0);
    }

    /// Waits for its end, if need be, frees its pid, and says whether it exited with status 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        let end = peek(libc::P_PID, self.pid);
        wait(self.pid, 0);
        matches!(end, Ok(Some((_, End::Exit(0)))))
    }

    /// Sends it a signal by number. A child that has ended is no error: its end is on the way to us.
    ///
    /// # Errors
    /// No such signal, or the child runs as another user and we may not.
    pub fn signal(&self, number: i32) -> io::Result<()> {
        // SAFETY: a plain number for the kernel, which refuses what is no signal.
        let signal = unsafe { Signal::from_raw_unchecked(number) };
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a signal to its whole process group, which is its own. The number cannot mean anybody else: it is kept
    /// for as long as the child has not been reaped.
    ///
    /// # Errors
    /// We may not signal any of them.
    pub fn signal_group(&self, number: i32) -> io::Result<()> {
        let Some(group) = Pid::from_raw(self.pid) else {
            return Ok(());
        };
        // SAFETY: as above.
        let signal = unsafe { Signal::from_raw_unchecked(number) };
        match kill_process_group(group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether it still has a program to run. At its end a process loses that before its descriptors are closed, so
    /// after the end of a close-on-exec socket this tells an exec from a death.
    #[must_use]
    pub fn has_program(&self) -> bool {
        let image = std::fs::read_link(format!("/proc/{}/exe", self.pid));
        !image.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it runs: neither ended nor a zombie.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(peek(libc::P_PID, self.pid), Ok(Some(_)) | Err(_))
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with this status.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
}

/// A child that has ended and is not reaped yet: its pid, and how.
///
/// # Errors
/// waitid(2); having no child at all is `None`.
pub fn ended() -> io::Result<Option<(i32, End)>> {
    match peek(libc::P_ALL, 0) {
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        other => other,
    }
}

/// Reaps a child that has ended. Its pid may mean somebody else from now on.
pub fn reap(pid: i32) {
    wait(pid, libc::WNOHANG);
}

/// Sends a signal to these children of ours. Until they are reaped their pids are theirs.
pub fn signal_all(children: &[i32], number: i32) {
    // SAFETY: a plain number for the kernel, which refuses what is no signal.
    let signal = unsafe { Signal::from_raw_unchecked(number) };
    for id in children.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(id, signal);
    }
}

fn wait(pid: i32, options: i32) {
    let Ok(id) = libc::id_t::try_from(pid) else {
        return;
    };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: waitid writes the siginfo it is given. That the child is gone already is the only possible failure.
    unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), libc::WEXITED | options) };
}

// rustix does not tell the pid, nix fails for a child that died of a realtime signal: hence the call itself.
fn peek(kind: libc::idtype_t, id: i32) -> io::Result<Option<(i32, End)>> {
    let id = libc::id_t::try_from(id).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: waitid writes the siginfo it is given; all zero where no child has ended, which is a valid siginfo.
    let (pid, code, status) = unsafe {
        if libc::waitid(kind, id, info.as_mut_ptr(), options) != 0 {
            return Err(io::Error::last_os_error());
        }
        let info = info.assume_init();
        (info.si_pid(), info.si_code, info.si_status())
    };
    Ok((pid != 0).then_some({
        (
            pid,
            if code == libc::CLD_EXITED {
                End::Exit(status)
            } else {
                End::Signal(status)
            },
        )
    }))
}

/// Makes orphans among our descendants our children, so that none is left behind (`PR_SET_CHILD_SUBREAPER`).
///
/// # Errors
/// None since Linux 3.4.
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Pid::from_raw(1))?)
}

/// The pids of our children, zombies included (`/proc/self/task/TID/children`; empty where the kernel lacks it).
#[must_use]
pub fn children() -> Vec<i32> {
    peer::children(rustix::process::getpid().as_raw_nonzero().get())
}

/// Lifts the limit of open descriptors to what we are allowed, and returns the one we had: 1,000 listeners need more
/// than the customary 1,024, and a child should not notice.
#[must_use]
pub fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    (limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok())
        .then_some(limit.current)
        .flatten()
}

/// Sets the soft limit of open descriptors, or what the hard limit leaves of it: that may have been lowered meanwhile.
///
/// # Errors
/// What setrlimit(2) says; practically never.
pub fn set_descriptor_limit(soft: u64) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(soft, |hard| soft.min(hard)));
    Ok(setrlimit(Resource::Nofile, Rlimit { current, maximum })?)
}

/// Asks for this signal when the parent ends (`PR_SET_PDEATHSIG`), unless it has ended already, which is an error.
/// Call it after the last change of user: that clears it.
///
/// # Errors
/// No such signal, or `parent` is not our parent (any more).
pub fn die_with(parent: i32, signal: i32) -> io::Result<()> {
    // SAFETY: a plain number for the kernel, which refuses what is no signal.
    let signal = unsafe { Signal::from_raw_unchecked(signal) };
    rustix::process::set_parent_process_death_signal(Some(signal))?;
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(parent) {
        return Err(io::Error::other("the supervisor has ended"));
    }
    Ok(())
}

/// Names this process in `ps` and `top` (`PR_SET_NAME`, 15 bytes).
pub fn set_name(name: &CStr) {
    // It fails for a name that is no pointer, which a CStr is.
    let _ = rustix::thread::set_name(name);
}
