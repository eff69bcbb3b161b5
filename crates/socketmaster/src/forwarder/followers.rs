//! Who reads the log from us, beside the log itself: clients of the supervisor, each at the other end of a
//! `SOCK_SEQPACKET` pair.
//!
//! None of them is ever waited for. What a socket doesn't take is sent when there is room again, from what is kept of
//! the log; what is no longer kept by then is left out, and said to be. So a reader that is slow or stuck costs what its
//! socket holds, by default 208 KiB, and nobody else a line.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll;

use super::recent::Recent;
use crate::sys::scm;
use crate::wire::forward::{FOLLOW_MAX, Follow};

/// Marks these sockets among the events.
const MARK: u64 = 1 << 62;

/// Says how many lines are left out.
type Note<'a> = &'a mut dyn FnMut(u64) -> Vec<u8>;

#[derive(Debug)]
struct Follower {
    socket: OwnedFd,
    /// The position of what comes next.
    at: u64,
    /// The position that is the end; without one there is none.
    until: Option<u64>,
    /// How many lines it did not get.
    missed: u64,
    /// It has got the beginning of a line, and not yet the end.
    torn: bool,
    /// It takes nothing now.
    full: bool,
    /// Its room is watched for.
    watched: bool,
}

/// All of them, and what is kept for them.
#[derive(Debug)]
pub struct Followers {
    recent: Recent,
    all: BTreeMap<u64, Follower>,
    last: u64,
}

impl Followers {
    /// Nobody yet; lines are counted from this position on.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self {
            recent: Recent::new(position),
            all: BTreeMap::new(),
            last: 0,
        }
    }

    /// Whether this event is one of these.
    #[must_use]
    pub fn is_one(event: u64) -> bool {
        event & !(MARK - 1) == MARK
    }

    /// Sends whole lines of the log to all, and keeps the last of them.
    pub fn add(&mut self, lines: &[u8], note: Note<'_>) {
        if !self.all.is_empty() {
            let (end, begin) = (self.recent.end(), self.recent.begin_after(lines));
            self.all.retain(|_, follower| {
                let alive = follower.full || follower.send(end, lines, note).is_ok();
                if follower.at < begin {
                    follower.missed += self.recent.count(follower.at, begin, lines);
                    follower.at = begin;
                }
                alive
            });
        }
        self.recent.add(lines);
    }

    /// Somebody wants to read. First it is told the position where it begins, as a decimal number.
    ///
    /// # Errors
    /// Its socket cannot be watched.
    pub fn follow(
        &mut self,
        epoll: &OwnedFd,
        wanted: Follow,
        socket: OwnedFd,
        note: Note<'_>,
    ) -> io::Result<()> {
        let at = match wanted.after {
            Some(position) => self.recent.line_from(position),
            None => self.recent.last(wanted.lines),
        };
        let mut follower = Follower {
            socket,
            at,
            until: (!wanted.follow).then_some(self.recent.end()),
            missed: 0,
            torn: false,
            full: false,
            watched: false,
        };
        scm::send(follower.socket.as_fd(), at.to_string().as_bytes(), &[])?;
        if follower.catch_up(&self.recent, note).is_ok() {
            self.last += 1;
            let data = epoll::EventData::new_u64(MARK | self.last);
            // The end of the other side is always told (epoll_ctl(2)).
            epoll::add(epoll, &follower.socket, data, epoll::EventFlags::empty())?;
            self.all.insert(self.last, follower);
        }
        Ok(())
    }

    /// One of them has gone, or takes more.
    pub fn wake(&mut self, event: &epoll::Event, note: Note<'_>) {
        let id = event.data.u64() & !MARK;
        let flags = event.flags;
        let gone = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
        if let Some(follower) = self.all.get_mut(&id)
            && (gone || follower.catch_up(&self.recent, note).is_err())
        {
            // Nobody else has a copy of its socket: closing it also ends the watch.
            self.all.remove(&id);
        }
    }

    /// Watches for the room of those that have none.
    pub fn watch(&mut self, epoll: &OwnedFd) {
        for (id, follower) in &mut self.all {
            if follower.full != follower.watched {
                let flags = match follower.full {
                    true => epoll::EventFlags::OUT,
                    false => epoll::EventFlags::empty(),
                };
                let data = epoll::EventData::new_u64(MARK | id);
                // A change of what is watched needs no memory.
                let _ = epoll::modify(epoll, &follower.socket, data, flags);
                follower.watched = follower.full;
            }
        }
    }
}

impl Follower {
    /// Sends what is kept. An error is its end, or that of the other side.
    fn catch_up(&mut self, recent: &Recent, note: Note<'_>) -> io::Result<()> {
        self.full = false;
        self.send(recent.begin(), recent.bytes(), note)
    }

    /// Sends of these bytes, which begin at this position, what it has not got yet, as far as the socket takes it.
    fn send(&mut self, begin: u64, bytes: &[u8], note: Note<'_>) -> io::Result<()> {
        match self.try_send(begin, bytes, note) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.full = true;
                Ok(())
            }
            Ok(()) if self.until.is_some_and(|until| self.at >= until) => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            other => other,
        }
    }

    fn try_send(&mut self, begin: u64, bytes: &[u8], note: Note<'_>) -> io::Result<()> {
        let rest = |at: u64| bytes.get(usize::try_from(at.checked_sub(begin)?).ok()?..);
        while let Some(rest) = rest(self.at).filter(|rest| !rest.is_empty()) {
            if self.missed > 0 {
                let mut text = note(self.missed);
                if self.torn {
                    text.insert(0, b'\n');
                }
                scm::send(self.socket.as_fd(), &text, &[])?;
                (self.missed, self.torn) = (0, false);
            }
            let part = message(rest);
            scm::send(self.socket.as_fd(), part, &[])?;
            self.at += part.len() as u64;
            self.torn = !part.ends_with(b"\n");
        }
        Ok(())
    }
}

/// As many lines as one message takes, or as much of a longer one.
fn message(bytes: &[u8]) -> &[u8] {
    let Some(most) = bytes.get(..FOLLOW_MAX) else {
        return bytes;
    };
    memchr::memrchr(b'\n', most).map_or(most, |end| &most[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_holds_whole_lines() {
        assert_eq!(message(b"a\nb"), b"a\nb");
        let mut long = vec![b'x'; FOLLOW_MAX];
        assert_eq!(message(&long).len(), FOLLOW_MAX);
        long[10] = b'\n';
        long.push(b'\n');
        assert_eq!(message(&long).len(), 11);
    }
}
