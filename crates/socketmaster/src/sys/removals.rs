//! Hearing at once when names in a directory go away (inotify(7)).

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// A descriptor that is readable when a name in one of these directories was removed, or given to another place.
///
/// # Errors
/// What inotify_init(2) or inotify_add_watch(2) says: no such directory, or too many watches of this user.
pub fn watch<'a>(directories: impl IntoIterator<Item = &'a Path>) -> io::Result<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    for directory in directories {
        inotify::add_watch(
            &watch,
            directory,
            WatchFlags::DELETE | WatchFlags::MOVED_FROM,
        )?;
    }
    Ok(watch)
}

/// Takes what has been heard, whatever it was.
///
/// # Errors
/// `WouldBlock` if nothing was.
pub fn take(watch: BorrowedFd<'_>) -> io::Result<()> {
    // One event is no longer than this (inotify(7)), and more come with the next call.
    let mut events = [0u8; 4096];
    rustix::io::read(watch, &mut events)?;
    Ok(())
}
