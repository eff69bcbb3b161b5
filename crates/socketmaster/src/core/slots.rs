//! The slots: who serves where, what a worker leaves behind that ends by itself, and how many there are to be.
//!
//! A worker that ends by itself leaves a vacancy in its slot, which is filled by a new start of the generation that
//! serves there, or stays empty: after exit 0 with `on-failure`, after any end with `never`. The service ends when all
//! slots are empty for good and no reload is under way that could fill them, with the highest of the last statuses.
//! What is empty for good is filled by the next reload.

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::types::{Action, Ending, Generation, Time};
use super::worker::{Phase, Worker};
use super::{Aim, Supervisor};
use crate::config::Restart;
use std::time::Duration;

/// A place for one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Slot {
    generation: Generation,
    pub(super) vacancy: Vacancy,
    backoff: Backoff,
}

/// What a worker left behind that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Vacancy {
    None,
    /// It is started again then.
    RestartAt(Time),
    /// It is not started again; this was its status.
    Final(u8),
}

impl Slot {
    pub(super) fn generation(&self) -> Generation {
        self.generation
    }
}

impl Supervisor {
    /// From now on this generation serves in the slot, and what was before is forgiven.
    pub(super) fn fill(&mut self, slot: u32, generation: Generation) {
        let new = Slot {
            generation,
            vacancy: Vacancy::None,
            backoff: Backoff::default(),
        };
        self.state.slots.insert(slot, new);
    }

    /// The slot's worker has ended by itself.
    pub(super) fn vacated(
        &mut self,
        now: Time,
        number: u32,
        ready_for: Duration,
        ending: Ending,
        out: &mut Vec<Action>,
    ) {
        let Some(slot) = self.state.slots.get_mut(&number) else {
            return;
        };
        let policy = self.policies.of(slot.generation);
        let ends = match policy.restart {
            Restart::Never => true,
            Restart::OnFailure => ending == Ending::Exit(0),
            Restart::Always => false,
        };
        if ends {
            slot.vacancy = Vacancy::Final(ending.status());
            return self.end_if_deserted();
        }
        let generation = slot.generation;
        let delay = slot
            .backoff
            .next(ready_for, policy.seed ^ u64::from(number) << 32);
        slot.vacancy = Vacancy::RestartAt(now + delay);
        out.push(Action::Restart(generation, delay));
    }

    /// Starts again what is due.
    pub(super) fn restart(&mut self, now: Time, out: &mut Vec<Action>) {
        for number in self.state.slots.keys().copied().collect::<Vec<_>>() {
            if let Some(slot) = self.state.slots.get_mut(&number)
                && matches!(slot.vacancy, Vacancy::RestartAt(at) if at <= now)
            {
                slot.vacancy = Vacancy::None;
                let generation = slot.generation;
                self.start(now, generation, number, out);
            }
        }
    }

    /// When the next restart is due.
    #[must_use]
    pub fn next_restart(&self) -> Option<Time> {
        let due = self.state.slots.values().filter_map(|s| match s.vacancy {
            Vacancy::RestartAt(at) => Some(at),
            Vacancy::None | Vacancy::Final(_) => None,
        });
        due.min()
    }

    /// The service ends when nobody serves and nobody is going to.
    pub(super) fn end_if_deserted(&mut self) {
        if self.state.attempt.is_some() || self.state.aim != Aim::Serve {
            return;
        }
        let statuses = self.state.slots.values().map(|s| match s.vacancy {
            Vacancy::Final(status) => Some(status),
            Vacancy::None | Vacancy::RestartAt(_) => None,
        });
        if let Some(Some(highest)) = statuses
            .collect::<Option<Vec<_>>>()
            .map(|all| all.into_iter().max())
        {
            self.state.aim = Aim::End(highest);
        }
    }

    /// Sees to it that there are as many slots as wanted, unless an attempt is under way, which is followed by this.
    pub(super) fn resize(&mut self, now: Time, out: &mut Vec<Action>) {
        let (None, Some(serving)) = (&self.state.attempt, self.state.serving) else {
            return;
        };
        // The last that serves is never sent away, whatever its number.
        let least = self.least_slot().map_or(1, |slot| slot + 1);
        self.state.wanted = self.state.wanted.max(least);
        let surplus = self.state.slots.split_off(&self.state.wanted);
        self.drain(now, out, |worker| surplus.contains_key(&worker.slot));
        for slot in 0..self.state.wanted {
            if !self.state.slots.contains_key(&slot) {
                self.fill(slot, serving);
                self.start(now, serving, slot, out);
            }
        }
    }

    /// The lowest slot with a ready worker; without one, the lowest that is not empty for good.
    fn least_slot(&self) -> Option<u32> {
        let ready = self.state.workers.values().filter(|w| w.is_ready());
        let hopeful = self.state.slots.iter();
        let hopeful = hopeful.filter(|(_, s)| !matches!(s.vacancy, Vacancy::Final(_)));
        let first = ready.map(|w| w.slot).min();
        first.or_else(|| hopeful.map(|(number, _)| *number).next())
    }

    /// Tells those to stop that serve, or are about to, and are meant.
    pub(super) fn drain(
        &mut self,
        now: Time,
        out: &mut Vec<Action>,
        is_meant: impl Fn(&Worker) -> bool,
    ) {
        let patience = self.policies.newest().drain_timeout;
        let until = patience.map(|span| now + span);
        for (id, worker) in &mut self.state.workers {
            let serves = matches!(worker.phase, Phase::Starting { .. } | Phase::Ready { .. });
            if serves && is_meant(worker) {
                worker.phase = Phase::Draining { until };
                worker.tell(self.policies.of(worker.generation).stop_signal);
                out.push(Action::Drain(*id));
            }
        }
    }
}
