//! What an epoll instance watches (proc(5), `/proc/PID/fdinfo`; `ino` since Linux 4.12).

use rustix::io::Errno;
use rustix::path::DecInt;

use super::process::Process;
use super::procfs::{self, hex, number};

/// `EPOLLIN` or `EPOLLRDNORM`: a connection waits to be accepted. A one-shot watch that has fired has neither.
const READABLE: u64 = 0x1 | 0x40;

/// What is watched for input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Watch {
    /// One of the sockets.
    pub(super) socket: bool,
    /// One of the io_uring instances: the program sleeps here for what it submitted there.
    pub(super) ring: bool,
}

/// Looks at the epoll instance at `fd`. One that is closed meanwhile watches nothing.
pub(super) fn look(
    process: &Process,
    fd: i32,
    inodes: &[u64],
    rings: &[i32],
) -> Result<Watch, Errno> {
    let mut watch = Watch::default();
    let result = procfs::directory(&process.directory, c"fdinfo").and_then(|fdinfo| {
        procfs::pieces(fdinfo, DecInt::new(fd), b'\n', |line| {
            watch.add(line, inodes, rings);
        })
    });
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(watch),
        Err(error) => Err(error),
    }
}

impl Watch {
    fn add(&mut self, line: &[u8], inodes: &[u64], rings: &[i32]) {
        let Some((fd, events, inode)) = watched(line) else {
            return;
        };
        if events & READABLE != 0 {
            self.socket |= inodes.binary_search(&inode).is_ok();
            self.ring |= rings.binary_search(&fd).is_ok();
        }
    }
}

/// Descriptor, events and inode of `tfd:        4 events:       19 data:                4  pos:0 ino:40d0 sdev:10`.
fn watched(line: &[u8]) -> Option<(i32, u64, u64)> {
    let mut words = line
        .strip_prefix(b"tfd:")?
        .split(|&byte| byte == b' ')
        .filter(|word| !word.is_empty());
    let fd = number(words.next()?)?;
    let events = words
        .by_ref()
        .find(|&word| word == b"events:")
        .and_then(|_| hex(words.next()?))?;
    let inode = words.find_map(|word| hex(word.strip_prefix(b"ino:")?))?;
    Some((fd, events, inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"tfd:        4 events:       19 data:                4  pos:0 ino:40d0 sdev:10";

    #[test]
    fn reads_a_line() {
        assert_eq!(watched(LINE), Some((4, 0x19, 0x40d0)));
        assert_eq!(
            watched(b"tfd:     1024 events: 80002019 data: ffffffffffffffff  pos:-1 ino:1f sdev:9"),
            Some((1024, 0x8000_2019, 0x1f))
        );
        for line in [
            &b""[..],
            b"tfd:",
            b"tfd: x events: 19 ino:1",
            b"pos:\t0",
            b"tfd: 4 events:",
            b"tfd: 4 ino:1",
        ] {
            assert_eq!(watched(line), None);
        }
    }

    #[test]
    fn counts_only_input() {
        let watch = |line| {
            let mut watch = Watch::default();
            watch.add(line, &[7, 0x40d0], &[4]);
            watch
        };
        assert_eq!(
            watch(LINE),
            Watch {
                socket: true,
                ring: true
            }
        );
        let hang_up = b"tfd:        4 events:       18 data: 4  pos:0 ino:40d0 sdev:10";
        assert_eq!(watch(hang_up), Watch::default());
        let other = b"tfd:        5 events:       19 data: 4  pos:0 ino:41 sdev:10";
        assert_eq!(watch(other), Watch::default());
    }
}
