//! The workers' pipes and what was read from them.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;

use super::log::Log;
use super::tail::{self, Ended, Tail};
use crate::wire::forward::Origin;
use crate::wire::split::Splitter;

/// How much one read takes, in bytes: what a pipe holds by default.
const READ: usize = 64 * 1024;

/// Reads of more than this make it worth while to give the memory back afterwards.
const BURST: usize = 16 * 1024;

/// One worker's pipe.
#[derive(Debug)]
struct Pipe {
    fd: OwnedFd,
    origin: Origin,
    splitter: Splitter,
    tail: Tail,
}

/// All pipes, by the supervisor's name for them.
#[derive(Debug, Default)]
pub struct Pipes {
    open: BTreeMap<u64, Pipe>,
    input: Vec<u8>,
    burst: bool,
    ended: Ended,
    /// Pipes that ended, which the supervisor has not been told yet.
    pub closed: Vec<u64>,
}

impl Pipes {
    /// Takes a pipe and watches it. It becomes non-blocking, which the writers don't notice: only the read end's
    /// description is concerned.
    ///
    /// # Errors
    /// If it can't be watched: it is no pipe, or memory is short.
    pub fn add(&mut self, epoll: &OwnedFd, id: u64, origin: Origin, fd: OwnedFd) -> io::Result<()> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        epoll::add(
            epoll,
            &fd,
            epoll::EventData::new_u64(id),
            epoll::EventFlags::IN,
        )?;
        self.open.insert(
            id,
            Pipe {
                fd,
                origin,
                splitter: Splitter::default(),
                tail: Tail::default(),
            },
        );
        Ok(())
    }

    /// All pipes have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Reads once, so that each pipe gets its turn; how many bytes, 0 if there were none.
    pub fn read(&mut self, epoll: &OwnedFd, id: u64, log: &mut Log) -> usize {
        let Some(pipe) = self.open.get_mut(&id) else {
            return 0;
        };
        self.input.clear();
        self.input.reserve(READ);
        match rustix::io::read(&pipe.fd, spare_capacity(&mut self.input)) {
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Ok(0) | Err(_) => {
                self.close(epoll, id, log);
                0
            }
            Ok(n) => {
                self.burst |= n > BURST;
                pipe.tail.add(&self.input);
                let stamp = log.stamp(pipe.origin);
                pipe.splitter
                    .feed(&self.input, |piece| log.line(&stamp, piece));
                n
            }
        }
    }

    /// Reads what the pipes hold at this moment, and hardly more: a worker that goes on writing can't hold it up.
    pub fn drain(&mut self, epoll: &OwnedFd, log: &mut Log) {
        for id in self.ids() {
            let held = self
                .open
                .get(&id)
                .map_or(Ok(0), |pipe| rustix::io::ioctl_fionread(&pipe.fd));
            let mut held = usize::try_from(held.unwrap_or_default()).unwrap_or(usize::MAX);
            loop {
                let n = self.read(epoll, id, log);
                // One read beyond what it held, because that is the one that finds the end.
                if n == 0 || held == 0 {
                    break;
                }
                held = held.saturating_sub(n);
            }
        }
    }

    /// Gives up the pipes that are still open, with what they have of an unfinished line.
    pub fn abandon(&mut self, epoll: &OwnedFd, log: &mut Log) {
        for id in self.ids() {
            self.close(epoll, id, log);
        }
    }

    /// The last lines that this worker printed.
    #[must_use]
    pub fn last_lines(&self, pid: i32) -> Vec<String> {
        let open = self.open.iter().filter(|(_, pipe)| pipe.origin.pid == pid);
        let open = open.map(|(id, pipe)| (*id, &pipe.tail));
        // In the order of the pipes, not of their ends.
        let tails: BTreeMap<_, _> = self.ended.of(pid).chain(open).collect();
        tail::lines(tails.into_values())
    }

    /// Much was read since the last [`Pipes::rest`].
    #[must_use]
    pub fn had_burst(&self) -> bool {
        self.burst
    }

    /// Gives the memory of a burst back.
    pub fn rest(&mut self) {
        self.input = Vec::new();
        self.burst = false;
    }

    fn ids(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    /// The last line may lack its newline. The descriptor leaves epoll by hand: the supervisor holds a copy of it, so
    /// closing ours alone would leave it watched.
    fn close(&mut self, epoll: &OwnedFd, id: u64, log: &mut Log) {
        let Some(mut pipe) = self.open.remove(&id) else {
            return;
        };
        let _ = epoll::delete(epoll, &pipe.fd);
        let stamp = log.stamp(pipe.origin);
        pipe.splitter.finish(|piece| log.line(&stamp, piece));
        self.ended.keep(id, pipe.origin.pid, pipe.tail);
        self.closed.push(id);
    }
}
