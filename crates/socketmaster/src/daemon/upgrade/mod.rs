//! The supervisor replaces its own program and keeps everything: pid, listeners, workers, log, timers, signals.
//!
//! First the program that now stands at our path is asked whether it understands our state ([`preflight()`]); it must
//! say so in a word that no other program says. Only then do we become it. Up to the exec every failure leaves all as
//! it was, and the exec either works or comes back.

mod handover;
mod preflight;

use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::Daemon;
use super::adopt::{Calls, HeldCalls, HeldRemnant, Taken};
use super::check::Checking;
use super::control::{Control, Public};
use super::inputs::Input;
use super::listeners::Listener;
use super::ready::{Channel, HeldChannel};
use super::recipe::Recipe;
use crate::core::Generation;
use crate::sys::fds;

pub use handover::{Handover, HeldRecipe, HeldWorker};
pub use preflight::{PREFLIGHT, Preflight, preflight};

/// Why an upgrade did not happen.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The new program could not be asked.
    #[error("{0} cannot be executed: {1}")]
    Ask(PathBuf, io::Error),
    /// It did not say that it can go on.
    #[error("{0} did not answer as a socketmaster that can go on from here: {1}")]
    Answer(PathBuf, String),
    /// The state could not be written down.
    #[error("the state cannot be handed over: {0}")]
    State(io::Error),
    /// The last step.
    #[error("{0} cannot be executed: {1}")]
    Exec(PathBuf, io::Error),
}

fn held_recipe((since, recipe): (Generation, &Arc<Recipe>)) -> HeldRecipe {
    let listeners = recipe.listeners.iter();
    HeldRecipe {
        since,
        wording: recipe.wording.clone(),
        directory: recipe.directory.clone(),
        account: recipe.account.clone(),
        listeners: listeners
            .map(|asked| (asked.key, asked.uri.text.clone(), asked.uri.name.clone()))
            .collect(),
    }
}

impl Daemon {
    /// Asks the program at our path whether it can go on from here.
    pub(super) fn begin_upgrade(&mut self) {
        if self.preflight.is_some() {
            self.log
                .say("Upgrade: the new program is being asked already");
            return;
        }
        match Preflight::start(&self.handover().0, &self.inputs) {
            Ok(preflight) => self.preflight = Some(preflight),
            Err(error) => {
                self.tell_upgrading(Err(&error));
                self.log
                    .say(format!("Upgrade failed, nothing has changed: {error}"));
            }
        }
    }

    /// Becomes the new program, if it has agreed.
    pub(super) fn finish_upgrade(&mut self, agreed: Result<(), UpgradeError>) {
        if let Err(error) = agreed {
            self.log
                .say(format!("Upgrade failed, nothing has changed: {error}"));
            return;
        }
        // What has been read and not yet been dealt with would be lost; what has not been read waits for the next
        // program.
        while let Ok(input) = self.queue.try_recv() {
            // Another upgrade is asked for: this one will do.
            if !matches!(input, Input::Signal(libc::SIGUSR1 | libc::SIGUSR2, _)) {
                self.take(input);
            }
        }
        if self.exit.is_some() {
            return;
        }
        self.log
            .say(format!("Upgrading: executing {}", self.program.display()));
        let (state, open) = self.handover();
        let error = match open
            .iter()
            .map(|fd| fds::borrow(*fd))
            .collect::<io::Result<Vec<_>>>()
        {
            Ok(open) => state.exec(&open).to_string(),
            Err(error) => error.to_string(),
        };
        self.log
            .say(format!("Upgrade failed, nothing has changed: {error}"));
        self.reap();
    }

    /// Our whole state, and the numbers of the descriptors that belong to it.
    fn handover(&self) -> (Handover, Vec<i32>) {
        let (log, mut open) = self.log.hold();
        let listeners: Vec<_> = self
            .sockets
            .listeners()
            .iter()
            .map(Listener::to_held)
            .collect();
        open.extend(listeners.iter().map(|held| held.fd));
        let places = self.sockets.listeners().iter();
        let places = places.map(|listener| listener.place().cloned()).collect();
        let rundir = self
            .rundir
            .as_ref()
            .map(|r| (r.path().to_owned(), r.lock().as_raw_fd()));
        open.extend(rundir.as_ref().map(|(_, fd)| *fd));
        let workers = self.workers.iter().map(|(id, worker)| HeldWorker {
            id: *id,
            generation: worker.generation,
            slot: worker.slot,
            pid: worker.child.pid(),
            since: worker.since,
            notify: worker
                .notify
                .as_ref()
                .map(|n| (n.path().to_owned(), n.socket().as_raw_fd())),
            launch: worker.launch.as_ref().map(AsRawFd::as_raw_fd),
            error: worker.error.clone(),
            waiting: worker.sight.waiting,
            blind: worker.sight.blind,
            calls: worker.calls.as_ref().map(Calls::to_held),
            says: worker.says.get(),
            channel: worker.channel.as_ref().map(Channel::to_held),
            ready_at: worker.ready_at,
            check: worker.check.as_ref().map(Checking::to_held),
        });
        let workers: Vec<_> = workers.collect();
        open.extend(workers.iter().filter_map(|w| w.launch));
        let channels = workers.iter().filter_map(|w| w.channel.as_ref());
        open.extend(channels.map(HeldChannel::fd));
        open.extend(
            workers
                .iter()
                .filter_map(|w| w.notify.as_ref().map(|(_, fd)| *fd)),
        );
        open.extend(
            workers
                .iter()
                .filter_map(|w| w.calls.as_ref().map(HeldCalls::fd)),
        );
        let remnants = self.remnants.iter();
        let remnants: Vec<_> = remnants.map(|(id, left)| left.to_held(*id)).collect();
        open.extend(remnants.iter().map(HeldRemnant::fd));
        let control = self.control.as_ref().map(Control::number);
        open.extend(control);
        let public = self.public.as_ref().map(Public::number);
        open.extend(public);
        let taken = self.taken.as_ref().map(Taken::to_held);
        open.extend(taken.map(|(_, fd, _)| fd));
        let state = Handover {
            version: handover::VERSION,
            pid: std::process::id(),
            program: self.program.clone(),
            directory: self.recipe().directory.clone(),
            descriptors: self.recipe().descriptors,
            account: self.recipe().account.clone(),
            core: self.core.state().clone(),
            requests: self.requests,
            listeners,
            places,
            workers,
            log,
            rundir,
            blind_said: self.blind_said,
            inherited: self.inherited.clone(),
            remnants,
            taken,
            control,
            since: Some(self.since),
            public,
            last_reload: self.last_reload.clone(),
            recipes: self.recipes.all().map(held_recipe).collect(),
            counters: self.counters.clone(),
        };
        (state, open)
    }
}
