//! Whether a program waits for connections or datagrams on a socket, seen from outside through /proc.
//!
//! Nothing is asked of the program and no connection is made: the kernel tells which descriptors an epoll instance
//! watches (`/proc/PID/fdinfo/FD`) and in which system call a thread sleeps (`/proc/PID/task/TID/syscall`). Sockets
//! are matched by inode, so it does not matter which number a descriptor has or how often it was duplicated.
//!
//! What it does not do: a sight is no proof that the program will accept. Go registers a socket when it makes a
//! listener of it, a moment before the first accept. The accepts of io_uring are not seen, nor is a process whose first
//! thread has ended while others go on.

mod epoll;
mod held;
mod holdings;
mod memory;
mod process;
mod procfs;
mod reason;
mod syscall;

use std::path::Path;

use rustix::io::Errno;

pub use held::held_by;
pub use reason::BlindReason;

use holdings::Holdings;
use process::Process;
use syscall::Call;

/// How many looks in a row must see nothing before a [`Watcher`] says so.
const BLIND_LOOKS: u8 = 3;

/// The way in which a program waits for connections or datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// An epoll instance watches the socket for input.
    Epoll,
    /// A thread sleeps in accept(2) or accept4(2).
    Accept,
    /// A thread sleeps in a read of a datagram socket: recvfrom(2), recvmsg(2), recvmmsg(2), read(2) or readv(2).
    Receive,
    /// A thread sleeps in poll(2) or ppoll(2).
    Poll,
    /// A thread sleeps in select(2) or pselect(2).
    Select,
}

/// What a look saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// A process waits for connections.
    Waiting(How),
    /// Everything could be looked at, and nothing waits. Stopped and ended processes do not wait.
    NotYet,
    /// Nothing waits as far as can be seen, and something could not be looked at. A later look may still see more.
    Blind(BlindReason),
}

/// Repeated looks at one process tree. It says [`Sight::Blind`] only after three blind looks in a row, so that a
/// short-lived helper of the program which may not be looked at (a setuid one, say) does not count.
///
/// A process that was seen waiting goes on doing so while it runs and holds the socket, though it may be busy with a
/// connection at the moment of a look: under load a look may find it so every time.
#[derive(Debug)]
pub struct Watcher {
    root: i32,
    blind: u8,
    seen: Option<(i32, How)>,
}

impl Watcher {
    /// Looks at the process `root_pid` and its descendants; the caller still has to reap it.
    #[must_use]
    pub fn new(root_pid: i32) -> Self {
        Self {
            root: root_pid,
            blind: 0,
            seen: None,
        }
    }

    /// Looks once more; see [`look`].
    pub fn look(&mut self, inodes: &[u64]) -> Sight {
        let (pid, sight) = look_in(Path::new("/proc"), self.root, inodes);
        self.seen = match sight {
            Sight::Waiting(how) => Some((pid, how)),
            Sight::NotYet | Sight::Blind(_) => self.seen.filter(|(pid, _)| holds(*pid, inodes)),
        };
        let sight = self.seen.map_or(sight, |(_, how)| Sight::Waiting(how));
        let Sight::Blind(_) = sight else {
            self.blind = 0;
            return sight;
        };
        self.blind = self.blind.saturating_add(1);
        if self.blind < BLIND_LOOKS {
            Sight::NotYet
        } else {
            sight
        }
    }
}

/// Looks once at `root_pid` and its descendants: does any of them wait for connections on one of the sockets whose
/// inodes (`st_ino` of fstat(2)) are given in rising order?
///
/// The tree is walked by `/proc/PID/task/TID/children` (`CONFIG_PROC_CHILDREN`); without it only `root_pid` itself is
/// looked at. A process that goes away meanwhile is no error, and a failure of our own (out of descriptors) is
/// [`Sight::NotYet`].
#[must_use]
pub fn look(root_pid: i32, inodes: &[u64]) -> Sight {
    look_in(Path::new("/proc"), root_pid, inodes).1
}

/// Whether an epoll instance of this one process watches the socket of this inode for input.
#[must_use]
pub fn is_registered(pid: i32, inode: u64) -> bool {
    let registered = Process::open(Path::new("/proc"), pid).and_then(|process| {
        for fd in Holdings::of(&process, &[inode])?.epolls {
            if epoll::look(&process, fd, &[inode], &[])?.socket {
                return Ok(true);
            }
        }
        Ok(false)
    });
    registered.unwrap_or(false)
}

/// Whether `root_pid` or one of its descendants holds the socket of this inode; also if we cannot look, because we may
/// not or are out of descriptors.
#[must_use]
pub fn is_held(root_pid: i32, inode: u64) -> bool {
    let proc = Path::new("/proc");
    let mut tree = vec![root_pid];
    while let Some(pid) = tree.pop() {
        let process = match Process::open(proc, pid) {
            Ok(process) => process,
            Err(error) if procfs::runs_out(error) => return true,
            Err(_) => continue,
        };
        match Holdings::of(&process, &[inode]) {
            Ok(held) if held.sockets.is_empty() => {}
            Ok(_) => return true,
            Err(error) if procfs::runs_out(error) => return true,
            Err(error) if procfs::refuses(error) && process.runs() => return true,
            Err(_) => {}
        }
        process.children(&mut tree);
    }
    false
}

/// Whether it runs and holds one of the sockets.
fn holds(pid: i32, inodes: &[u64]) -> bool {
    Process::open(Path::new("/proc"), pid).is_ok_and(|process| {
        process.runs() && Holdings::of(&process, inodes).is_ok_and(|held| !held.sockets.is_empty())
    })
}

/// The sight, and which process waits if one does.
fn look_in(proc: &Path, root_pid: i32, inodes: &[u64]) -> (i32, Sight) {
    let mut blind = None;
    let mut tree = vec![root_pid];
    while let Some(pid) = tree.pop() {
        let process = match Process::open(proc, pid) {
            Ok(process) => process,
            Err(Errno::NOENT) if process::exists(pid) => {
                blind.get_or_insert(BlindReason::Hidden);
                continue;
            }
            Err(_) => continue,
        };
        match look_at(&process, inodes) {
            Sight::NotYet => {}
            Sight::Waiting(how) => return (pid, Sight::Waiting(how)),
            Sight::Blind(reason) => {
                blind.get_or_insert(reason);
            }
        }
        process.children(&mut tree);
    }
    (root_pid, blind.map_or(Sight::NotYet, Sight::Blind))
}

/// One process. A refusal counts only if the process still runs after it: the kernel gives the files of one that is
/// about to end to root, so they can't be read for a moment before it is seen as a zombie.
fn look_at(process: &Process, inodes: &[u64]) -> Sight {
    if !process.runs() {
        return Sight::NotYet;
    }
    match examine(process, inodes) {
        Ok(sight) => sight,
        Err(error) if procfs::refuses(error) && process.runs() => {
            Sight::Blind(process.why_refused())
        }
        Err(_) => Sight::NotYet,
    }
}

fn examine(process: &Process, inodes: &[u64]) -> Result<Sight, Errno> {
    let held = Holdings::of(process, inodes)?;
    let mut uring = false;
    for &fd in &held.epolls {
        let watch = epoll::look(process, fd, inodes, &held.rings)?;
        if watch.socket {
            return Ok(Sight::Waiting(How::Epoll));
        }
        uring |= watch.ring;
    }
    if held.sockets.is_empty() && held.rings.is_empty() {
        return Ok(Sight::NotYet);
    }
    let mut how = None;
    let calls = process.calls(|call| match call {
        Call::Uring => uring |= !held.rings.is_empty(),
        call => how = how.or_else(|| waits(process, &call, &held.sockets)),
    });
    let refused = calls.is_err_and(procfs::refuses);
    Ok(match how {
        Some(how) => Sight::Waiting(how),
        None if uring => Sight::Blind(BlindReason::IoUring),
        None if refused && process.runs() => Sight::Blind(BlindReason::SystemCalls),
        None => Sight::NotYet,
    })
}

fn waits(process: &Process, call: &Call, sockets: &[i32]) -> Option<How> {
    match *call {
        Call::Accept { fd } => sockets.binary_search(&fd).is_ok().then_some(How::Accept),
        Call::Receive { fd } => sockets.binary_search(&fd).is_ok().then_some(How::Receive),
        Call::Poll { address, count } => {
            memory::polled(&process.memory()?, address, count, sockets).then_some(How::Poll)
        }
        Call::Select { address, count } => {
            memory::selected(&process.memory()?, address, count, sockets).then_some(How::Select)
        }
        Call::Uring => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_lives_but_is_not_shown_is_blind() {
        let empty = tempfile::tempdir().unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert_eq!(
            look_in(empty.path(), own, &[1]).1,
            Sight::Blind(BlindReason::Hidden)
        );
        assert_eq!(
            look_in(empty.path(), i32::MAX, &[1]).1,
            Sight::NotYet,
            "there is no such process"
        );
        assert_eq!(look(i32::MAX, &[1]), Sight::NotYet);
        assert_eq!(look(0, &[1]), Sight::NotYet);
        assert_eq!(look(-1, &[1]), Sight::NotYet);
    }
}
