//! Ready, for a program that opens its own sockets: it has bound all that the one before it had, and waits there.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::config::Readiness;
use crate::core::{Event, Generation, WorkerId};
use crate::daemon::listeners::Listener;
use crate::daemon::worker::Worker;
use crate::daemon::{Daemon, now, words};
use crate::sys::process;
use crate::sys::waiting::{self, How, Sight};
use crate::wire::control::Progress;

/// How long after a program's start the log mentions a listener that it has not bound, if it has bound others.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many listeners a line of the log names.
const NAMED: usize = 10;

impl Daemon {
    /// The listeners that the worker has not bound yet, as listen URIs.
    pub(in crate::daemon) fn missing(&self, worker: &Worker) -> Vec<String> {
        let Some(calls) = &worker.calls else {
            return Vec::new();
        };
        let asked = &self.recipes.of(worker.generation).listeners;
        let is_asked = |key| asked.iter().any(|asked| asked.key == key);
        let listeners = self.sockets.listeners().iter();
        listeners
            // What another configuration alone asks for is no matter of this one.
            .filter(|listener| listener.adopted().is_some() || is_asked(listener.key()))
            .filter(|listener| !calls.seen.bound.contains(&listener.inode()))
            // A file that was moved away since: no client is left at this name.
            .filter(|listener| listener.adopted().is_none() || listener.is_reachable())
            .map(Listener::actual)
            .collect()
    }

    /// What a look at a worker whose calls we answer shows.
    pub(in crate::daemon) fn look_at_adopted(&mut self, id: WorkerId) -> Option<Sight> {
        let missing = self.missing(self.workers.get(&id)?);
        let worker = self.workers.get_mut(&id)?;
        let calls = worker.calls.as_mut()?;
        let (since, generation) = (worker.since, worker.generation);
        if calls.seen.bound.is_empty() {
            return Some(Sight::NotYet);
        }
        if !missing.is_empty() {
            if now() - since >= PATIENCE {
                // Which are missing changes with each bind of a program that is slow.
                if calls.is_news("not bound") {
                    self.log.say(not_bound(generation, &missing));
                    self.tell_watchers(&Progress::Waits {
                        generation: generation.0,
                        why: format!("it has not bound {} yet", some(&missing)),
                    });
                }
            }
            return Some(Sight::NotYet);
        }
        let seen = &calls.seen;
        let unknown = |inode: &&u64| seen.early.contains(inode) || !seen.listened.contains(inode);
        let inodes: Vec<u64> = seen.bound.iter().filter(unknown).copied().collect();
        if inodes.is_empty() {
            return Some(Sight::Waiting(How::Accept));
        }
        // It found them listening already and left it at that: haproxy and gunicorn look (`SO_ACCEPTCONN`).
        Some(worker.sight.watcher.look(&inodes))
    }

    /// The worker has bound one more listener.
    pub(super) fn claimed(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let said = worker
            .calls
            .as_ref()
            .is_some_and(|calls| calls.seen.says_ready);
        if said && self.missing(worker).is_empty() {
            self.reap();
            self.handle(Event::Ready(id));
        }
    }

    /// Whether a `READY=1` of the worker must wait for a listener; it is taken note of.
    pub(in crate::daemon) fn ready_too_early(&mut self, id: WorkerId) -> bool {
        let Some(worker) = self.workers.get(&id) else {
            return false;
        };
        let (missing, generation) = (self.missing(worker), worker.generation);
        if missing.is_empty() {
            return false;
        }
        if let Some(calls) = self.workers.get_mut(&id).and_then(|w| w.calls.as_mut()) {
            calls.seen.says_ready = true;
        }
        self.say_once(id, not_bound(generation, &missing));
        true
    }

    /// Why a worker whose calls we answer was not ready in time; `None` if it is none of those.
    pub(in crate::daemon) fn why_not_adopted(&self, id: WorkerId) -> Option<String> {
        let worker = self.workers.get(&id)?;
        let calls = worker.calls.as_ref()?;
        let within = words::span(self.recipe_of(id).config.ready_timeout);
        let missing = self.missing(worker);
        if missing.is_empty()
            && !matches!(self.recipe_of(id).config.readiness, Readiness::Auto { .. })
        {
            return None; // What is missing is the word that was asked for.
        }
        let ring = if calls.seen.uses_ring {
            "; it uses io_uring, and binds made that way cannot be seen"
        } else {
            ""
        };
        let whose = match &self.taken {
            Some(taken) if !taken.told() => format!(
                "which {} listens on (to leave some of what it has to it, name the others with -adopt)",
                taken.pid()
            ),
            _ => "which clients of the serving generation use (stop and start the service to give that up)".into(),
        };
        Some(match (calls.seen.bound.is_empty(), missing.is_empty()) {
            (_, false) => format!(
                "it was not ready within {within}: it has not bound {}, {whose}{ring}",
                some(&missing)
            ),
            (true, true) => format!("it was not ready within {within}: it has bound nothing{ring}"),
            (false, true) => {
                format!(
                    "it was not ready within {within}: it is not seen waiting on what it has bound"
                )
            }
        })
    }

    /// Before a reload: what was adopted and the program has closed since is not asked of the next generation, and a
    /// client would wait there for nobody.
    pub(in crate::daemon) fn let_go_of_the_abandoned(&mut self) {
        let descendants = process::children();
        if descendants.is_empty() {
            // A worker is there, so it is we who cannot look: out of descriptors, say.
            return;
        }
        let asked = self.asked_for();
        let abandoned = self.sockets.listeners().iter().filter(|listener| {
            let held = |pid: &i32| waiting::is_held(*pid, listener.inode());
            let given_up = listener.adopted().is_some() && !asked.contains(&listener.key());
            given_up && !descendants.iter().any(held)
        });
        let abandoned: BTreeSet<u64> = abandoned.map(Listener::inode).collect();
        // After a crash nobody holds anything, and all of it is wanted. Asked last: the crash may come while we look.
        let serves = |(id, worker): (&WorkerId, &Worker)| {
            self.core.is_ready(*id) && worker.child.has_program()
        };
        if !self.workers.iter().any(serves) {
            return;
        }
        let released = self
            .sockets
            .release(|listener| abandoned.contains(&listener.inode()));
        for listener in released {
            let text = listener.actual();
            self.log
                .say(format!("Letting go of {text}: the program has closed it"));
            listener.remove_path();
        }
    }

    /// Lets go of what a failed worker alone had: a client would wait there for nobody.
    pub(in crate::daemon) fn give_up_adopted(&mut self, id: WorkerId) {
        for listener in self
            .sockets
            .release(|listener| listener.adopted() == Some(id))
        {
            listener.remove_path();
        }
    }
}

fn not_bound(generation: Generation, missing: &[String]) -> String {
    format!(
        "Generation {} has not bound {} yet, and is not ready before it has",
        generation.0,
        some(missing)
    )
}

/// Their names, or of many the first.
fn some(names: &[String]) -> String {
    match names.get(..NAMED) {
        Some(first) if names.len() > NAMED => {
            format!("{} and {} more", first.join(", "), names.len() - NAMED)
        }
        _ => names.join(", "),
    }
}
