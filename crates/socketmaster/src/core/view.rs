//! What a supervisor tells of itself.

use std::collections::BTreeSet;

use super::policy::{Policy, Sign};
use super::slots::Slot;
use super::types::{Generation, Time, WorkerId};
use super::worker::Phase;
use super::{Aim, Supervisor};

impl Supervisor {
    /// When to call `handle(Timeout)` if nothing else happens first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let phases = self.state.workers.values().flat_map(|w| {
            let policy = self.policies.of(w.generation);
            w.ready_at(policy).into_iter().chain(w.killed_at(policy))
        });
        // With a check it is a check that ends the bake.
        let baked = self.state.attempt.as_ref();
        let baked = baked.filter(|a| self.policies.of(a.generation).sign != Sign::Check);
        let baked = baked.and_then(|a| a.bakes_until);
        phases.chain(self.next_restart()).chain(baked).min()
    }

    /// The workers that are starting, whose readiness is to be watched.
    pub fn starting(&self) -> impl Iterator<Item = WorkerId> {
        let workers = self.state.workers.iter();
        workers
            .filter(|(_, w)| matches!(w.phase, Phase::Starting { .. }))
            .map(|(id, _)| *id)
    }

    /// The newest generation that serves.
    #[must_use]
    pub fn serving(&self) -> Option<Generation> {
        self.state.serving
    }

    /// Whether a reload, or the first start, is under way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.state.attempt.is_some()
    }

    /// The generation that is being brought up.
    #[must_use]
    pub fn attempted(&self) -> Option<Generation> {
        self.state.attempt.as_ref().map(|a| a.generation)
    }

    /// The generations that serve, are to serve again, or are being brought up.
    #[must_use]
    pub fn in_force(&self) -> BTreeSet<Generation> {
        let slots = self.state.slots.values().map(Slot::generation);
        let newest = self.state.serving.into_iter().chain(self.attempted());
        slots.chain(newest).collect()
    }

    /// The rules that hold, whatever is being brought up.
    pub(super) fn standing(&self) -> &Policy {
        let serving = self.state.serving.unwrap_or(Generation(0));
        self.policies.of(serving)
    }

    /// When the step under way has baked, once all of it is ready.
    #[must_use]
    pub fn bakes_until(&self) -> Option<Time> {
        self.state.attempt.as_ref().and_then(|a| a.bakes_until)
    }

    /// Whether this worker is to be checked: until it is ready, and on through its bake.
    #[must_use]
    pub fn is_checked(&self, worker: WorkerId) -> bool {
        match self.state.workers.get(&worker).map(|w| w.phase) {
            Some(Phase::Starting { .. }) => true,
            Some(Phase::Ready { .. }) => self.bakes() && self.is_in_step(worker),
            Some(Phase::Draining { .. } | Phase::Killed) | None => false,
        }
    }

    /// How many workers are wanted.
    #[must_use]
    pub fn wanted(&self) -> u32 {
        self.state.wanted
    }

    /// Whether all is to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state.aim != Aim::Serve
    }

    /// Whether this worker is ready and not told to leave.
    #[must_use]
    pub fn is_ready(&self, worker: WorkerId) -> bool {
        matches!(self.state.workers.get(&worker), Some(w) if w.is_ready())
    }

    /// Whether this worker has been killed, and only its end is waited for.
    #[must_use]
    pub fn is_killed(&self, worker: WorkerId) -> bool {
        let worker = self.state.workers.get(&worker);
        worker.is_some_and(|w| w.phase == Phase::Killed)
    }
}
