//! What the log says about what happens.

use std::time::Duration;

use crate::config::Readiness;
use crate::core::{Ending, Generation, Reason, Share, Time, Verdict, Why};
use crate::sys::signals;

/// How a process ended, as Go's `ProcessState` has it: what the original logs.
#[must_use]
pub fn ending(ending: Ending) -> String {
    match ending {
        Ending::Exit(status) => format!("exit status {status}"),
        Ending::Signal(number) => match number {
            1 => "signal: hangup".into(),
            2 => "signal: interrupt".into(),
            3 => "signal: quit".into(),
            6 => "signal: aborted".into(),
            9 => "signal: killed".into(),
            11 => "signal: segmentation fault".into(),
            13 => "signal: broken pipe".into(),
            15 => "signal: terminated".into(),
            _ => format!("signal: {}", signals::name(number)),
        },
        Ending::NotStarted => "not started".into(),
    }
}

/// Why a generation failed.
#[must_use]
pub fn failure(reason: Reason, readiness: &Readiness, timeout: Duration) -> String {
    match reason {
        Reason::Ended(Ending::Exit(0)) => {
            "it exited with status 0 before it was ready (a program that puts itself into the background must be \
             told to stay in the foreground)"
                .into()
        }
        Reason::Ended(Ending::Exit(status)) => {
            format!("it exited with status {status} before it was ready")
        }
        Reason::Ended(Ending::Signal(number)) => {
            format!("it was ended by SIG{} before it was ready", signals::name(number))
        }
        Reason::Ended(Ending::NotStarted) => "it could not be started".into(),
        Reason::DidNotLast(Ending::Signal(number)) => format!(
            "it was ready, but was ended by SIG{} before the reload was done",
            signals::name(number)
        ),
        Reason::DidNotLast(ending) => format!(
            "it was ready, but ended with status {} before the reload was done",
            ending.status()
        ),
        Reason::Unprepared => "what it needs was not to be had".into(),
        Reason::Unfit => "it was ready, but failed its checks before the reload was done".into(),
        Reason::NotReady => {
            let seen = match readiness {
                Readiness::Auto { .. } => {
                    ": none of its processes was seen waiting on a listener, and none said READY=1"
                }
                Readiness::Timer(_) => ": the program was not even executed",
                Readiness::Notify => ": none of its processes said READY=1",
                Readiness::Fd(_) => ": it wrote no newline to $SOCKETMASTER_READY_FD",
                Readiness::Einhorn => ": none of its processes sent an ACK to $EINHORN_SOCK_PATH",
                Readiness::Check(_) => "",
            };
            format!("it was not ready within {}{seen}", span(timeout))
        }
    }
}

/// Why a worker is killed.
#[must_use]
pub fn why(why: Why) -> &'static str {
    match why {
        Why::NotReady => "it was not ready in time",
        Why::NotGone => "it did not end in time",
        Why::Withdrawn => "another worker of its generation failed",
        Why::StopAgain => "stop was asked for again",
    }
}

/// What became of a reload.
#[must_use]
pub fn verdict(verdict: Verdict, serving: Option<Generation>) -> String {
    match (verdict, serving) {
        (Verdict::Done(generation), _) => {
            format!("Reload done: generation {} serves", generation.0)
        }
        (Verdict::Failed(_, _, share), _) if share.replaced > 0 => {
            format!("Reload failed: {}", partly(share))
        }
        (Verdict::Failed(..), Some(serving)) => {
            format!(
                "Reload failed: generation {} serves on, nothing has changed",
                serving.0
            )
        }
        (Verdict::Failed(..), None) => "Reload failed: no generation has been ready yet".into(),
        (Verdict::Superseded, _) => "Reload dropped: the service is stopping".into(),
    }
}

/// What a reload that stopped half-way has done.
#[must_use]
pub fn partly(share: Share) -> String {
    let Share { replaced, of } = share;
    format!("{replaced} of {of} workers were replaced before, the others serve on as they were")
}

/// A span for people: milliseconds below ten seconds, else seconds.
#[must_use]
pub fn span(span: Duration) -> String {
    if span < Duration::from_secs(10) {
        format!("{} ms", span.as_millis())
    } else {
        format!("{:.0} s", span.as_secs_f64())
    }
}

/// How long ago.
#[must_use]
pub fn since(then: Time, now: Time) -> String {
    span(now - then)
}
