//! What is left of a draining worker whose first process has ended: the descriptor of its calls hangs up only when its
//! last process has gone, wherever that has put itself.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::{Calls, HeldCalls};
use crate::core::{Ending, Event, Generation, Time, WorkerId};
use crate::daemon::upgrade::Preflight;
use crate::daemon::worker::Worker;
use crate::daemon::{Daemon, words};
use crate::sys::{process, seccomp};
use crate::wire::environment;

/// Processes without the first.
#[derive(Debug)]
pub struct Remnant {
    generation: Generation,
    slot: u32,
    ending: Ending,
    /// When the worker was started, if that is known.
    since: Option<Time>,
    pub(super) calls: Calls,
}

/// One on its way through an upgrade.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldRemnant {
    id: WorkerId,
    generation: Generation,
    #[serde(default)]
    slot: u32,
    ending: Ending,
    #[serde(default)]
    since: Option<Time>,
    calls: HeldCalls,
}

impl Remnant {
    /// The worker's generation.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The worker's slot in it.
    #[must_use]
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// When the worker was started.
    #[must_use]
    pub fn since(&self) -> Option<Time> {
        self.since
    }

    /// What the next program needs to go on.
    #[must_use]
    pub fn to_held(&self, id: WorkerId) -> HeldRemnant {
        HeldRemnant {
            id,
            generation: self.generation,
            slot: self.slot,
            ending: self.ending,
            since: self.since,
            calls: self.calls.to_held(),
        }
    }
}

impl HeldRemnant {
    /// The number of its descriptor.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.calls.fd()
    }
}

impl Daemon {
    /// Keeps what is left of a worker that drains and whose first process has been reaped; gives the worker back if
    /// nothing is.
    pub(in crate::daemon) fn keep_remnant(
        &mut self,
        id: WorkerId,
        pid: i32,
        mut worker: Worker,
        ending: Ending,
    ) -> Option<Worker> {
        let left = |calls: &mut Calls| !seccomp::is_deserted(calls.notify.as_fd());
        let Some(calls) = worker.calls.take_if(left) else {
            return Some(worker);
        };
        let (generation, slot) = (worker.generation, worker.slot);
        if !self.core.is_killed(id) {
            self.log.say(format!(
                "Generation {} drains on: {pid} has left processes behind",
                generation.0
            ));
        }
        let remnant = Remnant {
            generation,
            slot,
            ending,
            since: Some(worker.since),
            calls,
        };
        self.remnants.insert(id, remnant);
        None
    }

    /// Goes on with one after an upgrade.
    ///
    /// # Errors
    /// The descriptor is not there.
    pub(in crate::daemon) fn take_back_remnant(
        &mut self,
        held: HeldRemnant,
    ) -> std::io::Result<()> {
        let HeldRemnant {
            id,
            generation,
            slot,
            ending,
            since,
            calls,
        } = held;
        let calls = Calls::from_held(calls, id, &self.inputs)?;
        let remnant = Remnant {
            generation,
            slot,
            ending,
            since,
            calls,
        };
        self.remnants.insert(id, remnant);
        Ok(())
    }

    /// The last process of a worker has gone. While its first is there, or has not been reaped, that one's end tells.
    pub(in crate::daemon) fn deserted(&mut self, id: WorkerId) {
        if let Some(remnant) = self.remnants.remove(&id) {
            self.log.say(format!(
                "Generation {}: the last process has gone",
                remnant.generation.0
            ));
            self.tell_gone(
                remnant.generation,
                remnant.slot,
                words::ending(remnant.ending),
            );
            self.note_gone(id, None);
            self.handle(Event::Exited(id, remnant.ending));
        }
    }

    /// Sends a signal to the processes of a remnant that have become our children: those whose parent has ended.
    pub(in crate::daemon) fn signal_remnant(&mut self, id: WorkerId, signal: i32) -> bool {
        let Some(remnant) = self.remnants.get(&id) else {
            return false;
        };
        let generation = remnant.generation;
        let left = self.left_of(generation);
        let name = crate::sys::signals::name(signal);
        self.log.say(format!(
            "Sending SIG{name} to what generation {} left behind: {left:?}",
            generation.0
        ));
        process::signal_all(&left, signal);
        if left.is_empty() && signal == libc::SIGKILL {
            self.give_up_remnant(id);
        }
        true
    }

    /// Kills what has become our child since the remnants were killed: the children of those that were hit then.
    pub(in crate::daemon) fn kill_on(&mut self) {
        let killed = self.remnants.iter().filter(|(id, left)| {
            self.core.is_killed(**id) && !seccomp::is_deserted(left.calls.notify.as_fd())
        });
        let killed: Vec<_> = killed.map(|(id, left)| (*id, left.generation)).collect();
        for (id, generation) in killed {
            let left = self.left_of(generation);
            process::signal_all(&left, libc::SIGKILL);
            if left.is_empty() {
                self.give_up_remnant(id);
            }
        }
    }

    /// What is left cannot be found: it has a parent that lives, or has changed its environment. A stop must not wait
    /// for it for ever; once it is an orphan it goes with all others at our end.
    fn give_up_remnant(&mut self, id: WorkerId) {
        if let Some(remnant) = self.remnants.remove(&id) {
            self.log.leave(id);
            self.tell_gone(
                remnant.generation,
                remnant.slot,
                words::ending(remnant.ending),
            );
            self.note_gone(id, None);
            self.events.push_back(Event::Exited(id, remnant.ending));
        }
    }

    /// Kills what a failed version has left behind, which would go on taking connections: it has gone into the background.
    pub(in crate::daemon) fn kill_left_of_failed(&self, generation: Generation) {
        // What is left of a crash of the generation that serves bears the same mark.
        if self.recipe().config.adopt.is_some() && self.core.serving() != Some(generation) {
            process::signal_all(&self.left_of(generation), libc::SIGKILL);
        }
    }

    /// Those of our children that bear the mark of a generation and are nothing that we know.
    pub(in crate::daemon) fn left_of(&self, generation: Generation) -> Vec<i32> {
        let mark = environment::generation_mark(generation.0);
        let known: BTreeSet<i32> = self
            .workers
            .values()
            .map(|worker| worker.child.pid())
            .chain(self.inherited.iter().copied())
            .chain(self.preflight.as_ref().map(Preflight::pid))
            .collect();
        let of_generation = |pid: &i32| {
            let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            variables
                .split(|byte| *byte == 0)
                .any(|v| v == mark.as_bytes())
        };
        process::children()
            .into_iter()
            .filter(|pid| !known.contains(pid) && !self.log.is_forwarder(*pid))
            .filter(of_generation)
            .collect()
    }
}
