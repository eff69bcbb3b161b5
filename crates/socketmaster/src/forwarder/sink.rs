//! Where lines go: standard error or the local syslog.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Where lines go.
#[derive(Debug)]
pub enum Sink {
    /// Standard error.
    Stderr,
    /// A syslog socket, one datagram a line. Nothing is opened before the first line.
    Syslog {
        /// Where it listens.
        path: PathBuf,
        /// Connected to it, if the last line arrived.
        socket: Option<UnixDatagram>,
    },
}

/// How much a reader of standard error may be behind before we wait for it, where that is a pipe. With the default of
/// 64 KiB the two wait for each other at every turn, which costs half of the throughput. The memory is taken only for
/// what is in it.
const PIPE_SIZE: usize = 1 << 20;

impl Sink {
    /// The syslog at this path, or standard error.
    #[must_use]
    pub fn new(syslog: Option<PathBuf>) -> Self {
        let Some(path) = syslog else {
            // Only a pipe has a size; one above its limit (pipe(7)) keeps the one that it has.
            let _ = rustix::pipe::fcntl_setpipe_size(rustix::stdio::stderr(), PIPE_SIZE);
            return Self::Stderr;
        };
        Self::Syslog { path, socket: None }
    }

    /// Each write is one line.
    #[must_use]
    pub fn takes_single_lines(&self) -> bool {
        matches!(self, Self::Syslog { .. })
    }

    /// How many lines these bytes are, if they are written at once.
    #[must_use]
    pub fn count_lines(&self, bytes: &[u8]) -> usize {
        if self.takes_single_lines() {
            1
        } else {
            memchr::memchr_iter(b'\n', bytes).count()
        }
    }

    /// What was written at once, as whole lines for people: for syslog without the priority, and with an end.
    pub fn as_lines<'a>(&self, written: &'a mut Vec<u8>) -> &'a [u8] {
        if !self.takes_single_lines() {
            return written;
        }
        written.push(b'\n');
        let priority = memchr::memchr(b'>', written);
        &written[priority.map_or(0, |at| at + 1)..]
    }

    /// Says on standard error why lines are lost, if that is somewhere else: nobody would know till syslog is back.
    pub fn complain(&self, reason: &str) {
        if self.takes_single_lines() {
            let text = format!(
                "socketmaster: lines of the log are lost until syslog takes them: {reason}\n"
            );
            let _ = write_all(rustix::stdio::stderr(), text.as_bytes());
        }
    }

    /// Writes all of it, and waits if the reader is slow.
    ///
    /// # Errors
    /// How many bytes were written before it failed, and why.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
        match self {
            Self::Stderr => write_all(rustix::stdio::stderr(), bytes),
            Self::Syslog { path, socket } => send(path, socket, bytes).map_err(|error| {
                (
                    0,
                    io::Error::new(error.kind(), format!("{}: {error}", path.display())),
                )
            }),
        }
    }
}

/// Waits for a slow reader also where somebody else made the descriptor non-blocking: all who inherited it share that.
fn write_all(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(fd, &bytes[done..]) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            // What poll says doesn't matter: the next write finds out.
            Err(Errno::AGAIN) => drop(poll(
                &mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)],
                None,
            )),
            Err(error) => return Err((done, error.into())),
        }
    }
    Ok(())
}

/// Sends one datagram; connects anew, once, if the receiver was started anew.
fn send(path: &std::path::Path, socket: &mut Option<UnixDatagram>, line: &[u8]) -> io::Result<()> {
    if let Some(connected) = socket
        && connected.send(line).is_ok()
    {
        return Ok(());
    }
    let fresh = UnixDatagram::unbound()?;
    *socket = None;
    fresh.connect(path)?;
    fresh.send(line)?;
    *socket = Some(fresh);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_pipe_without_a_reader_is_an_error() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        drop(read);
        assert_eq!(
            write_all(write.as_fd(), b"x").unwrap_err().1.kind(),
            io::ErrorKind::BrokenPipe
        );
    }

    #[test]
    fn a_syslog_that_was_started_anew_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut sink = Sink::new(Some(path.clone()));
        assert_eq!(
            sink.write(b"1").unwrap_err().1.kind(),
            io::ErrorKind::NotFound
        );
        for line in [b"2", b"3"] {
            let receiver = UnixDatagram::bind(&path).unwrap();
            sink.write(line).unwrap();
            let mut buffer = [0; 10];
            assert_eq!(receiver.recv(&mut buffer).unwrap(), 1);
            assert_eq!(&buffer[..1], line);
            drop(receiver);
            std::fs::remove_file(&path).unwrap();
        }
    }
}
