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
//!      |   \ stop           \ ends by itself: restart, or the service   |
//!      |    `--> draining    `--> gone                 ends             | drain timeout, kill timeout,
//!      | ready timeout                                                  | a second stop
//!      `---------------------> killed <---------------------------------'
//! ```
//! From every phase the worker's exit leads out of the table.
//!
//! Two things bring up workers, and they do not wait for each other: the *attempt*, which is the reload under way (or
//! the very first start), and the *vacancy* left by a worker of the serving generation that ended by itself. A reload
//! that takes a minute must not lengthen the outage of a crash, and a crash must not fail a reload.

mod backoff;
mod policy;
mod types;
mod worker;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Restart;
use backoff::Backoff;
pub use policy::{BLIND_WAIT, Policy};
pub use types::{Action, Ending, Event, Generation, Reason, Request, Time, Verdict, Why, WorkerId};
use worker::{Phase, Worker};

/// All workers that are not gone, and what is wanted.
#[derive(Clone, Debug)]
pub struct Supervisor {
    policy: Policy,
    state: State,
}

/// All that an upgrade hands over: everything but the policy, which the new program reads from its flags.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    workers: BTreeMap<WorkerId, Worker>,
    last_worker: u64,
    last_generation: u64,
    /// The newest generation that has been ready.
    serving: Option<Generation>,
    attempt: Option<Attempt>,
    /// Asked for while a reload was under way: together they are one more.
    queued: Vec<Request>,
    vacancy: Vacancy,
    backoff: Backoff,
    aim: Aim,
}

/// A generation that is to become the serving one.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attempt {
    worker: WorkerId,
    requests: Vec<Request>,
}

/// What a worker of the serving generation left behind that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Vacancy {
    None,
    /// It is started again then.
    RestartAt(Time),
    /// The service ends with this status, unless the reload under way saves it.
    Final(u8),
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
            vacancy: Vacancy::None,
            backoff: Backoff::default(),
            aim: Aim::Serve,
        };
        let mut this = Self { policy, state };
        let mut out = Vec::new();
        this.begin(now, Vec::new(), &mut out);
        (this, out)
    }

    /// Goes on where another program left off.
    #[must_use]
    pub fn restore(policy: Policy, state: State) -> Self {
        Self { policy, state }
    }

    /// What an upgrade hands over.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When to call `handle(Timeout)` if nothing else happens first.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        let restart = match self.state.vacancy {
            Vacancy::RestartAt(at) => Some(at),
            Vacancy::None | Vacancy::Final(_) => None,
        };
        let phases = self.state.workers.values().flat_map(|w| {
            w.ready_at(&self.policy)
                .into_iter()
                .chain(w.killed_at(&self.policy))
        });
        phases.chain(restart).min()
    }

    /// The workers that are starting, whose readiness is to be watched.
    pub fn starting(&self) -> impl Iterator<Item = WorkerId> {
        let workers = self.state.workers.iter();
        workers
            .filter(|(_, w)| matches!(w.phase, Phase::Starting { .. }))
            .map(|(id, _)| *id)
    }

    /// The newest generation that has been ready.
    #[must_use]
    pub fn serving(&self) -> Option<Generation> {
        self.state.serving
    }

    /// Whether a reload, or the first start, is under way.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.state.attempt.is_some()
    }

    /// Whether all is to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.state.aim != Aim::Serve
    }

    /// Whether this worker is ready and not told to leave.
    #[must_use]
    pub fn is_ready(&self, worker: WorkerId) -> bool {
        self.state
            .workers
            .get(&worker)
            .is_some_and(|w| matches!(w.phase, Phase::Ready { .. }))
    }

    /// Whether this worker has been killed, and only its end is waited for.
    #[must_use]
    pub fn is_killed(&self, worker: WorkerId) -> bool {
        let worker = self.state.workers.get(&worker);
        worker.is_some_and(|w| w.phase == Phase::Killed)
    }

    /// Takes note of what has happened and says what to do now.
    #[must_use]
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Reload(request) => self.reload(now, request, &mut out),
            Event::Stop(signal) => self.stop(now, signal, &mut out),
            Event::Launched(id) => self.note(id, |launched, _, _| {
                launched.get_or_insert(now);
            }),
            Event::Waiting(id, seen) => self.note(id, |_, waiting, _| {
                *waiting = if seen { waiting.or(Some(now)) } else { None };
            }),
            Event::Blind(id, is) => self.note(id, |_, _, blind| *blind = is),
            Event::Ready(id) => self.ready(now, id, &mut out),
            Event::Exited(id, ending) => self.exited(now, id, ending, &mut out),
            Event::Timeout => self.expire(now, &mut out),
        }
        out
    }

    /// Brings up a new generation for these requests; none for the very first.
    fn begin(&mut self, now: Time, requests: Vec<Request>, out: &mut Vec<Action>) {
        self.state.last_generation += 1;
        let worker = self.start(now, Generation(self.state.last_generation), out);
        self.state.attempt = Some(Attempt { worker, requests });
    }

    fn start(&mut self, now: Time, generation: Generation, out: &mut Vec<Action>) -> WorkerId {
        self.state.last_worker += 1;
        let id = WorkerId(self.state.last_worker);
        self.state.workers.insert(id, Worker::new(generation, now));
        out.push(Action::Start(id, generation));
        id
    }

    fn reload(&mut self, now: Time, request: Request, out: &mut Vec<Action>) {
        if self.state.aim != Aim::Serve {
            out.push(Action::Verdict(request, Verdict::Superseded));
        } else if self.state.attempt.is_some() {
            self.state.queued.push(request);
        } else {
            self.begin(now, vec![request], out);
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
        let generation = worker.generation;
        out.push(Action::Welcome(id));
        let Some(attempt) = self.state.attempt.take_if(|a| a.worker == id) else {
            return;
        };

        self.state.serving = Some(generation);
        self.state.vacancy = Vacancy::None;
        self.state.backoff.reset();
        self.drain_older_than(now, generation, out);
        for request in attempt.requests {
            out.push(Action::Verdict(request, Verdict::Done(generation)));
        }
        self.begin_queued(now, out);
    }

    fn drain_older_than(&mut self, now: Time, generation: Generation, out: &mut Vec<Action>) {
        let until = self.policy.drain_timeout.map(|span| now + span);
        for (id, worker) in &mut self.state.workers {
            let serves = matches!(worker.phase, Phase::Starting { .. } | Phase::Ready { .. });
            if serves && worker.generation < generation {
                worker.phase = Phase::Draining { until };
                worker.tell(self.policy.stop_signal);
                out.push(Action::Drain(*id));
            }
        }
    }

    fn begin_queued(&mut self, now: Time, out: &mut Vec<Action>) -> bool {
        let requests = std::mem::take(&mut self.state.queued);
        let any = !requests.is_empty();
        if any {
            self.begin(now, requests, out);
        }
        any
    }

    fn exited(&mut self, now: Time, id: WorkerId, ending: Ending, out: &mut Vec<Action>) {
        let Some(worker) = self.state.workers.remove(&id) else {
            return;
        };
        match worker.phase {
            Phase::Starting { .. } => {
                self.not_ready(now, id, worker.generation, Reason::Ended(ending), out);
            }
            Phase::Ready { since } => self.vacated(now, now - since, ending, out),
            Phase::Draining { .. } | Phase::Killed => {
                if let Aim::Stop(status) = &mut self.state.aim
                    && !worker.ended_clean(ending)
                {
                    *status = ending.status();
                }
            }
        }
        self.leave_if_done(out);
    }

    /// A starting worker has failed: it ended, or its time is over.
    fn not_ready(
        &mut self,
        now: Time,
        id: WorkerId,
        generation: Generation,
        reason: Reason,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Failed(id, generation, reason));
        let ending = match reason {
            Reason::Ended(ending) => ending,
            Reason::NotReady => Ending::Signal(SIGKILL),
        };
        let Some(attempt) = self.state.attempt.take_if(|a| a.worker == id) else {
            return self.vacated(now, Duration::ZERO, ending, out);
        };
        for request in attempt.requests {
            out.push(Action::Verdict(
                request,
                Verdict::Failed(generation, reason),
            ));
        }
        if self.begin_queued(now, out) {
            return;
        }
        if self.state.serving.is_none() {
            self.state.aim = Aim::End(ending.status());
        } else if let Vacancy::Final(status) = self.state.vacancy {
            self.state.aim = Aim::End(status);
        }
    }

    /// A worker of the serving generation has ended by itself.
    fn vacated(&mut self, now: Time, ready_for: Duration, ending: Ending, out: &mut Vec<Action>) {
        let ends = match self.policy.restart {
            Restart::Never => true,
            Restart::OnFailure => ending == Ending::Exit(0),
            Restart::Always => false,
        };
        if ends {
            self.state.vacancy = Vacancy::Final(ending.status());
            if self.state.attempt.is_none() {
                self.state.aim = Aim::End(ending.status());
            }
            return;
        }
        let Some(serving) = self.state.serving else {
            return;
        };
        let delay = self.state.backoff.next(ready_for, self.policy.seed);
        out.push(Action::Restart(serving, delay));
        if delay.is_zero() {
            self.start(now, serving, out);
        } else {
            self.state.vacancy = Vacancy::RestartAt(now + delay);
        }
    }

    fn stop(&mut self, now: Time, signal: i32, out: &mut Vec<Action>) {
        if self.state.aim != Aim::Serve && self.state.workers.is_empty() {
            return; // It was told to exit before.
        }
        if matches!(self.state.aim, Aim::Stop(_)) {
            for (id, worker) in &mut self.state.workers {
                if worker.phase != Phase::Killed {
                    worker.phase = Phase::Killed;
                    out.push(Action::Kill(*id, Why::StopAgain));
                }
            }
            return;
        }
        let status = if let Aim::End(status) = self.state.aim {
            status
        } else {
            0
        };
        self.state.aim = Aim::Stop(status);
        self.state.vacancy = Vacancy::None;
        let attempt = self.state.attempt.take();
        let asked = attempt
            .into_iter()
            .flat_map(|a| a.requests)
            .chain(self.state.queued.drain(..));
        out.extend(asked.map(|request| Action::Verdict(request, Verdict::Superseded)));

        let patience = self.policy.kill_timeout.map(|span| now + span);
        for (id, worker) in &mut self.state.workers {
            let until = match worker.phase {
                // What came before the stop does not spoil its status.
                Phase::Killed => {
                    worker.tell(SIGKILL);
                    continue;
                }
                // It was told to leave before: what it was granted then still ends it.
                Phase::Draining { until } => until.into_iter().chain(patience).min(),
                Phase::Starting { .. } | Phase::Ready { .. } => patience,
            };
            worker.phase = Phase::Draining { until };
            worker.tell(signal);
            out.push(Action::Forward(*id, signal));
        }
        self.leave_if_done(out);
    }

    fn expire(&mut self, now: Time, out: &mut Vec<Action>) {
        for id in self.state.workers.keys().copied().collect::<Vec<_>>() {
            let Some(worker) = self.state.workers.get_mut(&id) else {
                continue;
            };
            if worker.ready_at(&self.policy).is_some_and(|at| at <= now) {
                self.ready(now, id, out);
            } else if worker.killed_at(&self.policy).is_some_and(|at| at <= now) {
                let was = std::mem::replace(&mut worker.phase, Phase::Killed);
                let generation = worker.generation;
                if let Phase::Starting { .. } = was {
                    out.push(Action::Kill(id, Why::NotReady));
                    self.not_ready(now, id, generation, Reason::NotReady, out);
                } else {
                    out.push(Action::Kill(id, Why::NotGone));
                }
            }
        }
        // After the workers: a reload that got ready in this very moment spares the restart.
        if let Vacancy::RestartAt(at) = self.state.vacancy
            && at <= now
        {
            self.state.vacancy = Vacancy::None;
            if let Some(serving) = self.state.serving {
                self.start(now, serving, out);
            }
        }
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
