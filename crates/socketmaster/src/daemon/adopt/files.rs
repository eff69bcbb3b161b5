//! The files of unix sockets that a process which is being taken over may remove at its end. Nobody answers its calls,
//! so the file gets a second name, and the first one back when it is gone. Until it is told to stop its files are its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Taken;
use crate::daemon::Daemon;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::sys::socket_path;

/// From one look to the next, while the process that was taken over drains.
const PAUSE: Duration = Duration::from_millis(2);

impl Daemon {
    /// Gives the files their second names, and says when to look.
    pub(super) fn guard_files(&mut self) {
        let Some(pid) = self.taken.as_ref().map(Taken::pid) else {
            return;
        };
        let mut any = false;
        for listener in self.sockets.listeners() {
            if let Some(file) = listener.taken_file() {
                // Where it cannot have one, the log will tell of a file that is lost.
                let second = second_name(file, pid);
                any |= socket_path::link(file, &second).is_ok() || second.exists();
            }
        }
        if any {
            let ticks = ticks(self.inputs.clone());
            if let Some(taken) = &mut self.taken {
                taken.guard = Some(ticks);
            }
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

fn ticks(inputs: Inputs) -> Task {
    Task::spawn(async move {
        while inputs.send(Input::Guard).is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// In the same directory: a file has names in one file system only.
fn second_name(file: &Path, pid: i32) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".taken-from-{pid}"));
    name.into()
}
