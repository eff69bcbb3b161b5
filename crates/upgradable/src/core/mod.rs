//! What to do about it: the decisions of a replaceable server as a function from events to actions.
//!
//! It knows no clock, descriptor, pid or thread: time is an argument, the process before us is the *predecessor*, the
//! one that is to replace us the *successor*, and what an action brings about comes back as an event.
//!
//! ```text
//!             ready, and welcome           a successor has been welcomed, or a stop
//!   starting ----------------------> serving ------------------------------------> lame duck
//!      |                                |  ^                                           |
//!      | turned away, or a stop         |  | an upgrade that fails                     | its time is over
//!      `---> dead                       `--'                                           v
//!                                                   over <--------------------------- closing
//!                                                        nothing open, or the deadline
//! ```
//! "Ready" alone is not enough where there is a predecessor: it says *welcome* when it has noted that we are ready,
//! and until then it may still decide that we took too long. So nobody who is killed has accepted a connection.

#[cfg(test)]
mod tests;
mod types;

use std::time::Duration;

pub(crate) use types::{Action, Event, Failure, Policy, Refusal, Request, Time, Verdict};

/// One process of the chain.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    policy: Policy,
    phase: Phase,
    /// The predecessor lives.
    predecessor: bool,
    attempt: Option<Attempt>,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting,
    /// For the predecessor's welcome.
    Waiting,
    Serving,
    LameDuck {
        until: Time,
        deadline: Time,
    },
    Closing {
        deadline: Time,
    },
    /// At the deadline, and `main` may be stuck in one of the connections.
    Cut {
        until: Time,
    },
    Over,
}

/// How long `main` may take to see that the deadline is over.
const GRACE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
struct Attempt {
    request: Request,
    successor: Successor,
}

#[derive(Clone, Copy, Debug)]
enum Successor {
    Starting { until: Time },
    Welcomed,
    Killed(Failure),
}

impl Machine {
    pub(crate) fn new(policy: Policy, predecessor: bool) -> Self {
        Self {
            policy,
            phase: Phase::Starting,
            predecessor,
            attempt: None,
            stopped: false,
        }
    }

    /// When to say [`Event::Timeout`] if nothing else happens first.
    pub(crate) fn next_deadline(&self) -> Option<Time> {
        let ours = match self.phase {
            Phase::LameDuck { until, .. } => Some(until),
            Phase::Closing { deadline } => Some(deadline),
            Phase::Cut { until } => Some(until),
            Phase::Starting | Phase::Waiting | Phase::Serving | Phase::Over => None,
        };
        let theirs = self.attempt.and_then(|attempt| match attempt.successor {
            Successor::Starting { until } => Some(until),
            Successor::Welcomed | Successor::Killed(_) => None,
        });
        ours.into_iter().chain(theirs).min()
    }

    /// Takes note of what has happened, and says what to do now, in this order.
    #[must_use]
    pub(crate) fn handle(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Ready => self.ready(&mut out),
            Event::Welcomed => self.serve_if_waiting(&mut out),
            Event::TurnedAway => {
                if matches!(self.phase, Phase::Starting | Phase::Waiting) {
                    self.never_mind(&mut out);
                }
            }
            Event::PredecessorGone => {
                self.predecessor = false;
                self.serve_if_waiting(&mut out);
            }
            Event::Upgrade(request) => self.upgrade(now, request, &mut out),
            Event::NotStarted => self.attempt_failed(now, Failure::NotStarted, &mut out),
            Event::SuccessorReady => self.successor_ready(&mut out),
            Event::SuccessorWelcomed => self.handed_over(now, &mut out),
            Event::SuccessorEnded => self.attempt_failed(now, Failure::Ended, &mut out),
            Event::Stop => self.stop(now, &mut out),
            Event::Idle => self.idle(&mut out),
            Event::Noted => {
                if matches!(self.phase, Phase::Cut { .. }) {
                    self.phase = Phase::Over;
                }
            }
            Event::Timeout => self.expire(now, &mut out),
        }
        out
    }

    fn ready(&mut self, out: &mut Vec<Action>) {
        if self.phase != Phase::Starting {
            return;
        }
        if self.predecessor {
            self.phase = Phase::Waiting;
            out.push(Action::Announce);
        } else {
            self.phase = Phase::Serving;
            out.push(Action::Serve);
        }
    }

    fn serve_if_waiting(&mut self, out: &mut Vec<Action>) {
        if self.phase == Phase::Waiting {
            self.phase = Phase::Serving;
            out.push(Action::Serve);
        }
    }

    fn upgrade(&mut self, now: Time, request: Request, out: &mut Vec<Action>) {
        let refusal = match self.phase {
            Phase::Starting | Phase::Waiting => Some(Refusal::NotReady),
            Phase::Serving if self.attempt.is_some() => Some(Refusal::Busy),
            Phase::Serving if self.predecessor => Some(Refusal::Predecessor),
            Phase::Serving => None,
            Phase::LameDuck { .. } | Phase::Closing { .. } | Phase::Cut { .. } | Phase::Over => {
                Some(Refusal::Leaving)
            }
        };
        if let Some(refusal) = refusal {
            return out.push(Action::Answer(request, Verdict::Refused(refusal)));
        }
        let until = now + self.policy.ready_timeout;
        self.attempt = Some(Attempt {
            request,
            successor: Successor::Starting { until },
        });
        out.push(Action::Start);
    }

    fn successor_ready(&mut self, out: &mut Vec<Action>) {
        if let Some(Attempt { successor, .. }) = &mut self.attempt
            && matches!(successor, Successor::Starting { .. })
        {
            *successor = Successor::Welcomed;
            out.push(Action::Welcome);
        }
    }

    fn handed_over(&mut self, now: Time, out: &mut Vec<Action>) {
        let welcomed = |attempt: &mut Attempt| matches!(attempt.successor, Successor::Welcomed);
        if let Some(attempt) = self.attempt.take_if(welcomed) {
            self.leave(now, false, out);
            // Who hears it and asks again is not to reach us again.
            out.push(Action::Answer(attempt.request, Verdict::Done));
        }
    }

    /// The successor is not, or not any more: it ended by itself, or because we killed it.
    fn attempt_failed(&mut self, now: Time, failure: Failure, out: &mut Vec<Action>) {
        let Some(attempt) = self.attempt.take() else {
            return; // It has taken over before.
        };
        let failure = match attempt.successor {
            Successor::Killed(why) => why,
            Successor::Starting { .. } | Successor::Welcomed => failure,
        };
        let verdict = Verdict::Failed(failure);
        out.push(Action::Answer(attempt.request, verdict));
        if self.stopped && self.phase == Phase::Serving {
            self.leave(now, true, out);
        }
    }

    fn stop(&mut self, now: Time, out: &mut Vec<Action>) {
        let again = std::mem::replace(&mut self.stopped, true);
        if again {
            return out.push(Action::Die);
        }
        match &mut self.attempt {
            // It may serve already. Its answer is next to come, and we leave then in any case.
            Some(Attempt {
                successor: Successor::Welcomed,
                ..
            }) => return,
            Some(Attempt { successor, .. }) => {
                if let Successor::Starting { .. } = successor {
                    *successor = Successor::Killed(Failure::Stopped);
                    out.push(Action::Kill);
                }
            }
            None => {}
        }
        match self.phase {
            Phase::Starting | Phase::Waiting => self.never_mind(out),
            Phase::Serving => self.leave(now, true, out),
            Phase::LameDuck { .. } | Phase::Closing { .. } | Phase::Cut { .. } | Phase::Over => {}
        }
    }

    fn leave(&mut self, now: Time, last: bool, out: &mut Vec<Action>) {
        let deadline = now + self.policy.drain_timeout;
        let until = deadline.min(now + self.policy.lame_duck);
        self.phase = Phase::LameDuck { until, deadline };
        out.push(Action::Leave { last });
    }

    /// It has not served, so there is nothing to finish, and what it warms up is wanted no more.
    fn never_mind(&mut self, out: &mut Vec<Action>) {
        self.phase = Phase::Over;
        let last = !self.predecessor;
        out.extend([Action::Leave { last }, Action::Die]);
    }

    fn idle(&mut self, out: &mut Vec<Action>) {
        let leaving = matches!(self.phase, Phase::LameDuck { .. } | Phase::Closing { .. });
        // A successor that was killed is waited for, so that nothing is left behind.
        if leaving && self.attempt.is_none() {
            self.phase = Phase::Over;
            out.push(Action::Over);
        }
    }

    fn expire(&mut self, now: Time, out: &mut Vec<Action>) {
        if let Some(Attempt { successor, .. }) = &mut self.attempt
            && let Successor::Starting { until } = *successor
            && until <= now
        {
            *successor = Successor::Killed(Failure::NotReady);
            out.push(Action::Kill);
        }
        if let Phase::LameDuck { until, deadline } = self.phase
            && until <= now
        {
            self.phase = Phase::Closing { deadline };
            out.push(Action::CloseIdle);
        }
        if let Phase::Closing { deadline } = self.phase
            && deadline <= now
        {
            let until = deadline + GRACE;
            self.phase = Phase::Cut { until };
            out.push(Action::Over);
        }
        if let Phase::Cut { until } = self.phase
            && until <= now
        {
            self.phase = Phase::Over;
            out.push(Action::GiveUp);
        }
    }
}
