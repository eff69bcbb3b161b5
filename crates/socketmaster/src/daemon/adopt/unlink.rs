//! Answering unlink: the file of a listener stays.

use super::answer::Answer;
use crate::daemon::Daemon;
use crate::daemon::listeners::{Listener, Spot};
use crate::sys::peer::{self, Base};
use crate::sys::seccomp::Call;

/// The descriptor that means the working directory (openat(2)).
pub(super) const AT_FDCWD: i32 = -100;

impl Daemon {
    /// A file that all generations share must not go with one of them.
    pub(super) fn unlink(&mut self, call: &Call, directory: i32, path: u64) -> Option<Answer> {
        let path = peer::read_path(call.tid, path)?;
        let name = path.file_name()?;
        // A look at the file system may wait for a disk that is gone: only where the name speaks for it.
        let ours = |listener: &&Listener| {
            let place = listener.place().map(|place| &place.spot);
            matches!(place, Some(Spot::Entry(entry)) if entry.name == name)
        };
        let mut candidates = self.sockets.listeners().iter().filter(ours).peekable();
        candidates.peek()?;
        let base = match directory {
            AT_FDCWD => Base::Here,
            number => Base::Directory(number),
        };
        let entry = Spot::Entry(peer::entry(call.tid, base, &path).ok()?);
        let meant = |l: &Listener| l.place().is_some_and(|place| place.spot == entry);
        candidates
            .any(|listener| meant(listener) && listener.is_reachable())
            .then_some(Answer::Done)
    }
}
