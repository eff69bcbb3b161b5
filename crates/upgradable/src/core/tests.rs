//! Random histories against what the crate promises.
//!
//! A history is its seed. One that fails says it, and `UPGRADABLE_SEED=… cargo test histories` plays it again aloud.

use std::collections::BTreeSet;

use fastrand::Rng;

use super::*;

const HISTORIES: u64 = 20_000;
const STEPS: u32 = 60;

#[test]
fn random_histories_keep_every_promise() {
    if let Ok(seed) = std::env::var("UPGRADABLE_SEED") {
        return World::play(seed.parse().unwrap(), true);
    }
    let first = fastrand::u64(..);
    for seed in (0..HISTORIES).map(|n| first.wrapping_add(n)) {
        let _told = Told(seed);
        World::play(seed, false);
    }
}

struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let seed = self.0;
            eprintln!("to see it: UPGRADABLE_SEED={seed} cargo test histories");
        }
    }
}

/// What is so outside, as far as the machine is concerned.
struct World {
    random: Rng,
    now: Time,
    policy: Policy,
    machine: Machine,
    aloud: bool,
    /// Alive or a zombie: it has not been reaped.
    successor: bool,
    successor_dead: bool,
    killed: bool,
    announced: bool,
    predecessor: bool,
    welcomed_by_us: bool,
    /// The machine does not know of the welcome yet.
    untold: bool,
    serving: bool,
    left: Option<Time>,
    closed: bool,
    over: bool,
    died: bool,
    noted: bool,
    stops: u32,
    turned_away: bool,
    connections: u32,
    open: BTreeSet<Request>,
    requests: u64,
    starts: u64,
    started_at: Time,
}

impl World {
    fn play(seed: u64, aloud: bool) {
        let mut random = Rng::with_seed(seed);
        let mut span = |limit| Duration::from_millis(random.u64(0..limit));
        let policy = Policy {
            ready_timeout: span(100),
            lame_duck: span(50),
            drain_timeout: span(200),
        };
        let predecessor = random.bool();
        let now = Duration::from_millis(random.u64(0..1000));
        let mut world = Self {
            random,
            now,
            policy,
            machine: Machine::new(policy, predecessor),
            aloud,
            successor: false,
            successor_dead: false,
            killed: false,
            announced: false,
            predecessor,
            welcomed_by_us: false,
            untold: false,
            serving: false,
            left: None,
            closed: false,
            over: false,
            died: false,
            noted: false,
            stops: 0,
            turned_away: false,
            connections: 0,
            open: BTreeSet::new(),
            requests: 0,
            starts: 0,
            started_at: now,
        };
        for _ in 0..STEPS {
            world.step();
        }
        world.settle();
    }

    fn happen(&mut self, event: Event) {
        let actions = self.machine.handle(self.now, event);
        if self.aloud {
            println!("{:?} {event:?} => {actions:?}", self.now);
        }
        for action in actions {
            self.perform(action, event);
        }
        let due = self.machine.next_deadline().filter(|at| *at <= self.now);
        assert!(
            event != Event::Timeout || due.is_none(),
            "a deadline that stays"
        );
    }

    fn perform(&mut self, action: Action, cause: Event) {
        assert!(!self.died, "{action:?} by the dead");
        match action {
            Action::Announce => assert!(!std::mem::replace(&mut self.announced, true)),
            Action::Serve => {
                assert!(!self.serving && self.left.is_none());
                assert!(!self.predecessor || cause == Event::Welcomed);
                self.serving = true;
            }
            Action::Start => {
                assert!(!self.successor, "two successors at once");
                assert!(self.serving && !self.predecessor);
                self.starts += 1;
                self.successor = true;
                (self.successor_dead, self.killed) = (false, false);
                (self.welcomed_by_us, self.untold) = (false, false);
                self.started_at = self.now;
                if self.random.u8(0..8) == 0 {
                    self.successor = false;
                    self.happen(Event::NotStarted);
                }
            }
            Action::Welcome => {
                assert!(self.successor && !self.killed && !self.welcomed_by_us);
                assert!(self.left.is_none());
                // It may have died in the meantime, and then it cannot be told.
                if !self.successor_dead {
                    self.welcomed_by_us = true;
                    self.untold = true;
                    if self.random.bool() {
                        self.tell();
                    }
                }
            }
            Action::Kill => {
                assert!(self.successor && !self.welcomed_by_us && !self.killed);
                let late = self.now >= self.started_at + self.policy.ready_timeout;
                assert!(late || self.stops > 0, "killed before its time");
                (self.killed, self.successor_dead) = (true, true);
            }
            Action::Leave { last } => {
                let handed = cause == Event::SuccessorWelcomed;
                assert!(handed || self.stops > 0 || self.turned_away);
                let turned_away = cause == Event::TurnedAway;
                assert_eq!(
                    last,
                    !handed && !turned_away && (self.serving || !self.predecessor)
                );
                assert!(self.left.replace(self.now).is_none(), "left twice");
            }
            Action::CloseIdle => {
                let left = self.left.unwrap();
                assert!(self.now >= left + self.policy.lame_duck.min(self.policy.drain_timeout));
                assert!(!std::mem::replace(&mut self.closed, true));
            }
            Action::Answer(request, verdict) => {
                assert!(self.open.remove(&request), "answered twice");
                match verdict {
                    Verdict::Done => assert!(self.welcomed_by_us && !self.killed),
                    Verdict::Failed(Failure::Ended) => assert!(!self.killed && !self.successor),
                    Verdict::Failed(Failure::NotReady) => assert!(self.killed && !self.successor),
                    Verdict::Failed(Failure::Stopped) => assert!(self.killed && self.stops > 0),
                    Verdict::Failed(Failure::NotStarted) => assert!(!self.successor),
                    Verdict::Refused(Refusal::Busy) => assert!(self.successor),
                    Verdict::Refused(Refusal::Predecessor) => assert!(self.predecessor),
                    Verdict::Refused(Refusal::NotReady) => assert!(!self.serving),
                    Verdict::Refused(Refusal::Leaving) => assert!(self.left.is_some()),
                }
                let carries_on = matches!(verdict, Verdict::Failed(_)) && self.stops == 0;
                assert!(
                    !carries_on || self.left.is_none(),
                    "a failure made it leave"
                );
            }
            Action::Over => {
                let deadline = self.left.unwrap() + self.policy.drain_timeout;
                let done = self.connections == 0 && (!self.successor || self.welcomed_by_us);
                assert!(done || self.now >= deadline, "over too soon");
                assert!(!std::mem::replace(&mut self.over, true));
            }
            Action::Die => {
                let unneeded = !self.serving && (self.stops == 1 || self.turned_away);
                assert!(self.stops >= 2 || unneeded, "death at a single stop");
                assert!(self.left.is_some() || self.welcomed_by_us || self.successor_dead);
                self.died = true;
            }
            Action::GiveUp => {
                assert!(self.over && !self.noted);
                assert!(self.now >= self.left.unwrap() + self.policy.drain_timeout + GRACE);
                self.died = true;
            }
        }
    }

    fn step(&mut self) {
        if self.died {
            return;
        }
        if self.left.is_some() && self.connections == 0 && self.random.bool() {
            self.happen(Event::Idle);
        }
        match self.random.u8(0..32) {
            0..4 => self.happen(Event::Ready),
            4 | 5 if self.predecessor && self.announced => self.happen(Event::Welcomed),
            6 if self.predecessor && !self.serving => {
                self.turned_away = true;
                self.happen(Event::TurnedAway);
            }
            7 | 8 if self.predecessor => {
                self.predecessor = false;
                self.happen(Event::PredecessorGone);
            }
            9..15 => {
                self.requests += 1;
                let request = Request(self.requests);
                self.open.insert(request);
                let (before, free) = (self.starts, self.is_free());
                self.happen(Event::Upgrade(request));
                assert_eq!(self.starts > before, free, "an upgrade stands in the way");
            }
            // It may have been said before its end, and be heard after it.
            15..18 if self.successor && !self.welcomed_by_us => {
                self.happen(Event::SuccessorReady);
            }
            27 if self.untold => self.tell(),
            18 if self.successor => self.successor_dead = true,
            19..22 if self.successor && self.successor_dead => self.reap(),
            22 if self.random.u8(0..4) == 0 => self.stop(),
            23 if self.serving && self.left.is_none() => self.connections += 1,
            24 if self.connections > 0 => self.connections -= 1,
            25 => self.happen(Event::Timeout),
            26 if self.over => {
                self.noted = true;
                self.happen(Event::Noted);
            }
            _ => {
                let span = Duration::from_millis(self.random.u64(0..40));
                self.pass(span);
            }
        }
    }

    fn is_free(&self) -> bool {
        self.serving && self.left.is_none() && !self.predecessor && !self.successor
    }

    fn stop(&mut self) {
        self.stops += 1;
        self.happen(Event::Stop);
        assert!(self.died || self.left.is_some() || self.untold || self.successor_dead);
        assert!(self.died || self.stops < 2, "a second stop waits");
    }

    fn tell(&mut self) {
        self.untold = false;
        self.happen(Event::SuccessorWelcomed);
    }

    fn reap(&mut self) {
        self.untold = false;
        self.successor = false;
        self.happen(Event::SuccessorEnded);
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(deadline) = self.machine.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(deadline);
            self.happen(Event::Timeout);
            if self.died {
                return;
            }
        }
        self.now = end;
    }

    /// Whatever has happened: after a stop it ends in time, every request has its answer, no child is left.
    fn settle(&mut self) {
        if self.left.is_none() && self.stops == 0 {
            self.stop();
        }
        if self.died {
            return;
        }
        if self.untold {
            self.tell();
        }
        if self.successor && self.successor_dead {
            self.reap();
        }
        assert!(self.left.is_some(), "a stop did not win");
        self.pass(self.policy.drain_timeout);
        assert!(self.over || self.died, "it does not end");
        assert!(self.open.is_empty(), "without an answer: {:?}", self.open);
    }
}

const POLICY: Policy = Policy {
    ready_timeout: Duration::from_secs(60),
    lame_duck: Duration::from_secs(5),
    drain_timeout: Duration::from_secs(30),
};

fn at(seconds: u64) -> Time {
    Duration::from_secs(seconds)
}

fn serving() -> Machine {
    let mut machine = Machine::new(POLICY, false);
    assert_eq!(machine.handle(at(0), Event::Ready), [Action::Serve]);
    machine
}

#[test]
fn the_whole_way_of_an_upgrade() {
    let mut old = serving();
    let request = Request(1);
    assert_eq!(old.handle(at(1), Event::Upgrade(request)), [Action::Start]);
    assert_eq!(old.handle(at(2), Event::SuccessorReady), [Action::Welcome]);
    let done = Action::Answer(request, Verdict::Done);
    let leave = Action::Leave { last: false };
    assert_eq!(old.handle(at(2), Event::SuccessorWelcomed), [leave, done]);
    assert_eq!(old.next_deadline(), Some(at(7)));
    assert_eq!(old.handle(at(7), Event::Timeout), [Action::CloseIdle]);
    assert_eq!(old.handle(at(8), Event::Idle), [Action::Over]);
}

#[test]
fn a_successor_serves_only_when_welcome() {
    let mut new = Machine::new(POLICY, true);
    assert_eq!(new.handle(at(0), Event::Ready), [Action::Announce]);
    assert_eq!(new.handle(at(1), Event::Welcomed), [Action::Serve]);
    let refused = Action::Answer(Request(1), Verdict::Refused(Refusal::Predecessor));
    assert_eq!(new.handle(at(2), Event::Upgrade(Request(1))), [refused]);
}

#[test]
fn a_successor_serves_when_its_predecessor_has_died() {
    let mut new = Machine::new(POLICY, true);
    assert_eq!(new.handle(at(0), Event::Ready), [Action::Announce]);
    assert_eq!(new.handle(at(1), Event::PredecessorGone), [Action::Serve]);
}

#[test]
fn a_stop_kills_the_successor_and_waits_for_its_end() {
    let mut old = serving();
    let _ = old.handle(at(1), Event::Upgrade(Request(1)));
    let leave = Action::Leave { last: true };
    assert_eq!(old.handle(at(2), Event::Stop), [Action::Kill, leave]);
    assert_eq!(old.handle(at(2), Event::Idle), []);
    let stopped = Verdict::Failed(Failure::Stopped);
    let answer = Action::Answer(Request(1), stopped);
    assert_eq!(old.handle(at(2), Event::SuccessorEnded), [answer]);
    assert_eq!(old.handle(at(2), Event::Idle), [Action::Over]);
}

#[test]
fn the_deadline_comes_even_if_the_lame_duck_is_longer() {
    let policy = Policy {
        lame_duck: at(60),
        ..POLICY
    };
    let mut machine = Machine::new(policy, false);
    let _ = machine.handle(at(0), Event::Ready);
    let _ = machine.handle(at(0), Event::Stop);
    assert_eq!(machine.next_deadline(), Some(at(30)));
    let both = [Action::CloseIdle, Action::Over];
    assert_eq!(machine.handle(at(30), Event::Timeout), both);
}

#[test]
fn a_main_that_does_not_see_the_deadline_is_ended() {
    let mut machine = serving();
    let _ = machine.handle(at(0), Event::Stop);
    let _ = machine.handle(at(30), Event::Timeout);
    let mut seen = machine.clone();
    assert_eq!(machine.handle(at(31), Event::Timeout), [Action::GiveUp]);
    assert_eq!(seen.handle(at(30), Event::Noted), []);
    assert_eq!(seen.next_deadline(), None);
}

#[test]
fn a_stop_does_not_wait_for_a_server_that_warms_up() {
    let mut machine = Machine::new(POLICY, false);
    let end = [Action::Leave { last: true }, Action::Die];
    assert_eq!(machine.handle(at(1), Event::Stop), end);
}
