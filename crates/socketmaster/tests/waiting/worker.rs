//! A program with a listening socket on descriptor 3 and a pipe for its report on descriptor 4.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open};
use rustix::time::{ClockId, clock_gettime};
use socketmaster::sys::waiting::{How, Sight, look};

/// Nanoseconds of CLOCK_MONOTONIC.
pub(crate) fn now() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

pub(crate) struct Worker {
    child: Child,
    pidfd: OwnedFd,
    reports: File,
    inode: u64,
}

pub(crate) struct Seen {
    pub(crate) how: How,
    /// From the program's own report to the end of the look that saw it.
    pub(crate) delay_ns: i64,
    /// The cheapest of the looks that did not see it, and the look that did.
    pub(crate) looks_ns: (i64, i64),
}

impl Worker {
    pub(crate) fn start(mut command: Command) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let inode = rustix::fs::fstat(&listener).unwrap().st_ino;
        let (reports, report) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        // Above 3 and 4, so that neither is overwritten before it is copied.
        let listener = fcntl_dupfd_cloexec(&listener, 10).unwrap();
        let report = fcntl_dupfd_cloexec(&report, 10).unwrap();
        let (socket, pipe) = (listener.as_raw_fd(), report.as_raw_fd());
        // SAFETY: between fork and exec only prctl(2) and dup2(2), plain system calls, on descriptors open until spawn returns.
        unsafe {
            command.pre_exec(move || {
                // It must not outlive a test that is killed.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::dup2(socket, 3) < 0 || libc::dup2(pipe, 4) < 0 {
                    return Err(io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        rustix::io::ioctl_fionbio(&reports, true).unwrap();
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).unwrap();
        Self {
            child,
            pidfd,
            reports: reports.into(),
            inode,
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn look(&self) -> Sight {
        look(self.pid().as_raw_nonzero().get(), &[self.inode])
    }

    /// Looks every 5 ms until the sight is `wanted`; None if the program ends first or ten seconds pass.
    pub(crate) fn look_until(&self, wanted: impl Fn(Sight) -> bool) -> Option<(Sight, (i64, i64))> {
        let end = now() + 10_000_000_000;
        let mut cheapest = i64::MAX;
        while now() < end {
            let start = now();
            let sight = self.look();
            let cost = now() - start;
            if wanted(sight) {
                return Some((sight, (cheapest, cost)));
            }
            cheapest = cheapest.min(cost);
            if readable_within(&self.pidfd, 5) {
                return None;
            }
        }
        None
    }

    /// Looks until the program is seen waiting, which must not be before it says that it is about to.
    pub(crate) fn watch(&mut self) -> Seen {
        let (sight, looks_ns) = self
            .look_until(|sight| matches!(sight, Sight::Waiting(_)))
            .expect("is seen waiting");
        let seen = now();
        let Sight::Waiting(how) = sight else {
            unreachable!()
        };
        let reported = self.report().expect("was seen waiting before it began to");
        assert!(
            reported <= seen,
            "was seen waiting {} ns before it began to",
            reported - seen
        );
        Seen {
            how,
            delay_ns: seen - reported,
            looks_ns,
        }
    }

    /// The first moment that the program reported, if it has by now.
    pub(crate) fn report(&mut self) -> Option<i64> {
        let mut bytes = [0; 256];
        let count = self.reports.read(&mut bytes).ok()?;
        std::str::from_utf8(&bytes[..count])
            .unwrap()
            .lines()
            .next()?
            .parse()
            .ok()
    }

    /// Waits until the program has reported.
    pub(crate) fn await_report(&mut self) {
        assert!(
            readable_within(&self.reports, 10_000),
            "no report within ten seconds"
        );
        self.report().expect("a report");
    }

    /// Whether it has not ended yet.
    pub(crate) fn runs(&self) -> bool {
        !readable_within(&self.pidfd, 0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn await_end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Worker {
    /// Kills the program with its descendants, and waits until the last of them has let go of the pipe.
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        let mut rest = [0; 256];
        while readable_within(&self.reports, 5_000) {
            if self.reports.read(&mut rest).is_ok_and(|count| count == 0) {
                return;
            }
        }
        eprintln!("a descendant of process {} is still there", self.child.id());
    }
}

/// Waits for input, an end or an exit; false if there is none in time.
fn readable_within(fd: &impl AsFd, milliseconds: i64) -> bool {
    let timeout = Timespec {
        tv_sec: milliseconds / 1000,
        tv_nsec: milliseconds % 1000 * 1_000_000,
    };
    let mut fds = [PollFd::new(fd, PollFlags::IN)];
    poll(&mut fds, Some(&timeout)).unwrap_or(0) > 0
}
