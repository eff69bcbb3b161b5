//! The world around the core as the promises see it: who lives, who is ready, who was told what, who still waits for
//! an answer. It knows nothing of how the core decides, and checks every action and the state after every step.

use std::time::Duration;

use super::process::Process;
use crate::config::Restart;
use crate::core::{
    Action, Ending, Event, Generation, Policy, Reason, Request, Supervisor, Time, Verdict, Why,
    WorkerId,
};

/// A request that has no verdict yet, and the generation that was started for it.
type Open = (Request, Option<Generation>);

pub(super) struct World {
    pub(super) policy: Policy,
    pub(super) living: Vec<Process>,
    now: Time,
    event: Option<Event>,
    open: Vec<Open>,
    last_worker: u64,
    /// The last one of the step before.
    known_workers: u64,
    last_generation: u64,
    attempt: Option<(WorkerId, Generation)>,
    serving: Option<Generation>,
    stops: u32,
    /// The status that a stop ends with.
    stop_status: u8,
    /// How the first start ended, or the worker after which no restart follows.
    last_word: Option<u8>,
    /// The service is over without a stop, with this status.
    over: Option<u8>,
    pub(super) left: Option<u8>,
    /// A crash whose restart has not been announced, and how long the worker had been ready.
    owed: Option<Duration>,
    restart_at: Option<Time>,
    crashes: u32,
    /// The starting worker that ended in this step, which must be called failed.
    failing: Option<(WorkerId, Reason)>,
    welcomed: Option<Generation>,
}

impl World {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            living: Vec::new(),
            now: Time(0),
            event: None,
            open: Vec::new(),
            last_worker: 0,
            known_workers: 0,
            last_generation: 0,
            attempt: None,
            serving: None,
            stops: 0,
            stop_status: 0,
            last_word: None,
            over: None,
            left: None,
            owed: None,
            restart_at: None,
            crashes: 0,
            failing: None,
            welcomed: None,
        }
    }

    /// What the event means, before the core hears of it.
    pub(super) fn happen(&mut self, now: Time, event: Event) {
        self.now = now;
        self.event = Some(event);
        match event {
            Event::Reload(request) => self.open.push((request, None)),
            Event::Stop(_) if self.left.is_some() => {}
            Event::Stop(_) => {
                self.stops += 1;
                if self.stops == 1 {
                    self.stop_status = self.over.unwrap_or(0);
                    self.attempt = None;
                    self.restart_at = None;
                    for process in self.living.iter_mut().filter(|p| p.killed) {
                        process.told.push(9); // Its death is no fault of the stop.
                    }
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
            Event::Exited(id, ending) => {
                if let Some(at) = self.living.iter().position(|p| p.id == id) {
                    let process = self.living.swap_remove(at);
                    self.ended(&process, ending);
                }
            }
            Event::Ready(_) | Event::Timeout => {}
        }
    }

    fn starting(&mut self, id: WorkerId, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.living.iter_mut().find(|p| p.id == id) {
            change(process);
        }
    }

    fn ended(&mut self, process: &Process, ending: Ending) {
        if process.is_starting() {
            self.failing = Some((process.id, Reason::Ended(ending)));
        }
        if process.is_wanted() && self.attempt.is_none_or(|(id, _)| id != process.id) {
            let ready_for = process
                .ready
                .map_or(Duration::ZERO, |since| self.now - since);
            self.crashed(ready_for, ending);
        } else if process.is_wanted() && self.serving.is_none() {
            self.last_word = Some(ending.status());
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

    /// A worker of the serving generation ended by itself, or did not come up again.
    fn crashed(&mut self, ready_for: Duration, ending: Ending) {
        match (self.policy.restart, ending) {
            (Restart::Never, _) | (Restart::OnFailure, Ending::Exit(0)) => {
                self.last_word = Some(ending.status());
            }
            _ => self.owed = Some(ready_for),
        }
    }

    pub(super) fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            let answer = matches!(action, Action::Verdict(_, Verdict::Superseded));
            assert!(answer || self.left.is_none(), "after the end: {action:?}");
            match *action {
                Action::Start(id, generation) => self.start(id, generation),
                Action::Welcome(id) => self.welcome(id),
                Action::Drain(id) => self.drain(id),
                Action::Forward(id, signal) => self.forward(id, signal),
                Action::Kill(id, why) => self.kill(id, why),
                Action::Failed(id, _, reason) => {
                    assert_eq!(self.failing.take(), Some((id, reason)), "wrong failure");
                    // From here on no attempt is under way, but its verdicts are still to come.
                    self.attempt.take_if(|(attempt, _)| *attempt == id);
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

    fn find(&mut self, id: WorkerId) -> &mut Process {
        let found = self.living.iter_mut().find(|p| p.id == id);
        let process = found.unwrap_or_else(|| panic!("{id:?} is dead or unknown"));
        assert!(!process.killed, "{id:?} was killed before");
        process
    }

    fn start(&mut self, id: WorkerId, generation: Generation) {
        assert_eq!(self.stops, 0, "a start after a stop");
        assert_eq!(self.over, None, "a start after the service ended");
        assert!(id.0 > self.last_worker, "a worker's number was used again");
        self.last_worker = id.0;
        if Some(generation) == self.serving {
            let at = self.restart_at.take();
            assert!(at.is_some_and(|at| at <= self.now), "a needless restart");
            let fellow = |p: &Process| p.generation == generation && p.is_wanted();
            assert!(!self.living.iter().any(fellow), "two workers in one slot");
        } else {
            assert_eq!(generation.0, self.last_generation + 1, "which generation?");
            assert_eq!(self.attempt, None, "two attempts at once");
            let asked = self.open.iter_mut().filter(|(_, of)| of.is_none());
            let asked = asked.map(|(_, of)| *of = Some(generation)).count();
            assert!(asked > 0 || generation.0 == 1, "nobody asked for a reload");
            self.last_generation = generation.0;
            self.attempt = Some((id, generation));
        }
        self.living.push(Process {
            id,
            generation,
            since: self.now,
            launched: None,
            waiting: None,
            blind: false,
            ready: None,
            told: Vec::new(),
            leave_by: None,
            killed: false,
        });
    }

    fn welcome(&mut self, id: WorkerId) {
        let (now, policy, event) = (self.now, self.policy, self.event);
        let process = self.find(id);
        assert!(process.is_starting(), "{id:?} was not starting");
        let due = process.ready_at(&policy).is_some_and(|at| at <= now);
        let why = event == Some(Event::Ready(id)) || event == Some(Event::Timeout) && due;
        assert!(why, "{id:?} is not ready");
        process.ready = Some(now);
        let generation = process.generation;
        if self
            .attempt
            .take_if(|(attempt, _)| *attempt == id)
            .is_some()
        {
            self.serving = Some(generation);
            self.welcomed = Some(generation);
            self.restart_at = None;
            self.last_word = None;
            self.crashes = 0;
        }
    }

    fn drain(&mut self, id: WorkerId) {
        let (now, policy, known) = (self.now, self.policy, self.known_workers);
        assert_eq!(self.stops, 0, "a drain after a stop");
        let generation = self.find(id).generation;
        let better = |p: &Process| p.generation > generation && p.ready.is_some() && p.is_wanted();
        assert!(
            self.living.iter().any(better),
            "drained the last that serves"
        );
        assert!(self.welcomed.is_some(), "drained without a new generation");
        let process = self.find(id);
        assert!(process.told.is_empty(), "{id:?} was told before");
        assert!(id.0 <= known, "{id:?} was started to be drained");
        process.told.push(policy.stop_signal);
        process.leave_by = policy.drain_timeout.map(|span| now + span);
    }

    fn forward(&mut self, id: WorkerId, signal: i32) {
        assert_eq!(self.event, Some(Event::Stop(signal)), "whose signal?");
        assert_eq!(self.stops, 1, "a second stop kills");
        let until = self.policy.kill_timeout.map(|span| self.now + span);
        let process = self.find(id);
        process.told.push(signal);
        process.leave_by = process.leave_by.into_iter().chain(until).min();
    }

    fn kill(&mut self, id: WorkerId, why: Why) {
        let (now, policy, event, stops) = (self.now, self.policy, self.event, self.stops);
        let process = self.find(id);
        let due =
            event == Some(Event::Timeout) && process.kill_at(&policy).is_some_and(|at| at <= now);
        match why {
            Why::NotReady => assert!(due && process.is_starting(), "{id:?} has time"),
            Why::NotGone => assert!(due && !process.is_wanted(), "{id:?} has time"),
            Why::StopAgain => assert!(matches!(event, Some(Event::Stop(_))) && stops > 1),
        }
        process.killed = true;
        if why == Why::NotReady {
            assert_eq!(self.failing, None, "a failure was not told");
            self.failing = Some((id, Reason::NotReady));
            let ending = Ending::Signal(9);
            if self.attempt.is_none_or(|(attempt, _)| attempt != id) {
                self.crashed(Duration::ZERO, ending);
            } else if self.serving.is_none() {
                self.last_word = Some(ending.status());
            }
        }
    }

    fn verdict(&mut self, request: Request, verdict: Verdict) {
        let at = self.open.iter().position(|(open, _)| *open == request);
        let at = at.unwrap_or_else(|| panic!("{request:?} had a verdict before, or never asked"));
        let (_, generation) = self.open.swap_remove(at);
        match verdict {
            Verdict::Done(by) => {
                assert_eq!(generation, Some(by), "the wrong reload's verdict");
                assert_eq!(self.welcomed, Some(by), "done too early");
            }
            Verdict::Failed(by, _) => {
                assert_eq!(generation, Some(by), "the wrong reload's verdict");
            }
            Verdict::Superseded => assert!(self.stops > 0 || self.over.is_some(), "by what?"),
        }
    }

    fn restart(&mut self, generation: Generation, delay: Duration) {
        assert_eq!(Some(generation), self.serving, "restart of what?");
        let ready_for = self.owed.take();
        if ready_for.expect("nothing crashed") >= Duration::from_secs(60) {
            self.crashes = 0;
        }
        let middle = match self.crashes {
            0 => 0.0,
            n => (0.1 * 2f64.powi(n.min(20) as i32 - 1)).min(30.0),
        };
        let seconds = delay.as_secs_f64();
        let bounds = middle * 0.7499..=(middle * 1.2501).min(30.0);
        assert!(
            bounds.contains(&seconds),
            "crash {}: {delay:?}",
            self.crashes
        );
        self.crashes += 1;
        self.restart_at = Some(self.now + delay);
    }

    /// What must hold when the core has answered.
    pub(super) fn check(&mut self, supervisor: &Supervisor) {
        assert_eq!(self.failing, None, "a failure was not told");
        assert_eq!(self.owed, None, "a crash was forgotten");
        if self.stops == 0 && self.over.is_none() && self.attempt.is_none() && self.open.is_empty()
        {
            self.over = self.last_word;
        }
        let ending = self.stops > 0 || self.over.is_some();
        for (request, of) in &self.open {
            let answerable = match of {
                Some(generation) => self.attempt.is_some_and(|(_, of)| of == *generation),
                None => self.attempt.is_some(),
            };
            assert!(answerable && self.stops == 0, "{request:?} waits for ever");
        }
        for process in &self.living {
            let id = process.id;
            if self.stops > 0 {
                assert!(!process.is_wanted(), "{id:?} was not told to leave");
            }
            if let (1, Some(Event::Stop(signal)), false) = (self.stops, self.event, process.killed)
            {
                assert_eq!(process.told.last(), Some(&signal), "not told of the stop");
                let times = process.told.iter().filter(|s| **s == signal).count();
                assert!(
                    times <= 1 + usize::from(signal == self.policy.stop_signal),
                    "told twice"
                );
            }
            assert!(
                self.stops < 2 || process.killed,
                "{id:?} outlives a second stop"
            );
            let old = self
                .serving
                .is_some_and(|serving| process.generation < serving);
            assert!(
                !old || !process.is_wanted(),
                "{id:?} is old and was not told"
            );
            let ready = process.ready.is_some() && process.is_wanted();
            assert_eq!(supervisor.is_ready(id), ready, "is_ready {id:?}");
        }
        let wanted = self.living.iter().any(Process::is_wanted);
        let awaited = wanted || self.restart_at.is_some();
        assert!(awaited || ending, "nothing runs and nothing is awaited");
        let expected = match () {
            () if !(ending && self.living.is_empty()) => None,
            () if self.stops == 0 => self.over,
            () => Some(self.stop_status),
        };
        assert_eq!(self.left, expected, "left, and with which status");

        assert_eq!(supervisor.next_deadline(), self.deadline(), "deadline");
        assert_eq!(supervisor.serving(), self.serving, "serving");
        assert_eq!(
            supervisor.is_reloading(),
            self.attempt.is_some(),
            "reloading"
        );
        let starting = self.living.iter().filter(|p| p.is_starting()).count();
        assert_eq!(supervisor.starting().count(), starting, "starting");
        self.welcomed = None;
        self.known_workers = self.last_worker;
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let moments = |p: &Process| [p.ready_at(&self.policy), p.kill_at(&self.policy)];
        let phases = self.living.iter().flat_map(moments).flatten();
        phases.chain(self.restart_at).min()
    }

    /// Everybody has got an answer, and nobody is left.
    pub(super) fn is_over(&self) -> bool {
        self.left.is_some() && self.open.is_empty() && self.living.is_empty()
    }
}
