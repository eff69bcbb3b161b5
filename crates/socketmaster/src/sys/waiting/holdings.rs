//! What a process holds that matters here.

use std::mem::MaybeUninit;

use rustix::fs::readlinkat_raw;
use rustix::io::Errno;
use rustix::path::DecInt;

use super::process::Process;
use super::procfs;

/// Descriptor numbers, each list in rising order.
#[derive(Debug, Default)]
pub(super) struct Holdings {
    /// Those of the sockets we ask about.
    pub(super) sockets: Vec<i32>,
    /// Epoll instances.
    pub(super) epolls: Vec<i32>,
    /// io_uring instances.
    pub(super) rings: Vec<i32>,
}

impl Holdings {
    pub(super) fn of(process: &Process, inodes: &[u64]) -> Result<Self, Errno> {
        let mut held = Self::default();
        procfs::numbers(&process.directory, c"fd", |fds, fd| {
            let mut space = [MaybeUninit::uninit(); 64];
            let link = match readlinkat_raw(fds, DecInt::new(fd), &mut space) {
                Ok((link, _)) => link,
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error),
            };
            match &*link {
                b"anon_inode:[eventpoll]" => held.epolls.push(fd),
                b"anon_inode:[io_uring]" => held.rings.push(fd),
                link if socket(link).is_some_and(|inode| inodes.binary_search(&inode).is_ok()) => {
                    held.sockets.push(fd);
                }
                _ => {}
            }
            Ok(())
        })?;
        for list in [&mut held.sockets, &mut held.epolls, &mut held.rings] {
            list.sort_unstable();
        }
        Ok(held)
    }
}

/// Hands out the inode of each socket that a process holds.
pub(super) fn sockets(process: &Process, mut each: impl FnMut(u64)) -> Result<(), Errno> {
    procfs::numbers(&process.directory, c"fd", |fds, fd| {
        let mut space = [MaybeUninit::uninit(); 64];
        match readlinkat_raw(fds, DecInt::new(fd), &mut space) {
            Ok((link, _)) => socket(link).into_iter().for_each(&mut each),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    })
}

/// The inode in `socket:[INODE]` (proc(5), `/proc/PID/fd`).
fn socket(link: &[u8]) -> Option<u64> {
    let inode = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}
