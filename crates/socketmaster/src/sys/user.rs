//! Users and becoming one.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;

use nix::unistd::{Gid, Uid, User, initgroups, setgid, setuid};
use rustix::fs::{FileType, fchown, fstat};
use serde::{Deserialize, Serialize};

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: std::path::PathBuf,
}

/// Looks a login up in the user database (getpwnam(3)).
///
/// # Errors
/// `NotFound` if there is no such login, else what the database said.
pub fn find(login: &str) -> io::Result<Account> {
    let user = User::from_name(login)?.ok_or(io::ErrorKind::NotFound)?;
    Ok(Account {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
        home: user.dir,
    })
}

/// Becomes this user for good: its supplementary groups (initgroups(3)), group and user, in the order in which each
/// step still has the right to the next.
///
/// # Errors
/// We are not root, or the database does not answer.
pub fn become_user(login: &str, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if nix::unistd::geteuid() == uid && nix::unistd::getegid() == gid && !uid.is_root() {
        return Ok(());
    }
    let login = CString::new(login).map_err(|_| io::ErrorKind::InvalidInput)?;
    initgroups(&login, gid)?;
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}

/// Gives a pipe to the user, so that it can be opened again through /proc/self/fd; leaves anything else alone.
///
/// # Errors
/// We are not root.
pub fn give_pipe(fd: BorrowedFd<'_>, uid: u32, gid: u32) -> io::Result<()> {
    let stat = fstat(fd)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo && stat.st_uid != uid {
        fchown(
            fd,
            Some(rustix::process::Uid::from_raw(uid)),
            Some(rustix::process::Gid::from_raw(gid)),
        )?;
    }
    Ok(())
}

/// Whether this user may tell us what to do anyway: root, or our own.
#[must_use]
pub fn is_trusted(uid: u32) -> bool {
    uid == 0 || uid == own_uid()
}

/// Our own effective user id.
#[must_use]
pub fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}
