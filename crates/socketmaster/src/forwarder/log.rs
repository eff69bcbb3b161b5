//! The log: lines in, as few writes as possible out, and an account of what could not be written.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::epoll;

use super::followers::Followers;
use super::look::{Look, Stamp};
use super::options::Options;
use super::sink::Sink;
use crate::wire::forward::{Follow, Origin};
use crate::wire::split::{LINE_MAX, Piece};

/// How much is collected before it is written, in bytes.
const BATCH: usize = 256 * 1024;

/// Collects lines in their final form and writes them.
///
/// A sink that fails (a full disk, a reader that has gone, no syslog) never stops the log from taking lines: a worker
/// must not block or die of it. They are counted, and the first line that can be written again says how many are
/// missing and why.
#[derive(Debug)]
pub struct Log {
    look: Look,
    sink: Sink,
    followers: Followers,
    batch: Vec<u8>,
    lost: usize,
    reason: String,
    /// A write that failed left half a line behind.
    torn: bool,
}

impl Log {
    /// A log that has written nothing yet; its lines are counted from this position on.
    #[must_use]
    pub fn new(options: Options, position: u64) -> Self {
        Self {
            look: Look::new(options.supervisor, options.format, options.syslog.is_some()),
            sink: Sink::new(options.syslog),
            followers: Followers::new(position),
            batch: Vec::new(),
            lost: 0,
            reason: String::new(),
            torn: false,
        }
    }

    /// Looks at the clock, for lines of this worker.
    pub fn stamp(&mut self, origin: Origin) -> Stamp {
        self.look.stamp(Some(origin))
    }

    /// Adds a line of a worker.
    #[inline]
    pub fn line(&mut self, stamp: &Stamp, piece: Piece<'_>) {
        if self.batch.capacity() == 0 {
            self.batch.reserve(BATCH + LINE_MAX);
        }
        self.look.push(&mut self.batch, stamp, piece);
        if self.batch.len() >= BATCH || self.sink.takes_single_lines() {
            self.flush();
        }
    }

    /// Adds a line of the supervisor's; text with newlines becomes several.
    pub fn say(&mut self, text: &str) {
        let stamp = self.look.stamp(None);
        for line in text.split('\n') {
            self.line(&stamp, Piece::last(line.as_bytes()));
        }
    }

    /// Nothing is collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Writes what is collected.
    pub fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.lost > 0 {
            self.confess();
        }
        if self.lost > 0 {
            self.lost += self.sink.count_lines(&self.batch);
        } else if let Err((written, error)) = self.sink.write(&self.batch) {
            self.lost = self.sink.count_lines(&self.batch[written..]);
            self.torn = written > 0 && self.batch[written - 1] != b'\n';
            self.reason = error.to_string();
            self.sink.complain(&self.reason);
        }
        // Afterwards, so that they hold nothing up.
        let (look, sink) = (&mut self.look, &self.sink);
        let lines = sink.as_lines(&mut self.batch);
        self.followers.add(lines, &mut |n| left_out(look, sink, n));
        self.batch.clear();
        self.batch.shrink_to(BATCH + LINE_MAX);
    }

    /// Somebody wants to read, too.
    ///
    /// # Errors
    /// The socket cannot be watched.
    pub fn follow(&mut self, epoll: &OwnedFd, wanted: Follow, socket: OwnedFd) -> io::Result<()> {
        self.flush();
        let (look, sink) = (&mut self.look, &self.sink);
        let note = &mut |n| left_out(look, sink, n);
        self.followers.follow(epoll, wanted, socket, note)
    }

    /// A reader has gone, or takes more.
    pub fn wake(&mut self, event: &epoll::Event) {
        let (look, sink) = (&mut self.look, &self.sink);
        self.followers.wake(event, &mut |n| left_out(look, sink, n));
    }

    /// Watches for the room of those readers that have none.
    pub fn watch(&mut self, epoll: &OwnedFd) {
        self.followers.watch(epoll);
    }

    /// Gives the memory of a burst back. To be called when nothing is collected.
    pub fn rest(&mut self) {
        self.batch = Vec::new();
    }

    /// Says how many lines were lost, which also tries whether writing works again.
    fn confess(&mut self) {
        let mut notice = if self.torn {
            b"\n".to_vec()
        } else {
            Vec::new()
        };
        let text = format!("Lines of the log lost: {} ({})", self.lost, self.reason);
        let stamp = self.look.stamp(None);
        self.look
            .push(&mut notice, &stamp, Piece::last(text.as_bytes()));
        match self.sink.write(&notice) {
            Ok(()) => (self.lost, self.torn) = (0, false),
            Err((written, _)) => self.torn |= written > 0,
        }
    }
}

/// What a reader is told that was too slow.
fn left_out(look: &mut Look, sink: &Sink, lines: u64) -> Vec<u8> {
    let mut line = Vec::new();
    let text = format!("Lines left out here: {lines} (their reader is too slow)");
    let stamp = look.stamp(None);
    look.push(&mut line, &stamp, Piece::last(text.as_bytes()));
    sink.as_lines(&mut line).to_vec()
}
