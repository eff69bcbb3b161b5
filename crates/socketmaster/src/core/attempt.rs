//! The attempt: how a new generation comes up and takes over, step by step.
//!
//! A step is some slots whose new workers start together. When all of them are ready, and have lived on for the bake
//! time, they take over: the old workers of these slots are told to stop, and the next step begins. So the strategies
//! are sizes of a step: `all` has one, `rolling` as many as there are slots, or fewer with a larger surge.
//!
//! A worker of the step that ends, or is not ready in time, fails the attempt. Its fellows of the step are withdrawn;
//! what has taken over before stays, because it is ready and serves, and what was yet to come stays as it was.
//!
//! Before it starts anything, a reload has what it needs made ready: its configuration may be a new one. When that is
//! not to be had it has failed, and nothing was touched.
//!
//! The very first start has nothing to take over from: all slots are one step, without a bake. Where programs bind for
//! themselves slot 0 goes ahead of its step, because only what it has bound can be given to the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::slots::Slot;
use super::types::{
    Action, Ending, Generation, Reason, Request, Share, Time, Verdict, Why, WorkerId,
};
use super::worker::Phase;
use super::{Aim, SIGKILL, Sign, Supervisor};

/// A generation that is to become the serving one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) generation: Generation,
    pub(super) requests: Vec<Request>,
    /// The workers that take over next, by their slots.
    step: BTreeMap<u32, WorkerId>,
    /// When the step takes over, once all of it is ready.
    pub(super) bakes_until: Option<Time>,
    /// Who has passed a check since then.
    #[serde(default)]
    passed: BTreeSet<WorkerId>,
    /// The slots whose turn comes after that.
    later: VecDeque<u32>,
    /// How many slots it has taken over.
    replaced: u32,
    /// Whether all that it needs is there.
    #[serde(default = "yes")]
    prepared: bool,
    /// How many workers there are to be when it is done, if its policy says something new.
    #[serde(default)]
    workers: Option<u32>,
}

fn yes() -> bool {
    true
}

impl Attempt {
    fn has(&self, id: WorkerId) -> bool {
        self.step.values().any(|worker| *worker == id)
    }
}

impl Supervisor {
    /// Brings up the very first generation, for which all is there.
    pub(super) fn begin_first(&mut self, now: Time, out: &mut Vec<Action>) {
        self.attempt(Vec::new(), true);
        self.begin_step(now, out);
    }

    /// Brings up a new generation for these requests.
    pub(super) fn begin(&mut self, requests: Vec<Request>, out: &mut Vec<Action>) {
        let generation = self.attempt(requests, false);
        out.push(Action::Prepare(generation));
    }

    fn attempt(&mut self, requests: Vec<Request>, prepared: bool) -> Generation {
        self.state.last_generation += 1;
        let generation = Generation(self.state.last_generation);
        self.state.attempt = Some(Attempt {
            generation,
            requests,
            step: BTreeMap::new(),
            bakes_until: None,
            passed: BTreeSet::new(),
            later: (0..self.state.wanted).collect(),
            replaced: 0,
            prepared,
            workers: None,
        });
        generation
    }

    /// The generation that waits for what it needs, if it is this one.
    fn awaited(&mut self, generation: Generation) -> Option<&mut Attempt> {
        let attempt = self.state.attempt.as_mut()?;
        (attempt.generation == generation && !attempt.prepared).then_some(attempt)
    }

    /// All that the generation needs is there.
    pub(super) fn prepared(
        &mut self,
        now: Time,
        generation: Generation,
        policy: Policy,
        out: &mut Vec<Action>,
    ) {
        // What was scaled to is not undone by a policy that says what it said before.
        let news = self
            .state
            .named
            .is_some_and(|named| named != policy.workers);
        let workers = news.then_some(policy.workers.max(1));
        let wanted = self.state.wanted;
        let Some(attempt) = self.awaited(generation) else {
            return;
        };
        attempt.prepared = true;
        attempt.workers = workers;
        attempt.later = (0..workers.unwrap_or(wanted)).collect();
        self.state.named.get_or_insert(policy.workers);
        self.forget_policies();
        self.policies.insert(generation, policy);
        self.begin_step(now, out);
    }

    fn forget_policies(&mut self) {
        let workers = self.state.workers.values().map(|w| w.generation);
        let slots = self.state.slots.values().map(Slot::generation);
        let used = workers.chain(slots).chain(self.state.serving);
        if let Some(oldest) = used.min() {
            self.policies.forget_before(oldest);
        }
    }

    /// What the generation needs is not to be had.
    pub(super) fn unprepared(&mut self, now: Time, generation: Generation, out: &mut Vec<Action>) {
        if self.awaited(generation).is_some() {
            self.fail(now, Reason::Unprepared, Ending::NotStarted, out);
            self.leave_if_done(out);
        }
    }

    /// Somebody has scaled: what the reload under way would make of it came before.
    pub(super) fn forget_named(&mut self) {
        if let Some(attempt) = &mut self.state.attempt {
            attempt.workers = None;
        }
    }

    fn begin_step(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(mut attempt) = self.state.attempt.take() else {
            return;
        };
        let alone = self.policies.of(attempt.generation).first_alone;
        let size = match alone && attempt.replaced == 0 && attempt.step.is_empty() {
            true => 1,
            false => self.step_size(attempt.generation) - count(attempt.step.len()),
        };
        for _ in 0..size {
            let Some(slot) = attempt.later.pop_front() else {
                break;
            };
            let id = self.start(now, attempt.generation, slot, out);
            attempt.step.insert(slot, id);
        }
        self.state.attempt = Some(attempt);
    }

    /// How many slots a step has, if there are as many: without anybody to take over from it is all of them.
    fn step_size(&self, generation: Generation) -> u32 {
        match self.state.serving {
            Some(_) => self.policies.of(generation).step,
            None => u32::MAX,
        }
    }

    /// Whether the worker has yet to take over.
    pub(super) fn is_in_step(&self, id: WorkerId) -> bool {
        self.state.attempt.as_ref().is_some_and(|a| a.has(id))
    }

    /// Goes on if all of the step are ready, and baked.
    pub(super) fn advance(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(generation) = self.attempted() else {
            return;
        };
        let size = self.step_size(generation);
        let Some(attempt) = &mut self.state.attempt else {
            return;
        };
        let workers = &self.state.workers;
        let is_ready = |id| matches!(workers.get(id), Some(w) if w.is_ready());
        if !attempt.step.values().all(is_ready) {
            return;
        }
        if count(attempt.step.len()) < size && !attempt.later.is_empty() {
            return self.begin_step(now, out); // The first has gone ahead.
        }
        let Policy { bake, sign, .. } = *self.policies.of(generation);
        if self.state.serving.is_some() && !bake.is_zero() {
            let until = *attempt.bakes_until.get_or_insert(now + bake);
            let passed = |id| attempt.passed.contains(id);
            if now < until || sign == Sign::Check && !attempt.step.values().all(passed) {
                return;
            }
        }
        self.take_over(now, out);
    }

    /// Whether there is something to bake: the very first start has nobody to go back to.
    pub(super) fn bakes(&self) -> bool {
        let attempt = self.state.attempt.as_ref();
        let bakes = attempt.is_some_and(|a| !self.policies.of(a.generation).bake.is_zero());
        bakes && self.state.serving.is_some()
    }

    /// A ready worker has passed a check. The first one after the bake lets it take over.
    pub(super) fn passed(&mut self, now: Time, id: WorkerId, out: &mut Vec<Action>) {
        if let Some(attempt) = &mut self.state.attempt
            && attempt.has(id)
            && self.policies.of(attempt.generation).sign == Sign::Check
            && attempt.bakes_until.is_some_and(|until| until <= now)
        {
            attempt.passed.insert(id);
            self.advance(now, out);
        }
    }

    /// A ready worker has failed its checks: in the bake the attempt has failed, and it is withdrawn with its fellows.
    pub(super) fn unfit(&mut self, now: Time, id: WorkerId, out: &mut Vec<Action>) {
        let worker = self.state.workers.get(&id);
        if let Some(worker) = worker.filter(|w| w.is_ready())
            && self.bakes()
            && self.is_in_step(id)
        {
            out.push(Action::Failed(id, worker.generation, Reason::Unfit));
            self.fail(now, Reason::Unfit, Ending::Signal(SIGKILL), out);
        }
    }

    fn take_over(&mut self, now: Time, out: &mut Vec<Action>) {
        let Some(mut attempt) = self.state.attempt.take() else {
            return;
        };
        let generation = attempt.generation;
        let step = std::mem::take(&mut attempt.step);
        attempt.bakes_until = None;
        for slot in step.keys() {
            attempt.replaced += 1;
            self.fill(*slot, generation);
        }
        self.drain(now, out, |worker| {
            worker.generation < generation && step.contains_key(&worker.slot)
        });
        if !attempt.later.is_empty() {
            self.state.attempt = Some(attempt);
            return self.begin_step(now, out);
        }
        self.state.serving = Some(generation);
        self.state.named = Some(self.policies.of(generation).workers);
        if let Some(workers) = attempt.workers {
            self.state.wanted = workers;
        }
        for request in attempt.requests {
            out.push(Action::Verdict(request, Verdict::Done(generation)));
        }
        self.after_attempt(now, out);
    }

    /// A worker of the step will never take over.
    pub(super) fn fail(
        &mut self,
        now: Time,
        reason: Reason,
        ending: Ending,
        out: &mut Vec<Action>,
    ) {
        let Some(attempt) = self.state.attempt.take() else {
            return;
        };
        let generation = attempt.generation;
        let share = Share {
            replaced: attempt.replaced,
            of: attempt.replaced + count(attempt.step.len()) + count(attempt.later.len()),
        };
        if share.replaced > 0 {
            self.state.serving = Some(generation);
        }
        for id in attempt.step.into_values() {
            self.withdraw(now, id, Why::Withdrawn, out);
        }
        if share.replaced == 0 {
            self.policies.remove(generation);
        }
        for request in attempt.requests {
            let verdict = Verdict::Failed(generation, reason, share);
            out.push(Action::Verdict(request, verdict));
        }
        if self.after_attempt(now, out) {
            return;
        }
        if self.state.serving.is_none() {
            self.state.aim = Aim::End(ending.status());
        } else {
            self.end_if_deserted();
        }
    }

    /// Sends away a worker that will not take over. Once its program runs it may have accepted connections, seen or
    /// unseen, which it is to finish; but one that is not ready has a last chance, and no more.
    pub(super) fn withdraw(&mut self, now: Time, id: WorkerId, why: Why, out: &mut Vec<Action>) {
        let Some(worker) = self.state.workers.get_mut(&id) else {
            return; // It is the one that ended.
        };
        let policy = self.policies.of(worker.generation);
        let patience = match worker.phase {
            Phase::Ready { .. } => policy.drain_timeout,
            Phase::Starting { .. } => Some(policy.last_chance()),
            Phase::Draining { .. } | Phase::Killed => return, // It is the one that failed.
        };
        if worker.is_launched() {
            let until = patience.map(|span| now + span);
            worker.phase = Phase::Draining { until };
            worker.tell(policy.stop_signal);
            out.push(Action::Withdraw(id));
        } else {
            worker.phase = Phase::Killed;
            out.push(Action::Kill(id, why));
        }
    }

    /// Does what had to wait for the end of the attempt. Whether that began another one.
    fn after_attempt(&mut self, now: Time, out: &mut Vec<Action>) -> bool {
        self.resize(now, out);
        let requests = std::mem::take(&mut self.state.queued);
        let any = !requests.is_empty();
        if any {
            self.begin(requests, out);
        }
        any
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
