//! One process and its threads, as /proc shows them.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, fstat};
use rustix::io::Errno;
use rustix::path::DecInt;
use rustix::process::{Pid, geteuid, test_kill_process};

use super::procfs::{self, number};
use super::reason::BlindReason;
use super::syscall::{self, Call};

/// `PF_EXITING` of the kernel's include/linux/sched.h, shown in the ninth field of `/proc/PID/stat`.
const EXITING: u64 = 0x4;

/// A process, held by its directory in /proc: a later process with the same number is never mistaken for it.
pub(super) struct Process {
    /// Its directory, opened only to look things up in it.
    pub(super) directory: OwnedFd,
}

/// Whether the kernel knows a process of this number, whatever /proc shows.
pub(super) fn exists(pid: i32) -> bool {
    let pid = if pid > 0 { Pid::from_raw(pid) } else { None };
    pid.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
}

impl Process {
    pub(super) fn open(proc: &Path, pid: i32) -> Result<Self, Errno> {
        let proc = procfs::directory(CWD, proc)?;
        let directory = procfs::directory(&proc, DecInt::new(pid))?;
        Ok(Self { directory })
    }

    /// Neither stopped nor ended nor about to end.
    pub(super) fn runs(&self) -> bool {
        let mut buffer = [0; 1024];
        procfs::file(&self.directory, c"stat")
            .and_then(|file| rustix::io::read(&file, &mut buffer))
            .is_ok_and(|count| runs(&buffer[..count]))
    }

    /// Who or what keeps us from looking.
    pub(super) fn why_refused(&self) -> BlindReason {
        match fstat(&self.directory) {
            Ok(stat) if stat.st_uid != geteuid().as_raw() => {
                BlindReason::OtherUser { uid: stat.st_uid }
            }
            _ => BlindReason::Protected,
        }
    }

    /// Its memory, if we may read it.
    pub(super) fn memory(&self) -> Option<OwnedFd> {
        procfs::file(&self.directory, c"mem").ok()
    }

    /// The calls of interest to us in which its threads sleep. The error is a refusal only if no thread's call could be
    /// read: one that is about to end refuses alone.
    pub(super) fn calls(&self, mut each: impl FnMut(Call)) -> Result<(), Errno> {
        let (mut read, mut refused) = (false, None);
        procfs::numbers(&self.directory, c"task", |tasks, tid| {
            let mut buffer = [0; 256];
            let line = procfs::directory(tasks, DecInt::new(tid))
                .and_then(|task| procfs::file(task, c"syscall"))
                .and_then(|file| rustix::io::read(&file, &mut buffer));
            match line {
                Ok(count) => {
                    read = true;
                    syscall::parse(&buffer[..count])
                        .into_iter()
                        .for_each(&mut each);
                }
                Err(error) if procfs::refuses(error) => refused = Some(error),
                Err(_) => {}
            }
            Ok(())
        })?;
        match refused {
            Some(error) if !read => Err(error),
            _ => Ok(()),
        }
    }

    /// Adds its children. One that is born or moves meanwhile may be missed (proc(5)); the next look finds it.
    pub(super) fn children(&self, into: &mut Vec<i32>) {
        // What can't be read has ended, or this kernel has no such file.
        let _ = procfs::numbers(&self.directory, c"task", |tasks, tid| {
            let _ = procfs::directory(tasks, DecInt::new(tid)).and_then(|task| {
                procfs::pieces(task, c"children", b' ', |pid| into.extend(number(pid)))
            });
            Ok(())
        });
    }
}

/// Reads `/proc/PID/stat`. The name, in parentheses, may itself hold any byte; state is the third field, flags the ninth.
fn runs(stat: &[u8]) -> bool {
    let Some(end) = memchr::memrchr(b')', stat) else {
        return false;
    };
    let mut fields = stat[end + 1..].split(|&byte| byte == b' ').skip(1);
    let state = fields.next();
    let flags = fields
        .nth(5)
        .and_then(|flags| std::str::from_utf8(flags).ok()?.parse::<u64>().ok());
    !matches!(state, Some(b"T" | b"t" | b"Z" | b"X" | b"x"))
        && flags.is_some_and(|flags| flags & EXITING == 0)
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn a_stopped_ended_or_ending_process_does_not_run() {
        assert!(runs(b"7 (a) S 1 7 7 0 -1 4194304 99 0"));
        assert!(runs(b"7 (a) T 1 (b) R 1 7 7 0 -1 4194304 99 0"));
        assert!(!runs(b"7 (a) T 1 7 7 0 -1 4194304 99 0"));
        assert!(!runs(b"7 (a) t 1 7 7 0 -1 4194304 99 0"));
        assert!(!runs(b"7 (a) Z 1 7 7 0 -1 4194304 99 0"));
        assert!(!runs(b"7 (a) S 1 7 7 0 -1 4194308 99 0"));
        assert!(!runs(b""));
        assert!(!runs(b"7 (a) S 1"));
    }
}
