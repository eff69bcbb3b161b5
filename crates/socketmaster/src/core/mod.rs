//! What to do about it: the decisions of a supervisor as a function from events to actions.
//!
//! It knows no clock, descriptor, pid, signal handler or runtime: time is an argument, a process is a [`WorkerId`],
//! and what an action brings about comes back as an event. What is wanted (the aim) and what is (the workers) are two
//! things. So its promises are tested by thousands of random histories without one process.
//!
//! ```text
//!              ready                  a newer one is ready, or a stop
//!   starting ---------> ready ------------------------------------> draining
//!      |  \                \                                            |
//!      |   \ stop,          \ ends by itself: restart, or the service   | drain timeout, kill timeout,
//!      |    \ ready timeout  `--> gone                 ends             | last chance, a second stop
//!      |     `--> draining                                              |
//!      | ready timeout, and its program was never executed              |
//!      `---------------------> killed <---------------------------------'
//! ```
//! From every phase the worker's exit leads out of the table.
//!
//! A generation has one worker in each slot. Two things bring up workers, and they do not wait for each other: the
//! *attempt*, which is the reload under way (or the very first start), and the *vacancy* left in a slot by a worker
//! that ended by itself. A reload that takes a minute must not lengthen the outage of a crash, and a crash must not
//! fail a reload. What they do stands in `attempt` and `slots`.

mod attempt;
mod backoff;
mod generations;
mod policy;
mod slots;
mod stop;
mod types;
mod view;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use attempt::Attempt;
pub use generations::ByGeneration;
pub use policy::{BLIND_WAIT, Policy, Sign};
use slots::Slot;
pub use types::{
    Action, Ending, Event, Generation, Reason, Request, Share, Time, Verdict, Why, WorkerId,
};
use worker::{Phase, Worker};

/// All workers that are not gone, and what is wanted.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// A worker is judged by the rules that it was started by.
    policies: ByGeneration<Policy>,
    state: State,
}

/// All that an upgrade hands over: everything but the policies, which the new program reads from its flags and the
/// configurations that stand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    workers: BTreeMap<WorkerId, Worker>,
    last_worker: u64,
    last_generation: u64,
    /// The newest generation that has taken over from another, wholly or, where its reload failed, in part.
    serving: Option<Generation>,
    attempt: Option<Attempt>,
    /// Asked for while a reload was under way: together they are one more.
    queued: Vec<Request>,
    /// The slots that a generation serves in. After a stop there are none.
    slots: BTreeMap<u32, Slot>,
    /// How many slots there are to be, from 0 on.
    wanted: u32,
    /// The number of workers that the policy named which holds.
    #[serde(default)]
    named: Option<u32>,
    aim: Aim,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Aim {
    Serve,
    /// The app ended the service: leave when the draining workers have.
    End(u8),
    /// A stop was asked for; the status tells of workers that did not end clean.
    Stop(u8),
}

impl Supervisor {
    /// A supervisor with nothing to do yet, and the start of generation 1.
    #[must_use]
    pub fn new(policy: Policy, now: Time) -> (Self, Vec<Action>) {
        let state = State {
            workers: BTreeMap::new(),
            last_worker: 0,
            last_generation: 0,
            serving: None,
            attempt: None,
            queued: Vec::new(),
            slots: BTreeMap::new(),
            wanted: policy.workers.max(1),
            named: Some(policy.workers),
            aim: Aim::Serve,
        };
        let policies = ByGeneration::new(policy);
        let mut this = Self { policies, state };
        let mut out = Vec::new();
        this.begin_first(now, &mut out);
        (this, out)
    }

    /// Goes on where another program left off, with the policy of each generation in rising order: those before the
    /// first of them have its policy too.
    #[must_use]
    pub fn restore(first: Policy, later: &[(Generation, Policy)], state: State) -> Self {
        let mut policies = ByGeneration::new(first);
        for (generation, policy) in later {
            policies.insert(*generation, *policy);
        }
        Self { policies, state }
    }

    /// What an upgrade hands over.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes note of what has happened and says what to do now.
    #[must_use]
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Reload(request) => self.reload(request, &mut out),
            Event::Prepared(generation, policy) => {
                self.prepared(now, generation, policy, &mut out);
            }
            Event::Unprepared(generation) => self.unprepared(now, generation, &mut out),
            Event::Scale(workers) => self.scale(now, workers, &mut out),
            Event::Stop(signal) => self.stop(now, signal, &mut out),
            Event::Launched(id) => self.note(id, |launched, _, _| {
                launched.get_or_insert(now);
            }),
            Event::Waiting(id, seen) => self.note(id, |_, waiting, _| {
                *waiting = if seen { waiting.or(Some(now)) } else { None };
            }),
            Event::Blind(id, is) => self.note(id, |_, _, blind| *blind = is),
            Event::Ready(id) => self.ready(now, id, &mut out),
            Event::Extend(id, span) => {
                if let Some(worker) = self.state.workers.get_mut(&id) {
                    worker.extend(now + span);
                }
            }
            Event::Passed(id) => self.passed(now, id, &mut out),
            Event::Unfit(id) => self.unfit(now, id, &mut out),
            Event::Exited(id, ending) => self.exited(now, id, ending, &mut out),
            Event::Timeout => self.expire(now, &mut out),
        }
        out
    }

    fn start(
        &mut self,
        now: Time,
        generation: Generation,
        slot: u32,
        out: &mut Vec<Action>,
    ) -> WorkerId {
        self.state.last_worker += 1;
        let id = WorkerId(self.state.last_worker);
        let worker = Worker::new(generation, slot, now);
        self.state.workers.insert(id, worker);
        out.push(Action::Start(id, generation, slot));
        id
    }

    fn reload(&mut self, request: Request, out: &mut Vec<Action>) {
        if self.state.aim != Aim::Serve {
            out.push(Action::Verdict(request, Verdict::Superseded));
        } else if self.state.attempt.is_some() {
            self.state.queued.push(request);
        } else {
            self.begin(vec![request], out);
        }
    }

    fn scale(&mut self, now: Time, workers: u32, out: &mut Vec<Action>) {
        if self.state.aim == Aim::Serve {
            self.state.wanted = workers.max(1);
            self.forget_named();
            self.resize(now, out);
        }
    }

    fn note(
        &mut self,
        id: WorkerId,
        change: impl FnOnce(&mut Option<Time>, &mut Option<Time>, &mut bool),
    ) {
        if let Some(Worker {
            phase:
                Phase::Starting {
                    launched,
                    waiting,
                    blind,
                    ..
                },
            ..
        }) = self.state.workers.get_mut(&id)
        {
            change(launched, waiting, blind);
        }
    }

    fn ready(&mut self, now: Time, id: WorkerId, out: &mut Vec<Action>) {
        let Some(worker) = self.state.workers.get_mut(&id) else {
            return;
        };
        if !matches!(worker.phase, Phase::Starting { .. }) {
            return;
        }
        worker.phase = Phase::Ready { since: now };
        out.push(Action::Welcome(id));
        if self.is_in_step(id) {
            self.advance(now, out);
        }
    }

    fn exited(&mut self, now: Time, id: WorkerId, ending: Ending, out: &mut Vec<Action>) {
        let Some(worker) = self.state.workers.remove(&id) else {
            return;
        };
        match worker.phase {
            Phase::Starting { .. } => {
                self.not_ready(now, id, worker, Reason::Ended(ending), out);
            }
            Phase::Ready { .. } if self.is_in_step(id) => {
                let reason = Reason::DidNotLast(ending);
                out.push(Action::Failed(id, worker.generation, reason));
                self.fail(now, reason, ending, out);
            }
            Phase::Ready { since } => {
                // It had taken over: what that shows of the new version is not for the other slots to find out.
                let rolls = self.attempted() == Some(worker.generation);
                let reason = Reason::DidNotLast(ending);
                let fails = rolls && ending != Ending::Exit(0);
                if fails {
                    out.push(Action::Failed(id, worker.generation, reason));
                }
                self.vacated(now, worker.slot, now - since, ending, out);
                if fails {
                    self.fail(now, reason, ending, out);
                }
            }
            Phase::Draining { .. } | Phase::Killed => {
                if let Aim::Stop(status) = &mut self.state.aim
                    && !worker.ended_clean(ending)
                {
                    *status = ending.status();
                }
            }
        }
        self.restart(now, out);
        self.leave_if_done(out);
    }

    /// A starting worker has failed: it ended, or its time is over.
    fn not_ready(
        &mut self,
        now: Time,
        id: WorkerId,
        worker: Worker,
        reason: Reason,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Failed(id, worker.generation, reason));
        let ending = match reason {
            Reason::Ended(ending) | Reason::DidNotLast(ending) => ending,
            Reason::NotReady | Reason::Unprepared | Reason::Unfit => Ending::Signal(SIGKILL),
        };
        if !self.is_in_step(id) {
            self.vacated(now, worker.slot, Duration::ZERO, ending, out);
        }
        if self.attempted() == Some(worker.generation) {
            self.fail(now, reason, ending, out);
        }
    }

    fn expire(&mut self, now: Time, out: &mut Vec<Action>) {
        for id in self.state.workers.keys().copied().collect::<Vec<_>>() {
            let Some(worker) = self.state.workers.get_mut(&id) else {
                continue;
            };
            let policy = self.policies.of(worker.generation);
            if worker.ready_at(policy).is_some_and(|at| at <= now) {
                self.ready(now, id, out);
            } else if worker.killed_at(policy).is_some_and(|at| at <= now) {
                if let Phase::Draining { .. } = worker.phase {
                    worker.phase = Phase::Killed;
                    out.push(Action::Kill(id, Why::NotGone));
                } else {
                    let late = *worker;
                    self.withdraw(now, id, Why::NotReady, out);
                    self.not_ready(now, id, late, Reason::NotReady, out);
                }
            }
        }
        let attempt = self.state.attempt.as_ref();
        if attempt.is_some_and(|a| a.bakes_until.is_some_and(|at| at <= now)) {
            self.advance(now, out);
        }
        // Last: what takes over or leaves in this very moment spares the restart.
        self.restart(now, out);
    }

    fn leave_if_done(&self, out: &mut Vec<Action>) {
        if let Aim::End(status) | Aim::Stop(status) = self.state.aim
            && self.state.workers.is_empty()
        {
            out.push(Action::Exit(status));
        }
    }
}

/// signal(7): the same number on every architecture.
const SIGKILL: i32 = 9;
