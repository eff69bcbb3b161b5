//! Another process, looked into by one of its threads: its descriptors, its memory, the paths that it means.
//!
//! All of it needs the rights of a debugger over the process (ptrace(2), "Ptrace access mode checking").

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use serde::{Deserialize, Serialize};

/// `PATH_MAX` (path_resolution(7)).
const LONGEST_PATH: usize = 4096;

/// Where a path of another process begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Its working directory.
    Here,
    /// The directory that it has open under this number.
    Directory(i32),
}

/// A name in a directory: what a path means, however it is written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// `st_dev` of the directory.
    pub device: u64,
    /// `st_ino` of the directory.
    pub inode: u64,
    /// The name in it.
    pub name: OsString,
}

impl Entry {
    /// The entry that this path of ours means.
    ///
    /// # Errors
    /// There is no such directory, or no name at the end of the path.
    pub fn of(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => fs::metadata(parent)?,
            _ => fs::metadata(".")?,
        };
        Ok(Self {
            device: directory.dev(),
            inode: directory.ino(),
            name: name.into(),
        })
    }
}

/// A copy of the descriptor that the thread's process has under this number, close-on-exec.
///
/// # Errors
/// `EBADF` if it has none, `EPERM` if we may not look into the process (pidfd_getfd(2), Linux 5.6), `ESRCH` if it has gone.
pub fn copy_fd(tid: i32, number: i32) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    let pidfd = open(tid)?;
    Ok(pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty())?)
}

/// A descriptor for the thread (Linux 6.9), before that for its process.
fn open(tid: i32) -> io::Result<OwnedFd> {
    // rustix takes no negative ones.
    let pid = |id: i32| {
        let id = Pid::from_raw(id.max(0));
        id.ok_or(io::Error::from(io::ErrorKind::InvalidInput))
    };
    // PIDFD_THREAD (pidfd_open(2)).
    let thread = PidfdFlags::from_bits_retain(libc::O_EXCL.cast_unsigned());
    match pidfd_open(pid(tid)?, thread) {
        Err(rustix::io::Errno::INVAL) => Ok(pidfd_open(pid(leader(tid)?)?, PidfdFlags::empty())?),
        other => Ok(other?),
    }
}

fn leader(tid: i32) -> io::Result<i32> {
    status(tid, "Tgid:")
}

fn status(id: i32, field: &str) -> io::Result<i32> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let value = status.lines().find_map(|line| line.strip_prefix(field));
    value
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether the descriptor would be closed by an exec (`/proc/TID/fdinfo/FD`, proc(5)).
///
/// # Errors
/// There is no such descriptor, or we may not look.
pub fn is_close_on_exec(tid: i32, number: i32) -> io::Result<bool> {
    let info = fs::read_to_string(format!("/proc/{tid}/fdinfo/{number}"))?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    let flags = flags.ok_or(io::ErrorKind::InvalidData)?;
    Ok(flags & libc::O_CLOEXEC != 0)
}

/// The numbers under which the process has the socket of this inode, in rising order.
#[must_use]
pub fn numbers_of(tid: i32, inode: u64) -> Vec<i32> {
    let link = format!("socket:[{inode}]");
    let Ok(entries) = fs::read_dir(format!("/proc/{tid}/fd")) else {
        return Vec::new();
    };
    let is_it = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(&link))
    };
    let mut numbers: Vec<i32> = entries
        .filter_map(Result::ok)
        .filter(is_it)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Reads memory of the process, as much of it as is there; zero bytes if none is (`/proc/TID/mem`, proc(5); container
/// profiles forbid process_vm_readv(2)).
#[must_use]
pub fn read_memory(tid: i32, address: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let read = fs::File::open(format!("/proc/{tid}/mem"))
        .and_then(|memory| memory.read_at(&mut bytes, address));
    bytes.truncate(read.unwrap_or(0));
    bytes
}

/// Reads a path that ends with a NUL; `None` if there is none.
#[must_use]
pub fn read_path(tid: i32, address: u64) -> Option<PathBuf> {
    let mut bytes = read_memory(tid, address, LONGEST_PATH);
    let end = memchr::memchr(0, &bytes)?;
    bytes.truncate(end);
    (!bytes.is_empty()).then(|| PathBuf::from(OsString::from_vec(bytes)))
}

/// What a path of the process means. Links on the way are followed as we see them, which differs from what the process
/// sees only in a root directory of its own.
///
/// # Errors
/// There is no such directory, or we may not look.
pub fn entry(tid: i32, base: Base, path: &Path) -> io::Result<Entry> {
    path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Entry::of(&as_seen(tid, base, path))
}

/// The path by which we reach what a path of the process means.
#[must_use]
pub fn as_seen(tid: i32, base: Base, path: &Path) -> PathBuf {
    let (start, rest) = match path.as_os_str().as_bytes() {
        [b'/', rest @ ..] => (format!("/proc/{tid}/root"), OsStr::from_bytes(rest)),
        rest => match base {
            Base::Here => (format!("/proc/{tid}/cwd"), OsStr::from_bytes(rest)),
            Base::Directory(fd) => (format!("/proc/{tid}/fd/{fd}"), OsStr::from_bytes(rest)),
        },
    };
    Path::new(&start).join(rest)
}

/// What a path of the process is called by us, from our root on; `None` if we have no name for it, because the process has
/// file systems of its own (mount_namespaces(7)): by the same path we may well reach something else.
#[must_use]
pub fn absolute(tid: i32, path: &Path) -> Option<PathBuf> {
    let (from, rest) = match path.strip_prefix("/") {
        Ok(rest) => ("root", rest),
        Err(_) => ("cwd", path),
    };
    let ours = fs::read_link(format!("/proc/{tid}/{from}"))
        .ok()?
        .join(rest);
    (Entry::of(&ours).ok()? == entry(tid, Base::Here, path).ok()?).then_some(ours)
}

/// Its children (`/proc/PID/task/TID/children`, proc(5)).
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let lists = tasks
        .into_iter()
        .flatten()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
    let lists: Vec<String> = lists.collect();
    let pids = lists.iter().flat_map(|list| list.split_ascii_whitespace());
    pids.filter_map(|pid| pid.parse().ok()).collect()
}

/// The process and all that come of it, itself first.
#[must_use]
pub fn tree(pid: i32) -> Vec<i32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(pid) = tree.get(next).copied() {
        next += 1;
        tree.extend(children(pid));
    }
    tree
}

/// Its parent (`/proc/PID/status`, proc(5)).
///
/// # Errors
/// There is no such process.
pub fn parent(pid: i32) -> io::Result<i32> {
    status(pid, "PPid:")
}

/// The name of its first thread, of at most 15 bytes (`/proc/PID/comm`, proc(5)).
///
/// # Errors
/// There is no such process.
pub fn name(pid: i32) -> io::Result<String> {
    Ok(fs::read_to_string(format!("/proc/{pid}/comm"))?
        .trim_end()
        .to_owned())
}

/// Copies of all sockets that the process has, each once, close-on-exec.
///
/// # Errors
/// There is no such process, or we may not look into it.
pub fn copy_sockets(pid: i32) -> io::Result<Vec<OwnedFd>> {
    let mut inodes = BTreeSet::new();
    let mut copies = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let entry = entry?;
        // What is closed meanwhile is no error.
        let Ok(link) = fs::read_link(entry.path()) else {
            continue;
        };
        let is_socket = link.as_os_str().as_bytes().starts_with(b"socket:[");
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|_| is_socket && inodes.insert(link)) {
            match copy_fd(pid, number) {
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {}
                copy => copies.push(copy?),
            }
        }
    }
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::{AsFd, AsRawFd};

    /// This thread of ours plays the other process.
    fn tid() -> i32 {
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    #[test]
    fn copies_a_descriptor_of_a_thread() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            sender.send(tid()).unwrap();
            let _ = wait.recv();
        });
        let tid = receiver.recv().unwrap();
        let copy = copy_fd(tid, listener.as_raw_fd()).unwrap();
        let inode = |fd: &dyn AsFd| rustix::fs::fstat(fd.as_fd()).unwrap().st_ino;
        assert_eq!(inode(&copy), inode(&listener));
        assert_eq!(
            numbers_of(tid, inode(&listener)),
            [listener.as_raw_fd(), copy.as_raw_fd()]
        );
        let error = copy_fd(tid, 1_000_000).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EBADF));
        assert!(is_close_on_exec(tid, listener.as_raw_fd()).unwrap());
        assert!(!is_close_on_exec(tid, 2).unwrap());
        drop(done);
        thread.join().unwrap();
        for nobody in [tid, 0, -1, i32::MAX] {
            assert!(copy_fd(nobody, 0).is_err());
        }
    }

    #[test]
    fn reads_as_much_memory_as_there_is() {
        let text = [7u8; 10_000];
        let address = text.as_ptr() as u64;
        assert_eq!(read_memory(tid(), address, text.len()), text);
        const PAGE: u64 = 4096;
        // Two pages, of which the second is not there.
        // SAFETY: new memory of our own, of which the second page is given back and never used.
        let page = unsafe {
            let length = 2 * PAGE as usize;
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let page = libc::mmap(std::ptr::null_mut(), length, rights, flags, -1, 0);
            libc::munmap(page.byte_add(PAGE as usize), PAGE as usize);
            page as u64
        };
        assert_eq!(
            read_memory(tid(), page + 10, 9000).len(),
            PAGE as usize - 10
        );
        assert_eq!(
            read_path(tid(), page + PAGE - 3),
            None,
            "it begins with a NUL"
        );
        for nowhere in [0, 1, page + PAGE, u64::MAX, u64::MAX - 100, 1 << 63] {
            assert_eq!(read_memory(tid(), nowhere, 4096), [0u8; 0], "{nowhere:x}");
            assert_eq!(read_path(tid(), nowhere), None);
        }
        let path = c"/run/a.sock";
        let read = read_path(tid(), path.as_ptr() as u64);
        assert_eq!(read.as_deref(), Some(Path::new("/run/a.sock")));
    }

    #[test]
    fn paths_that_mean_the_same_are_one_entry() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(directory.path(), &link).unwrap();
        let opened = fs::File::open(directory.path()).unwrap();
        let plain = entry(tid(), Base::Here, &path).unwrap();
        let by_link = entry(tid(), Base::Here, &link.join("./s")).unwrap();
        let base = Base::Directory(opened.as_raw_fd());
        let by_directory = entry(tid(), base, Path::new("s")).unwrap();
        assert_eq!(plain, by_link);
        assert_eq!(plain, by_directory);
        assert_ne!(
            plain,
            entry(tid(), Base::Here, &directory.path().join("t")).unwrap()
        );
        assert!(entry(tid(), Base::Here, &directory.path().join("no/s")).is_err());
        assert!(entry(tid(), Base::Here, Path::new("/")).is_err());
        let a = Path::new("/a");
        assert_eq!(absolute(tid(), a).as_deref(), Some(a));
        assert_eq!(absolute(tid(), Path::new("/no/such/a")), None);
    }
}
