//! The file of a unix socket: whether it is still ours, and its removal.

use std::io;
use std::path::Path;

use super::Listener;
use crate::sys::socket_path;
use crate::wire::held::PathIdentity;
use crate::wire::uri::Address;

impl Listener {
    /// Whether clients still find it: always, but for a unix socket whose file was removed or replaced.
    pub fn is_reachable(&self) -> bool {
        match (&self.uri.address, self.path) {
            (Address::UnixPath(_, path), Some(ours)) => identity(path).is_ok_and(|now| now == ours),
            _ => true,
        }
    }

    /// Removes our socket file at the very end, if the file at the path is still ours. Does nothing for all other
    /// listeners.
    pub fn remove_path(&self) {
        let (Address::UnixPath(_, path), Some(ours)) = (&self.uri.address, self.path) else {
            return;
        };
        // While we listen nobody takes the path by the rules, so there is no lock between the look and the unlink.
        if identity(path).is_ok_and(|now| now == ours) {
            // Nothing is to be done about a directory that went read-only; the next start replaces the stale file.
            let _ = socket_path::unlink(path);
        }
    }
}

/// What tells this file from another at the same path.
pub(super) fn identity(path: &Path) -> io::Result<PathIdentity> {
    let (device, inode) = socket_path::identity(path)?;
    Ok(PathIdentity { device, inode })
}
