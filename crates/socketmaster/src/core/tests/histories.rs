//! Random histories against the five promises.
//!
//! A history is its seed. One that fails says it, and `SOCKETMASTER_SEED=… cargo test histories` plays it again and
//! prints every step.

use std::time::Duration;

use fastrand::Rng;

use super::process::Process;
use super::world::World;
use crate::config::Restart;
use crate::core::{
    Action, Ending, Event, Generation, Policy, Request, Sign, State, Supervisor, Time, WorkerId,
};

const HISTORIES: u64 = 20_000;
const STEPS: u32 = 64;

#[test]
fn every_random_history_keeps_every_promise() {
    if let Ok(seed) = std::env::var("SOCKETMASTER_SEED") {
        return History::play(seed.parse().unwrap(), true);
    }
    let first = fastrand::u64(..);
    for n in 0..HISTORIES {
        let seed = first.wrapping_add(n);
        let _told = Told { n, seed };
        History::play(seed, false);
    }
}

/// Says which history it was when a check fails.
struct Told {
    n: u64,
    seed: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { n, seed } = self;
            eprintln!(
                "history {n} fails; to see it: SOCKETMASTER_SEED={seed} cargo test histories"
            );
        }
    }
}

struct History {
    random: Rng,
    now: Time,
    world: World,
    supervisor: Supervisor,
    requests: u64,
    /// What waits for what it needs.
    awaited: Option<Generation>,
    aloud: bool,
}

impl History {
    fn play(seed: u64, aloud: bool) {
        let mut random = Rng::with_seed(seed);
        let policy = policy(&mut random);
        let now = Time(random.u64(0..1_000_000));
        let mut world = World::new(policy);
        let (supervisor, actions) = Supervisor::new(policy, now);
        if aloud {
            println!("{policy:?}\n{now:?} => {actions:?}");
        }
        world.happen(now, Event::Timeout);
        world.perform(&actions);
        world.check(&supervisor);
        let mut this = Self {
            random,
            now,
            world,
            supervisor,
            requests: 0,
            awaited: None,
            aloud,
        };
        // Most apps come up; one that does not is a short history.
        if this.random.u32(0..8) > 0 {
            while let Some(next) = this.world.living.iter().find(|p| p.is_starting()) {
                let id = next.id;
                this.happen(Event::Ready(id));
            }
        }
        let mut late = 0;
        for _ in 0..STEPS {
            this.step();
            late += u32::from(this.world.left.is_some());
            if late == 4 {
                break;
            }
        }
        this.end();
    }

    fn step(&mut self) {
        if self.random.u32(0..64) == 0 {
            self.upgrade();
        }
        if self.random.bool() {
            self.prepare();
        }
        match self.random.u32(0..216) {
            199..213 => {
                let id = self.worker(Process::serves);
                self.happen(Event::Passed(id));
            }
            213..215 => {
                let id = self.worker(Process::serves);
                self.happen(Event::Unfit(id));
            }
            0..36 => {
                self.requests += 1;
                self.happen(Event::Reload(Request(self.requests)));
            }
            36..62 => self.hear(Event::Launched),
            62..88 => self.hear(Event::Ready),
            88..108 => self.hear(|id| Event::Waiting(id, true)),
            108..112 => self.hear(|id| Event::Waiting(id, false)),
            112..116 => self.hear(|id| Event::Blind(id, true)),
            116..117 => self.hear(|id| Event::Blind(id, false)),
            117..121 => {
                let span =
                    Duration::from_millis([0, 1_000, 20_000, 90_000][self.random.usize(0..4)]);
                self.hear(|id| Event::Extend(id, span));
            }
            121..152 => {
                let id = self.worker(|p| !p.is_wanted());
                let ending = self.ending();
                self.happen(Event::Exited(id, ending));
            }
            152..176 => self.sleep(),
            176..188 => {
                self.now = self.now + Duration::from_millis(self.random.u64(0..100_000));
            }
            188..194 => self.happen(Event::Timeout),
            194..199 => {
                let workers = self.random.u32(0..6);
                self.happen(Event::Scale(workers));
            }
            _ => {
                let signal = [1, 2, 3, 15][self.random.usize(0..4)];
                self.happen(Event::Stop(signal));
            }
        }
        self.now = self.now + Duration::from_millis(self.random.u64(0..200));
    }

    fn happen(&mut self, event: Event) {
        self.world.happen(self.now, event);
        let actions = self.supervisor.handle(self.now, event);
        if self.aloud {
            println!("{:?} {event:?} => {actions:?}", self.now);
        }
        self.world.perform(&actions);
        self.world.check(&self.supervisor);
        let asked = actions.iter().find_map(|action| match action {
            Action::Prepare(generation) => Some(*generation),
            _ => None,
        });
        self.awaited = asked.or(self.awaited);
        if asked.is_some() && self.random.u32(0..4) > 0 {
            self.prepare();
        }
    }

    /// What a generation needs is there, or is not; now and then by other rules than before.
    fn prepare(&mut self) {
        let Some(generation) = self.awaited.take() else {
            return;
        };
        let standing = self.world.standing();
        let event = match self.random.u32(0..16) {
            0 => Event::Unprepared(generation),
            1 => Event::Prepared(Generation(generation.0 + 1), standing),
            2..6 => Event::Prepared(generation, policy(&mut self.random)),
            _ => Event::Prepared(generation, standing),
        };
        if matches!(event, Event::Prepared(other, _) if other != generation) {
            self.awaited = Some(generation);
        }
        self.happen(event);
    }

    /// To the next deadline, which must then be over.
    fn sleep(&mut self) {
        let Some(at) = self.supervisor.next_deadline() else {
            return;
        };
        self.now = self.now.max(at);
        let spans = |policy: &Policy| [Some(policy.ready_timeout), policy.drain_timeout];
        let hurries = |world: &World| {
            let mut policies = world.policies.values();
            policies.any(|policy| spans(policy).contains(&Some(Duration::ZERO)))
        };
        // What is given no time at all is over in a few rounds; such rules may come, and go, with the first of them.
        let mut hurried = hurries(&self.world);
        for left in (0..8).rev() {
            self.happen(Event::Timeout);
            let next = self.supervisor.next_deadline();
            if next.is_none_or(|at| at > self.now) {
                return;
            }
            hurried |= hurries(&self.world);
            assert!(hurried && left > 0, "busy loop");
        }
    }

    fn upgrade(&mut self) {
        if self.aloud {
            println!("{:?} upgrade", self.now);
        }
        let state = serde_json::to_string(self.supervisor.state()).unwrap();
        let state: State = serde_json::from_str(&state).unwrap();
        let mut policies = self.world.policies.iter().map(|(g, policy)| (*g, *policy));
        let (_, first) = policies.next().unwrap();
        let later: Vec<_> = policies.collect();
        self.supervisor = Supervisor::restore(first, &later, state);
        self.world.check(&self.supervisor);
    }

    /// A word about a worker, mostly one that starts.
    fn hear(&mut self, word: impl FnOnce(WorkerId) -> Event) {
        let id = self.worker(Process::is_starting);
        self.happen(word(id));
    }

    /// Mostly one of that kind, now and then any other, one that is gone, or one that never was.
    fn worker(&mut self, kind: impl Fn(&Process) -> bool) -> WorkerId {
        let luck = self.random.u32(0..16);
        let choice = self.world.living.iter().filter(|p| luck < 4 || kind(p));
        let ids: Vec<_> = choice.map(|p| p.id).collect();
        match ids.len() {
            n if n > 0 && luck > 0 => ids[self.random.usize(0..n)],
            _ => WorkerId(self.random.u64(0..40)),
        }
    }

    fn ending(&mut self) -> Ending {
        match self.random.u32(0..16) {
            0 | 1 => Ending::Exit(0),
            2..5 => Ending::Exit(1),
            5 => Ending::Exit(143),
            6 => Ending::Exit(self.random.i32(0..256)),
            7..9 => Ending::Signal(15),
            9..12 => Ending::Signal(9),
            12..14 => Ending::Signal(11),
            _ => Ending::NotStarted,
        }
    }

    /// Everybody is told to leave and does, some of their own will, some by SIGKILL.
    fn end(&mut self) {
        self.happen(Event::Stop(15));
        if self.random.bool() {
            self.sleep();
        }
        if self.random.bool() {
            self.happen(Event::Stop(2));
        }
        while let Some(process) = self.world.living.last() {
            let id = process.id;
            let ending = self.ending();
            self.happen(Event::Exited(id, ending));
        }
        assert!(self.world.is_over(), "not over at the end");
        for event in [
            Event::Stop(15),
            Event::Timeout,
            Event::Ready(WorkerId(1)),
            Event::Exited(WorkerId(1), Ending::Exit(0)),
        ] {
            assert_eq!(self.supervisor.handle(self.now, event), [], "after the end");
        }
    }
}

fn policy(random: &mut Rng) -> Policy {
    let mut span = |millis: &[u64]| Duration::from_millis(millis[random.usize(0..millis.len())]);
    let spans = [
        span(&[0, 250, 250, 5_000]),
        span(&[0, 1_000, 3_000, 90_000]),
        span(&[0, 2_000, 2_000, 10_000, 10_000, 60_000, 60_000]),
        span(&[0, 5_000, 30_000, 30_000]),
        span(&[0, 3_000, 10_000]),
    ];
    let [settle, timer, ready_timeout, drain_timeout, kill_timeout] = spans;
    Policy {
        sign: match random.u32(0..8) {
            0..2 => Sign::Life(timer),
            2 => Sign::Word,
            3 => Sign::Check,
            _ => Sign::Waiting { settle },
        },
        ready_timeout,
        drain_timeout: random.bool().then_some(drain_timeout),
        kill_timeout: random.bool().then_some(kill_timeout),
        stop_signal: [15, 3][random.usize(0..2)],
        restart: match random.u32(0..8) {
            0 => Restart::Never,
            1..5 => Restart::OnFailure,
            _ => Restart::Always,
        },
        workers: [1, 1, 1, 2, 3, 4][random.usize(0..6)],
        step: [1, 1, 2, u32::MAX][random.usize(0..4)],
        bake: Duration::from_millis([0, 0, 0, 1_000, 20_000][random.usize(0..5)]),
        first_alone: random.bool(),
        seed: random.u64(..),
    }
}
