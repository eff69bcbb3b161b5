//! The files of unix sockets that a process which is being taken over may remove at its end. Nobody answers its calls,
//! so the file gets a second name, and the first one back when it is gone. Until it is told to stop its files are its own.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Taken;
use crate::daemon::Daemon;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::sys::watched::Watched;
use crate::sys::{removals, socket_path};

impl Daemon {
    /// Gives the files their second names, and says when to look.
    pub(super) fn guard_files(&mut self) {
        let Some(pid) = self.taken.as_ref().map(Taken::pid) else {
            return;
        };
        let mut directories = BTreeSet::new();
        for listener in self.sockets.listeners() {
            if let Some(file) = listener.taken_file() {
                // Where it cannot have one, the log will tell of a file that is lost.
                let second = second_name(file, pid);
                if socket_path::link(file, &second).is_ok() || second.exists() {
                    directories.extend(file.parent());
                }
            }
        }
        let guard = (!directories.is_empty()).then(|| guard(&directories, self.inputs.clone()));
        if let (Some(Ok(guard)), Some(taken)) = (guard, &mut self.taken) {
            taken.guard = Some(guard);
        }
    }

    /// Puts back what is gone.
    pub(in crate::daemon) fn restore_files(&mut self) {
        let Some(pid) = self.taken.as_ref().map(Taken::pid) else {
            return;
        };
        for listener in self.sockets.listeners() {
            if let Some(file) = listener.taken_file().filter(|_| !listener.is_reachable()) {
                let second = second_name(file, pid);
                // The name goes over at once; a second one more is for the next time.
                if socket_path::rename(&second, file).is_ok() {
                    let _ = socket_path::link(file, &second);
                }
            }
        }
    }

    /// At our end: the files of all listeners, but those of a process that serves on.
    pub(in crate::daemon) fn remove_files(&self) {
        if let Some(taken) = &self.taken {
            self.drop_second_names(taken.pid());
        }
        let serves_on = self.taken.as_ref().is_some_and(|taken| !taken.told());
        for listener in self.sockets.listeners() {
            if !(serves_on && listener.taken_file().is_some()) {
                listener.remove_path();
            }
        }
    }

    /// The process has ended.
    pub(super) fn drop_second_names(&self, pid: i32) {
        for file in self
            .sockets
            .listeners()
            .iter()
            .filter_map(|l| l.taken_file())
        {
            let _ = socket_path::unlink(&second_name(file, pid));
        }
    }
}

/// Says when a name goes away in one of these directories: a client that comes before it is back finds nobody.
fn guard(directories: &BTreeSet<&Path>, inputs: Inputs) -> io::Result<Task> {
    let watch = removals::watch(directories.iter().copied())?;
    let watch = Watched::for_input(Arc::new(watch))?;
    Ok(Task::spawn(async move {
        while watch.read(removals::take).await.is_ok() && inputs.send(Input::Guard).is_ok() {}
    }))
}

/// In the same directory: a file has names in one file system only.
fn second_name(file: &Path, pid: i32) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".taken-from-{pid}"));
    name.into()
}
