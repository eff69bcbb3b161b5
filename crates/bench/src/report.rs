//! What the programs under the bench tell it, with the moment of it: datagrams to one socket.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock, which all processes share.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).unwrap_or(0)
}

/// Milliseconds between two moments.
pub(crate) fn millis(from: u64, to: u64) -> f64 {
    (to as f64 - from as f64) / 1e6
}

/// Says a word and a number to the bench.
pub(crate) fn say(path: &Path, word: &str, number: u64) {
    let text = format!("{word} {number} {}", process::id());
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(text.as_bytes(), path));
    sent.expect("the bench listens");
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) word: String,
    pub(crate) number: u64,
    pub(crate) pid: i32,
}

/// The bench's end.
#[derive(Debug)]
pub(crate) struct Reports {
    socket: UnixDatagram,
    path: PathBuf,
    early: Vec<Report>,
}

impl Reports {
    pub(crate) fn bind(directory: &Path) -> Self {
        let path = directory.join("reports");
        let socket = UnixDatagram::bind(&path).expect("a socket for reports");
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a time limit");
        Self {
            socket,
            path,
            early: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the next report of this word.
    pub(crate) fn wait(&mut self, word: &str) -> Report {
        if let Some(at) = self.early.iter().position(|report| report.word == word) {
            return self.early.remove(at);
        }
        loop {
            let report = self
                .read()
                .unwrap_or_else(|error| panic!("no program said `{word}`: {error}"));
            if report.word == word {
                return report;
            }
            self.early.push(report);
        }
    }

    /// Forgets what has been said so far.
    pub(crate) fn clear(&mut self) {
        self.early.clear();
        self.socket.set_nonblocking(true).expect("a mode");
        while self.read().is_ok() {}
        self.socket.set_nonblocking(false).expect("a mode");
    }

    fn read(&self) -> io::Result<Report> {
        let mut buffer = [0; 128];
        let length = self.socket.recv(&mut buffer)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        let mut words = text.split(' ');
        let mut next = || words.next().unwrap_or_default();
        Ok(Report {
            word: next().into(),
            number: next().parse().unwrap_or(0),
            pid: next().parse().unwrap_or(0),
        })
    }
}
