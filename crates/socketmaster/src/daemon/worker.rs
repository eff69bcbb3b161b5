//! One worker as the daemon holds it, and what it hears of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::adopt::Calls;
use super::check::Checking;
use super::inputs::{Input, Inputs, Task};
use super::log::Log;
use super::notify::{Extension, LastWord, NotifySocket};
use super::ready::{self, Channel};
use super::recipe::Recipe;
use crate::core::{Generation, Time, WorkerId};
use crate::sys::process::Child;
use crate::sys::scm;
use crate::sys::waiting::Watcher;
use crate::sys::watched::Watched;
use crate::wire::launch::{Adopting, LaunchError};

/// One worker as the daemon holds it, from its start until it is reaped.
#[derive(Debug)]
pub struct Worker {
    /// Its generation.
    pub generation: Generation,
    /// Its slot in it.
    pub slot: u32,
    /// Its process.
    pub child: Child,
    /// When it was started.
    pub since: Time,
    /// Where it may say `READY=1`.
    pub notify: Option<NotifySocket>,
    /// Where else it may say that it is ready.
    pub channel: Option<Channel>,
    /// What it last said there of itself.
    pub says: LastWord,
    /// The time that it has asked for.
    pub extension: Extension,
    /// The launcher's socket, until the program runs.
    pub launch: Option<Arc<OwnedFd>>,
    /// Why the program could not be executed.
    pub error: Option<LaunchError>,
    /// Its calls, if they are ours to answer.
    pub calls: Option<Calls>,
    /// Whether it runs without the power to gain privileges, because we have none.
    pub no_new_privileges: bool,
    /// When it became ready.
    pub ready_at: Option<Time>,
    /// Its checks, if it is checked.
    pub check: Option<Checking>,
    /// What has been seen of it while it is starting.
    pub sight: Watching,
    /// What listens to it.
    pub tasks: Vec<Task>,
}

/// The state of watching a worker start.
#[derive(Debug)]
pub struct Watching {
    /// Looks at its process tree.
    pub watcher: Watcher,
    /// Whether the last look saw it waiting.
    pub waiting: bool,
    /// Whether it is known that nothing can be seen.
    pub blind: bool,
}

impl Watching {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        Self {
            watcher: Watcher::new(pid),
            waiting: false,
            blind: false,
        }
    }
}

impl Worker {
    /// Reads what the launcher has said: where the program's calls are to be answered, an error, or its end without
    /// one, which is the program's beginning. To be called when there is something to read, and when the process has
    /// ended, because either may be seen first.
    pub fn read_launch(&mut self, id: WorkerId, log: &mut Log, inputs: &Inputs) {
        let mut buffer = vec![0; 16 * 1024];
        while let Some(socket) = &self.launch {
            match scm::receive(socket.as_fd(), &mut buffer) {
                Ok((length, mut fds)) if length > 0 => {
                    let said = &buffer[..length];
                    match (fds.pop(), serde_json::from_slice::<Adopting>(said)) {
                        (Some(notify), Ok(adopting)) => {
                            self.no_new_privileges = adopting.no_new_privileges;
                            log.keep(id, notify.as_fd());
                            self.calls = Calls::listen(notify, id, inputs).ok();
                            if self.calls.is_none() {
                                log.leave(id);
                            }
                        }
                        _ => self.error = serde_json::from_slice(said).ok(),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => self.launch = None,
            }
        }
    }

    /// Reports once when the launcher says something, or has become the program.
    ///
    /// # Errors
    /// Out of memory.
    pub fn listen_to_launcher(&mut self, id: WorkerId, inputs: &Inputs) -> io::Result<()> {
        if let Some(socket) = &self.launch {
            let socket = Watched::for_input(Arc::clone(socket))?;
            let inputs = inputs.clone();
            self.tasks.push(Task::spawn(async move {
                if socket.readable().await.is_ok() {
                    let _ = inputs.send(Input::Launched(id));
                }
            }));
        }
        Ok(())
    }

    /// Reports all that comes from it: what its launcher says, and what it says of itself.
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn listen(&mut self, id: WorkerId, recipe: &Recipe, inputs: &Inputs) -> io::Result<()> {
        self.listen_to_launcher(id, inputs)?;
        let (uid, counts) = (recipe.uid(), recipe.config.readiness.hears_notify());
        if let Some(notify) = &self.notify {
            let (says, extension) = (self.says.clone(), self.extension.clone());
            let pass_on = ready::notices(id, counts, says, extension, inputs.clone());
            let listening = NotifySocket::listen(Arc::clone(notify.socket()), uid, pass_on);
            self.tasks.push(Task::spawn(listening));
        }
        if let Some(channel) = &self.channel {
            let listening = channel.listen(id, self.child.pid(), uid, inputs)?;
            self.tasks.push(listening);
        }
        Ok(())
    }
}
