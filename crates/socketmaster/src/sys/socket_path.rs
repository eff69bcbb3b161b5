//! Unix sockets in the file system: whose path is it, take it, give it back.
//!
//! Taking a path is four steps: lock the directory, look who is there, unlink what is stale and bind, listen. A
//! socket that is bound and not yet listening looks just like a stale one, so the lock must be held from the look
//! to the listen; then of two programs that start at once exactly one wins.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Access, AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;
use rustix::net::SocketAddrUnix;

/// Attempts to lock a directory, and the pause between them: 2 s together, where the lock is held for microseconds.
const LOCK_ATTEMPTS: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Locks a directory against others who take paths in it, until the descriptor is dropped (flock(2)).
///
/// `None` where the directory may be written but not read: it cannot be opened, so it cannot be locked.
///
/// # Errors
/// `EWOULDBLOCK` if somebody has held the lock for two seconds, else what open(2) says.
pub fn lock_directory(directory: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let lock = match rustix::fs::open(directory, flags, Mode::empty()) {
        Ok(lock) => lock,
        Err(Errno::ACCESS) if may_write(directory) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for attempt in 1.. {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) if attempt < LOCK_ATTEMPTS => std::thread::sleep(LOCK_PAUSE),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(lock))
}

fn may_write(directory: &Path) -> bool {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(rustix::fs::CWD, directory, wanted, AtFlags::EACCESS).is_ok()
}

/// Who is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occupant {
    /// Nobody.
    Nobody,
    /// A socket that nobody listens on.
    StaleSocket,
    /// A socket in use.
    LiveSocket,
    /// Something else: a file, a directory, a symbolic link.
    NotASocket,
}

/// Finds out who is at a path, by connecting to it. Links are not followed, since bind(2) does not either.
///
/// # Errors
/// What stat(2) or connect(2) says: no permission, a path that is too long.
pub fn occupant(path: &Path) -> io::Result<Occupant> {
    let address = SocketAddrUnix::new(path)?;
    match rustix::fs::lstat(path) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Socket => {}
        Ok(_) => return Ok(Occupant::NotASocket),
        Err(Errno::NOENT) => return Ok(Occupant::Nobody),
        Err(error) => return Err(error.into()),
    }
    match super::socket::connect_unix(&address) {
        Err(Errno::CONNREFUSED) => Ok(Occupant::StaleSocket),
        Err(Errno::NOENT) => Ok(Occupant::Nobody),
        // A full queue, or a socket of another type: somebody is there.
        Ok(()) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Ok(Occupant::LiveSocket),
        Err(error) => Err(error.into()),
    }
}

/// Removes a file, socket files among them.
///
/// # Errors
/// What unlink(2) says.
pub fn unlink(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlink(path)?)
}

/// Gives a file, a socket file among them, a second name in the same file system (link(2)).
///
/// # Errors
/// What link(2) says: the file is another user's (`fs.protected_hardlinks`, proc_sys_fs(5)), say.
pub fn link(file: &Path, second: &Path) -> io::Result<()> {
    Ok(rustix::fs::link(file, second)?)
}

/// Gives a file another name in place of the one that it has, at once.
///
/// # Errors
/// What rename(2) says.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    Ok(rustix::fs::rename(from, to)?)
}

/// What a socket file shall look like; `None` leaves what umask and the process's own ids make of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Permissions {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}

/// Binds `socket` to `path` and sets owner and mode; returns device and inode of the file. The caller listens
/// afterwards, so nobody can connect before the permissions are right. After an error the path is gone again.
///
/// # Errors
/// What bind(2), chown(2) or chmod(2) says.
pub fn bind(
    socket: BorrowedFd<'_>,
    path: &Path,
    permissions: Permissions,
) -> io::Result<(u64, u64)> {
    let address = SocketAddrUnix::new(path)?;
    if let Some(mode) = permissions.mode {
        // The file takes its mode from the socket, less the umask (Linux, `unix_bind_bsd`): never wider than asked,
        // and no need to change the umask, which belongs to the whole process.
        rustix::fs::fchmod(socket, Mode::from_raw_mode(mode))?;
    }
    rustix::net::bind(socket, &address)?;
    permit(path, permissions).inspect_err(|_| drop(unlink(path)))
}

/// Sets owner and mode of a socket file; returns its device and inode. Works on the file itself and not on its name: who
/// may write the directory could put a link in its place, and have root change another file.
///
/// # Errors
/// `ENOTSOCK` if something else is at the path, else what open(2), chown(2) and chmod(2) say.
pub fn permit(path: &Path, permissions: Permissions) -> io::Result<(u64, u64)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::Socket {
        return Err(Errno::NOTSOCK.into());
    }
    if permissions.uid.is_some() || permissions.gid.is_some() {
        let (uid, gid) = (
            permissions.uid.map(Uid::from_raw),
            permissions.gid.map(Gid::from_raw),
        );
        rustix::fs::chownat(file.as_fd(), "", uid, gid, AtFlags::EMPTY_PATH)?;
    }
    let stat = rustix::fs::fstat(&file)?;
    if let Some(mode) = permissions.mode
        && stat.st_mode & 0o7777 != mode
    {
        rustix::fs::chmod(
            format!("/proc/self/fd/{}", file.as_raw_fd()),
            Mode::from_raw_mode(mode),
        )?;
    }
    Ok((stat.st_dev, stat.st_ino))
}

/// Device and inode of what is at a path now, links not followed.
///
/// # Errors
/// What lstat(2) says.
pub fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::lstat(path)?;
    Ok((stat.st_dev, stat.st_ino))
}
