//! The language of the scenarios: a script goes in, the same script with what the core really did comes out.

use std::fmt::Write as _;
use std::str::SplitWhitespace;
use std::time::Duration;

use crate::core::{
    Action, Ending, Event, Generation, Policy, Reason, Request, State, Supervisor, Time, Verdict,
    WorkerId,
};

/// Plays a script and compares it, as text, with what came of it. What a reload needs is always there.
pub(super) fn play(policy: Policy, script: &str) {
    play_by(&[policy], script);
}

/// The same with several policies, of which the first is that of the start: a reload says `prepare 2`, and waits for
/// `prepared 2 by 1` or `unprepared 2`.
pub(super) fn play_by(policies: &[Policy], script: &str) {
    let policy = policies[0];
    let mut later = Vec::new();
    let (mut supervisor, first) = Supervisor::new(policy, Time(0));
    let mut expected = String::new();
    let mut actual = String::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (happens, _) = line.split_once("=>").unwrap_or((line, ""));
        let mut words = happens.split_whitespace();
        let now = Time(number::<u64>(&mut words) * 1_000_000);
        let did = match words.next().unwrap_or_default() {
            "begin" => first.clone(),
            "upgrade" => {
                let text = serde_json::to_string(supervisor.state()).unwrap();
                let state: State = serde_json::from_str(&text).unwrap();
                supervisor = Supervisor::restore(policy, &later, state);
                Vec::new()
            }
            "idle" => {
                assert_eq!(supervisor.next_deadline(), None, "{line}");
                Vec::new()
            }
            "deadline" => {
                assert_eq!(supervisor.next_deadline(), Some(now), "{line}");
                supervisor.handle(now, Event::Timeout)
            }
            "prepared" => {
                let generation = Generation(number(&mut words));
                assert_eq!(words.next(), Some("by"), "{line}");
                later.push((generation, policies[number::<usize>(&mut words)]));
                supervisor.handle(now, Event::Prepared(generation, later[later.len() - 1].1))
            }
            word => supervisor.handle(now, event(word, &mut words)),
        };
        let did = match *policies {
            [policy] => with_all_there(&mut supervisor, now, policy, did),
            _ => did,
        };
        assert_eq!(words.next(), None, "a word too many: {line}");
        let normal: Vec<_> = line.split_whitespace().collect();
        writeln!(expected, "{}", normal.join(" ")).unwrap();
        let happened: Vec<_> = happens.split_whitespace().collect();
        let did: Vec<_> = did.into_iter().map(told).collect();
        let arrow = if did.is_empty() { "" } else { " => " };
        writeln!(actual, "{}{arrow}{}", happened.join(" "), did.join(", ")).unwrap();
    }
    assert!(
        expected == actual,
        "expected:\n{expected}\nwhat it did:\n{actual}"
    );
}

/// Answers what asks for what a reload needs, and says nothing of it.
fn with_all_there(
    supervisor: &mut Supervisor,
    now: Time,
    policy: Policy,
    did: Vec<Action>,
) -> Vec<Action> {
    let mut shown = Vec::new();
    for action in did {
        match action {
            Action::Prepare(generation) => {
                let more = supervisor.handle(now, Event::Prepared(generation, policy));
                shown.extend(with_all_there(supervisor, now, policy, more));
            }
            other => shown.push(other),
        }
    }
    shown
}

fn number<T: std::str::FromStr>(words: &mut SplitWhitespace) -> T {
    let word = words.next().unwrap_or_default();
    word.parse()
        .unwrap_or_else(|_| panic!("not a number: {word:?}"))
}

fn event(word: &str, words: &mut SplitWhitespace) -> Event {
    match word {
        "unprepared" => Event::Unprepared(Generation(number(words))),
        "reload" => Event::Reload(Request(number(words))),
        "scale" => Event::Scale(number(words)),
        "stop" => Event::Stop(number(words)),
        "launched" => Event::Launched(WorkerId(number(words))),
        "ready" => Event::Ready(WorkerId(number(words))),
        "waiting" => Event::Waiting(WorkerId(number(words)), true),
        "busy" => Event::Waiting(WorkerId(number(words)), false),
        "blind" => Event::Blind(WorkerId(number(words)), true),
        "sighted" => Event::Blind(WorkerId(number(words)), false),
        "extend" => {
            let id = WorkerId(number(words));
            Event::Extend(id, Duration::from_millis(number(words)))
        }
        "passed" => Event::Passed(WorkerId(number(words))),
        "unfit" => Event::Unfit(WorkerId(number(words))),
        "timeout" => Event::Timeout,
        "exit" => {
            let id = WorkerId(number(words));
            Event::Exited(id, Ending::Exit(number(words)))
        }
        "signal" => {
            let id = WorkerId(number(words));
            Event::Exited(id, Ending::Signal(number(words)))
        }
        "missing" => Event::Exited(WorkerId(number(words)), Ending::NotStarted),
        _ => panic!("no such event: {word}"),
    }
}

fn how(ending: Ending) -> String {
    match ending {
        Ending::Exit(status) => format!("exit {status}"),
        Ending::Signal(signal) => format!("signal {signal}"),
        Ending::NotStarted => "missing".to_owned(),
    }
}

fn told(action: Action) -> String {
    let why = |reason| match reason {
        Reason::NotReady => "not ready".to_owned(),
        Reason::Unprepared => "unprepared".to_owned(),
        Reason::Unfit => "unfit".to_owned(),
        Reason::Ended(ending) => how(ending),
        Reason::DidNotLast(ending) => format!("did not last, {}", how(ending)),
    };
    match action {
        Action::Prepare(Generation(generation)) => format!("prepare {generation}"),
        Action::Start(WorkerId(id), Generation(generation), 0) => {
            format!("start {id} of {generation}")
        }
        Action::Start(WorkerId(id), Generation(generation), slot) => {
            format!("start {id} of {generation} in {slot}")
        }
        Action::Withdraw(WorkerId(id)) => format!("withdraw {id}"),
        Action::Welcome(WorkerId(id)) => format!("welcome {id}"),
        Action::Drain(WorkerId(id)) => format!("drain {id}"),
        Action::Forward(WorkerId(id), signal) => format!("forward {signal} to {id}"),
        Action::Kill(WorkerId(id), why) => format!("kill {id} {why:?}"),
        Action::Failed(WorkerId(id), _, reason) => format!("{id} failed: {}", why(reason)),
        Action::Verdict(Request(request), verdict) => match verdict {
            Verdict::Done(Generation(generation)) => format!("{request} done by {generation}"),
            Verdict::Failed(Generation(generation), reason, share) => {
                let failed = format!("{request} failed in {generation}: {}", why(reason));
                match share.replaced {
                    0 => failed,
                    replaced => format!("{failed} after {replaced} of {}", share.of),
                }
            }
            Verdict::Superseded => format!("{request} superseded"),
        },
        Action::Restart(Generation(generation), delay) => {
            format!("restart {generation} in {}", delay.as_millis())
        }
        Action::Exit(status) => format!("leave with {status}"),
    }
}
