//! The world around the core as the promises see it: who lives, who is ready, who was told what, who still waits for
//! an answer. It knows nothing of how the core decides, and checks every action and the state after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::process::Process;
use super::roll::{Places, Roll};
use crate::config::Restart;
use crate::core::{
    Action, Ending, Event, Generation, Policy, Reason, Request, Share, Time, Verdict, Why, WorkerId,
};

/// A request that has no verdict yet, and the generation that was started for it.
pub(super) type Open = (Request, Option<Generation>);

pub(super) struct World {
    /// By the generations that they came with.
    pub(super) policies: BTreeMap<Generation, Policy>,
    /// The number of workers that a policy named and that holds.
    pub(super) named: u32,
    pub(super) living: Vec<Process>,
    pub(super) now: Time,
    pub(super) event: Option<Event>,
    pub(super) open: Vec<Open>,
    pub(super) last_worker: u64,
    /// The last one of the step before.
    pub(super) known_workers: u64,
    pub(super) last_generation: u64,
    pub(super) attempt: Option<Roll>,
    pub(super) serving: Option<Generation>,
    pub(super) places: Places,
    /// How many workers were asked for.
    pub(super) asked: u32,
    /// The places in which somebody served at the end of the step before.
    pub(super) covered: BTreeSet<u32>,
    /// Those that need not be covered in this step, because their worker ended, or the place was given up.
    pub(super) bare: BTreeSet<u32>,
    pub(super) stops: u32,
    /// The status that a stop ends with.
    pub(super) stop_status: u8,
    /// How the first start ended.
    pub(super) last_word: Option<u8>,
    /// The service is over without a stop, with this status.
    pub(super) over: Option<u8>,
    pub(super) left: Option<u8>,
    /// A crash whose restart has not been announced: in which place, and how long the worker had been ready.
    pub(super) owed: Option<(u32, Duration)>,
    /// The worker that ended in this step before it took over, or did not come up again: it must be called failed.
    pub(super) failing: Option<(WorkerId, Reason)>,
    /// The share that the verdicts of the attempt that failed in this step must tell.
    pub(super) failed: Option<(Generation, Share)>,
    /// Its other workers, which must be sent away.
    pub(super) withdrawn: BTreeSet<WorkerId>,
    /// A failed attempt leaves it to the places to be as many as are wanted.
    pub(super) resize_due: bool,
    /// Who took over in this step.
    pub(super) welcomed: Option<Generation>,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policies: BTreeMap::from([(Generation(0), policy)]),
            named: policy.workers,
            living: Vec::new(),
            now: Time(0),
            event: None,
            open: Vec::new(),
            last_worker: 0,
            known_workers: 0,
            last_generation: 0,
            attempt: None,
            serving: None,
            places: Places::new(),
            asked: policy.workers,
            covered: BTreeSet::new(),
            bare: BTreeSet::new(),
            stops: 0,
            stop_status: 0,
            last_word: None,
            over: None,
            left: None,
            owed: None,
            failing: None,
            failed: None,
            withdrawn: BTreeSet::new(),
            resize_due: false,
            welcomed: None,
        }
    }

    /// The rules that a generation is judged by.
    pub(super) fn rules(&self, generation: Generation) -> Policy {
        let mut up_to = self.policies.range(..=generation);
        *up_to.next_back().expect("those of the first").1
    }

    /// Those that a process is judged by.
    fn rules_of(&self, id: WorkerId) -> Policy {
        let found = self.living.iter().find(|p| p.id == id);
        self.rules(found.map_or(Generation(0), |p| p.generation))
    }

    /// The rules by which old ones leave.
    pub(super) fn newest(&self) -> Policy {
        *self
            .policies
            .values()
            .next_back()
            .expect("those of the first")
    }

    /// The rules that hold, whatever is being brought up.
    pub(super) fn standing(&self) -> Policy {
        self.rules(self.serving.unwrap_or(Generation(0)))
    }

    /// What the event means, before the core hears of it.
    pub(super) fn happen(&mut self, now: Time, event: Event) {
        self.now = now;
        self.event = Some(event);
        match event {
            Event::Reload(request) => self.open.push((request, None)),
            Event::Stop(_) if self.left.is_some() => {}
            Event::Stop(signal) => {
                self.stops += 1;
                if self.stops == 1 {
                    let until = self.standing().kill_timeout.map(|span| self.now + span);
                    // Who was told in these words before is not told again, and has no longer.
                    for process in self.living.iter_mut().filter(|p| p.told.contains(&signal)) {
                        process.leave_by = process.leave_by.into_iter().chain(until).min();
                    }
                    self.stop_status = self.over.unwrap_or(0);
                    self.attempt = None;
                    self.places.clear();
                    for process in self.living.iter_mut().filter(|p| p.killed) {
                        process.told.push(9); // Its death is no fault of the stop.
                    }
                }
            }
            Event::Scale(workers) => {
                if self.stops == 0 && self.over.is_none() {
                    self.asked = workers.max(1);
                    if let Some(roll) = &mut self.attempt {
                        roll.workers = None;
                    }
                    self.resize();
                }
            }
            Event::Prepared(generation, policy) => {
                if let Some(roll) = self.attempt.as_mut().filter(|r| r.awaits(generation)) {
                    let news = policy.workers != self.named;
                    roll.workers = news.then_some(policy.workers.max(1));
                    roll.of = roll.workers.unwrap_or(self.asked);
                    roll.prepared = true;
                    self.policies.insert(generation, policy);
                }
            }
            Event::Unprepared(generation) => {
                if let Some(roll) = self.attempt.take_if(|r| r.awaits(generation)) {
                    let share = Share {
                        replaced: 0,
                        of: roll.of,
                    };
                    self.failed = Some((generation, share));
                    if self.serving.is_none() {
                        self.last_word = Some(1);
                    }
                    self.resize();
                }
            }
            Event::Launched(id) => {
                self.starting(id, |p| p.launched = p.launched.or(Some(now)));
            }
            Event::Waiting(id, true) => {
                self.starting(id, |p| p.waiting = p.waiting.or(Some(now)));
            }
            Event::Waiting(id, false) => self.starting(id, |p| p.waiting = None),
            Event::Blind(id, blind) => self.starting(id, |p| p.blind = blind),
            Event::Extend(id, span) => self.starting(id, |p| {
                let until = now + span;
                p.extended = Some(p.extended.map_or(until, |before| before.max(until)));
            }),
            Event::Exited(id, ending) => {
                if let Some(at) = self.living.iter().position(|p| p.id == id) {
                    let process = self.living.swap_remove(at);
                    self.ended(&process, ending);
                }
            }
            Event::Passed(id) => {
                let in_step = self.is_in_step(id);
                if let Some(roll) = self.attempt.as_mut().filter(|_| in_step)
                    && roll.baked_at.is_some_and(|at| at <= now)
                {
                    roll.passed.insert(id);
                }
            }
            Event::Unfit(id) if self.bakes(id) => self.failing = Some((id, Reason::Unfit)),
            Event::Ready(_) | Event::Unfit(_) | Event::Timeout => {}
        }
    }

    fn starting(&mut self, id: WorkerId, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.living.iter_mut().find(|p| p.id == id) {
            change(process);
        }
    }

    fn ended(&mut self, process: &Process, ending: Ending) {
        self.bare.insert(process.slot);
        if self.is_in_step(process.id) {
            self.failing = Some((
                process.id,
                match process.ready {
                    None => Reason::Ended(ending),
                    Some(_) => Reason::DidNotLast(ending),
                },
            ));
            if self.serving.is_none() {
                self.last_word = Some(ending.status());
            }
        } else if process.is_wanted() {
            let roll = self.attempt.as_ref();
            if process.is_starting() {
                self.failing = Some((process.id, Reason::Ended(ending)));
            } else if ending != Ending::Exit(0)
                && roll.is_some_and(|roll| roll.generation == process.generation)
            {
                self.failing = Some((process.id, Reason::DidNotLast(ending)));
            }
            let ready_for = process
                .ready
                .map_or(Duration::ZERO, |since| self.now - since);
            self.crashed(process.slot, ready_for, ending);
        }
        let clean = match ending {
            Ending::Exit(status) => status == 0 || process.told.contains(&(status - 128)),
            Ending::Signal(signal) => process.told.contains(&signal),
            Ending::NotStarted => false,
        };
        if self.stops > 0 && !clean {
            self.stop_status = ending.status();
        }
    }

    /// A worker that serves ended by itself, or did not come up again.
    fn crashed(&mut self, slot: u32, ready_for: Duration, ending: Ending) {
        let place = self.places.get(&slot).expect("a place");
        match (self.rules(place.generation).restart, ending) {
            (Restart::Never, _) | (Restart::OnFailure, Ending::Exit(0)) => {
                let place = self.places.get_mut(&slot).expect("a place");
                place.last_word = Some(ending.status());
            }
            _ => self.owed = Some((slot, ready_for)),
        }
    }

    pub(super) fn is_in_step(&self, id: WorkerId) -> bool {
        let roll = self.attempt.as_ref();
        roll.is_some_and(|roll| roll.step.contains(&id))
    }

    pub(super) fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            let answer = matches!(action, Action::Verdict(_, Verdict::Superseded));
            assert!(answer || self.left.is_none(), "after the end: {action:?}");
            match *action {
                Action::Prepare(generation) => {
                    self.take_over();
                    assert_eq!(generation.0, self.last_generation + 1, "which generation?");
                    self.begin(generation);
                }
                Action::Start(id, generation, slot) => self.start(id, generation, slot),
                Action::Welcome(id) => self.welcome(id),
                Action::Drain(id) => self.drain(id),
                Action::Withdraw(id) => self.withdraw(id),
                Action::Forward(id, signal) => self.forward(id, signal),
                Action::Kill(id, why) => self.kill(id, why),
                Action::Failed(id, of, reason) => {
                    assert_eq!(self.failing.take(), Some((id, reason)), "wrong failure");
                    self.fail_if_in_roll(id, of);
                    if reason == Reason::Unfit {
                        self.withdrawn.insert(id); // It lives.
                    }
                }
                Action::Verdict(request, verdict) => self.verdict(request, verdict),
                Action::Restart(generation, delay) => self.restart(generation, delay),
                Action::Exit(status) => {
                    assert!(self.living.is_empty(), "left while a worker lives");
                    self.left = Some(status);
                }
            }
        }
    }

    pub(super) fn resize_if_due(&mut self) {
        if std::mem::take(&mut self.resize_due) {
            self.resize();
        }
    }

    fn find(&mut self, id: WorkerId) -> &mut Process {
        let found = self.living.iter_mut().find(|p| p.id == id);
        let process = found.unwrap_or_else(|| panic!("{id:?} is dead or unknown"));
        assert!(!process.killed, "{id:?} was killed before");
        process
    }

    fn start(&mut self, id: WorkerId, generation: Generation, slot: u32) {
        self.take_over();
        assert_eq!(self.stops, 0, "a start after a stop");
        assert_eq!(self.over, None, "a start after the service ended");
        assert!(id.0 > self.last_worker, "a worker's number was used again");
        self.last_worker = id.0;
        // A reload has been announced before.
        let begins = self.last_generation == 0;
        let goes_on = self
            .attempt
            .as_ref()
            .is_some_and(|roll| roll.is_due(generation, slot));
        if !begins && !goes_on {
            self.fill(generation, slot);
        } else {
            if begins {
                self.begin(generation);
            }
            let alone = self.rules(generation).first_alone;
            let replaced = self.attempt.as_ref().map_or(0, |roll| roll.replaced);
            if alone && slot == 1 && replaced == 0 {
                assert!(self.is_step_ready(), "the first does not go ahead");
            }
            let roll = self.attempt.as_mut().expect("no attempt");
            assert!(roll.is_due(generation, slot), "slot {slot} is not due");
            roll.step.insert(id);
            roll.slots.insert(slot);
            roll.baked_at = None;
        }
        self.living.push(Process {
            id,
            generation,
            slot,
            since: self.now,
            launched: None,
            waiting: None,
            blind: false,
            extended: None,
            ready: None,
            told: Vec::new(),
            leave_by: None,
            killed: false,
        });
    }

    fn welcome(&mut self, id: WorkerId) {
        let (now, event) = (self.now, self.event);
        let policy = self.rules_of(id);
        let process = self.find(id);
        assert!(process.is_starting(), "{id:?} was not starting");
        let due = process.ready_at(&policy).is_some_and(|at| at <= now);
        let why = event == Some(Event::Ready(id)) || event == Some(Event::Timeout) && due;
        assert!(why, "{id:?} is not ready");
        process.ready = Some(now);
        if self.is_in_step(id) {
            let (all, now) = (self.is_step_ready(), self.now);
            let roll = self.attempt.as_mut().expect("an attempt");
            roll.baked_at = all.then(|| now + policy.bake);
            if policy.bake.is_zero() || self.serving.is_none() {
                self.take_over();
            }
        }
    }

    fn drain(&mut self, id: WorkerId) {
        let (now, known) = (self.now, self.known_workers);
        self.take_over();
        let (rules, newest) = (self.rules_of(id), self.newest());
        assert_eq!(self.stops, 0, "a drain after a stop");
        let process = self.find(id);
        let (slot, generation) = (process.slot, process.generation);
        assert!(process.told.is_empty(), "{id:?} was told before");
        assert!(id.0 <= known, "{id:?} was started to be drained");
        let serves = process.serves();
        process.told.push(rules.stop_signal);
        process.leave_by = newest.drain_timeout.map(|span| now + span);
        let mut living = self.living.iter();
        if self.places.contains_key(&slot) {
            let better = |p: &Process| {
                let baked = p
                    .ready
                    .is_some_and(|at| at + self.rules(p.generation).bake <= now);
                p.slot == slot && p.generation > generation && p.serves() && baked
            };
            assert!(living.any(better), "drained the last that serves");
            assert!(self.welcomed.is_some(), "drained without a new generation");
        } else {
            assert!(slot >= self.asked, "drained a place that is wanted");
            let fellow = living.any(Process::serves);
            assert!(fellow || !serves, "drained the last that serves");
        }
    }

    fn withdraw(&mut self, id: WorkerId) {
        let (now, timeout) = (self.now, self.event == Some(Event::Timeout));
        let policy = self.rules_of(id);
        let process = self.find(id);
        assert!(process.may_finish(), "{id:?} has nothing to finish");
        let late = process.is_starting() && process.kill_at(&policy).is_some_and(|at| at <= now);
        let slot = process.slot;
        process.withdraw(&policy, now);
        if !self.withdrawn.remove(&id) {
            assert!(timeout && late, "{id:?} did nothing wrong");
            self.late(id, slot);
        }
    }

    /// The worker was not ready in time.
    fn late(&mut self, id: WorkerId, slot: u32) {
        assert_eq!(self.failing, None, "a failure was not told");
        self.failing = Some((id, Reason::NotReady));
        let ending = Ending::Signal(9);
        if !self.is_in_step(id) {
            self.crashed(slot, Duration::ZERO, ending);
        } else if self.serving.is_none() {
            self.last_word = Some(ending.status());
        }
    }

    fn forward(&mut self, id: WorkerId, signal: i32) {
        assert_eq!(self.event, Some(Event::Stop(signal)), "whose signal?");
        assert_eq!(self.stops, 1, "a second stop kills");
        let until = self.standing().kill_timeout.map(|span| self.now + span);
        let process = self.find(id);
        assert!(!process.told.contains(&signal), "{id:?} was told before");
        process.told.push(signal);
        process.leave_by = process.leave_by.into_iter().chain(until).min();
    }

    fn kill(&mut self, id: WorkerId, why: Why) {
        let (now, event, stops) = (self.now, self.event, self.stops);
        let policy = self.rules_of(id);
        let process = self.find(id);
        let due =
            event == Some(Event::Timeout) && process.kill_at(&policy).is_some_and(|at| at <= now);
        match why {
            Why::NotReady => {
                let late = due && process.is_starting();
                assert!(late && !process.may_finish(), "{id:?} has time");
            }
            Why::NotGone => assert!(due && !process.is_wanted(), "{id:?} has time"),
            Why::Withdrawn => {
                assert!(!process.may_finish(), "{id:?} may have connections");
            }
            Why::StopAgain => assert!(matches!(event, Some(Event::Stop(_))) && stops > 1),
        }
        process.killed = true;
        let slot = process.slot;
        if why == Why::Withdrawn {
            assert!(self.withdrawn.remove(&id), "{id:?} did nothing wrong");
        }
        if why == Why::NotReady {
            self.late(id, slot);
        }
    }

    fn verdict(&mut self, request: Request, verdict: Verdict) {
        self.take_over();
        let at = self.open.iter().position(|(open, _)| *open == request);
        let at = at.unwrap_or_else(|| panic!("{request:?} had a verdict before, or never asked"));
        let (_, generation) = self.open.swap_remove(at);
        match verdict {
            Verdict::Done(by) => {
                assert_eq!(generation, Some(by), "the wrong reload's verdict");
                assert_eq!(self.welcomed, Some(by), "done too early");
            }
            Verdict::Failed(by, _, share) => {
                assert_eq!(generation, Some(by), "the wrong reload's verdict");
                assert_eq!(self.failed, Some((by, share)), "failed, and how far");
                self.resize_if_due();
                if share.replaced == 0 {
                    self.policies.remove(&by);
                }
            }
            Verdict::Superseded => assert!(self.stops > 0 || self.over.is_some(), "by what?"),
        }
    }

    fn restart(&mut self, generation: Generation, delay: Duration) {
        let (slot, ready_for) = self.owed.take().expect("nothing crashed");
        let place = self.places.get_mut(&slot).expect("a place");
        assert_eq!(generation, place.generation, "restart of what?");
        if ready_for >= Duration::from_secs(60) {
            place.crashes = 0;
        }
        let middle = match place.crashes {
            0 => 0.0,
            n => (0.1 * 2f64.powi(n.min(20) as i32 - 1)).min(30.0),
        };
        let seconds = delay.as_secs_f64();
        let bounds = middle * 0.7499..=(middle * 1.2501).min(30.0);
        assert!(
            bounds.contains(&seconds),
            "crash {}: {delay:?}",
            place.crashes
        );
        place.crashes += 1;
        place.restart_at = Some(self.now + delay);
    }
}
