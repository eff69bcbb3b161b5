//! A directory of our own for sockets, removed at the end.
//!
//! Its name ends in our pid and its lock is held for as long as we live, through an upgrade too. What a killed
//! supervisor left behind is recognised by the lock that nobody holds, and swept away at the next start.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process;

use rustix::fs::{FlockOperation, flock};

use crate::sys::user;

/// How its name begins; our pid follows.
pub const PREFIX: &str = "socketmaster.";

/// The directory; dropping it leaves it in place, because an upgrade goes on using it.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: OwnedFd,
}

impl RunDir {
    /// Makes it where such things belong: `$RUNTIME_DIRECTORY` of a systemd unit, `/run` for root,
    /// `$XDG_RUNTIME_DIR`, or the directory for temporary files.
    ///
    /// # Errors
    /// None of them can be written to.
    pub fn create() -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for base in bases() {
            sweep(&base);
            // Another start may have swept it away before we had locked it.
            match Self::create_in(&base).or_else(|_| Self::create_in(&base)) {
                Ok(this) => return Ok(this),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn create_in(base: &Path) -> io::Result<Self> {
        let path = base.join(format!("{PREFIX}{}", process::id()));
        DirBuilder::new().mode(0o711).create(&path)?;
        // Others may pass through it to the socket they were told of, and see nothing; whatever our umask says.
        let open = fs::set_permissions(&path, fs::Permissions::from_mode(0o711));
        match open.and_then(|()| lock(&path)) {
            Ok(lock) => Ok(Self {
                path,
                lock: lock.into(),
            }),
            Err(error) => {
                let _ = fs::remove_dir(&path);
                Err(error)
            }
        }
    }

    /// Goes on with the one of the program that we were before.
    #[must_use]
    pub fn resume(path: PathBuf, lock: OwnedFd) -> Self {
        Self { path, lock }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor that holds the lock.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Removes it with all that is in it. What cannot be removed is for the next start to sweep.
    pub fn remove(self) {
        // First, because with all descriptors in use the removal needs this one.
        drop(self.lock);
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn lock(path: &Path) -> io::Result<File> {
    let directory = File::open(path)?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    // It may have been removed between the two.
    if fs::metadata(path)?.ino() != directory.metadata()?.ino() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(directory)
}

/// Where it may be, the best place first.
pub fn bases() -> impl Iterator<Item = PathBuf> {
    // A unit may have several, separated by colons (systemd.exec(5)).
    let unit = env::var_os("RUNTIME_DIRECTORY");
    let unit = unit.and_then(|list| env::split_paths(&list).next());
    let root = (user::own_uid() == 0).then(|| PathBuf::from("/run"));
    let session = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let known = [unit, root, session]
        .into_iter()
        .flatten()
        .chain([env::temp_dir()]);
    known.filter(|base| base.is_absolute())
}

/// Removes directories of our kind and our user whose supervisor has ended.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if pid.is_none_or(|pid| pid.parse::<u32>().is_err()) {
            continue;
        }
        let Ok(meta) = entry.metadata() else { continue };
        // Locked till all is removed: a start that has just made its own sees that, and makes another.
        if meta.is_dir()
            && meta.uid() == user::own_uid()
            && let Ok(_lock) = lock(&entry.path())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
