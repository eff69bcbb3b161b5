//! One worker as the core sees it: which generation, which phase, what it was told.

use serde::{Deserialize, Serialize};

use super::Policy;
use super::policy::{BLIND_WAIT, Sign};
use super::types::{Ending, Generation, Time};

/// A worker that has not gone.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Worker {
    pub(super) generation: Generation,
    pub(super) slot: u32,
    pub(super) phase: Phase,
    /// The signals it was sent, as bits: a death by one of them is no crash.
    told: u64,
}

/// Where a worker is. A phase carries the moments that end it, so leaving the phase cancels them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    Starting {
        /// When it was asked for.
        since: Time,
        /// When its program was executed.
        launched: Option<Time>,
        /// Since when it has been seen waiting for connections.
        waiting: Option<Time>,
        /// Whether time must decide, because nothing can be seen of it.
        blind: bool,
        /// Until when it has asked for patience.
        #[serde(default)]
        extended: Option<Time>,
    },
    Ready {
        since: Time,
    },
    Draining {
        /// When patience ends.
        until: Option<Time>,
    },
    /// It got SIGKILL and has only to be reaped.
    Killed,
}

impl Worker {
    pub(super) fn new(generation: Generation, slot: u32, now: Time) -> Self {
        let phase = Phase::Starting {
            since: now,
            launched: None,
            waiting: None,
            blind: false,
            extended: None,
        };
        Self {
            generation,
            slot,
            phase,
            told: 0,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// Whether its program runs, as far as is known.
    pub(super) fn is_launched(&self) -> bool {
        !matches!(self.phase, Phase::Starting { launched: None, .. })
    }

    /// Is patient with it until then, while it is starting. It never takes anything away, as in systemd.service(5).
    pub(super) fn extend(&mut self, until: Time) {
        if let Phase::Starting { extended, .. } = &mut self.phase {
            *extended = (*extended).max(Some(until));
        }
    }

    pub(super) fn tell(&mut self, signal: i32) {
        self.told |= bit(signal);
    }

    /// Whether it was sent this signal.
    pub(super) fn was_told(&self, signal: i32) -> bool {
        self.told & bit(signal) != 0
    }

    /// Whether it ended as it was told to: status 0, death by a signal that we sent, or 128 + that signal, which is
    /// what the JVM and many shells make of it.
    pub(super) fn ended_clean(&self, ending: Ending) -> bool {
        match ending {
            Ending::Exit(status) => {
                status == 0 || status > 128 && self.told & bit(status - 128) != 0
            }
            Ending::Signal(signal) => self.told & bit(signal) != 0,
            Ending::NotStarted => false,
        }
    }

    /// When it becomes ready if nothing changes.
    pub(super) fn ready_at(&self, policy: &Policy) -> Option<Time> {
        let Phase::Starting {
            launched,
            waiting,
            blind,
            ..
        } = self.phase
        else {
            return None;
        };
        match policy.sign {
            Sign::Life(after) => launched.map(|at| at + after),
            Sign::Waiting { settle } => {
                let settled = waiting.map(|at| at + settle);
                let lived = launched.filter(|_| blind).map(|at| at + BLIND_WAIT);
                settled.into_iter().chain(lived).min()
            }
            Sign::Word | Sign::Check => None,
        }
    }

    /// When our patience with it ends.
    pub(super) fn killed_at(&self, policy: &Policy) -> Option<Time> {
        match self.phase {
            // Where time decides, it is asked for or all there is, be it longer than the ready timeout: that one then
            // guards only the time until the program runs.
            Phase::Starting {
                since,
                launched,
                blind,
                extended,
                ..
            } => {
                let until = extended.into_iter().chain([since + policy.ready_timeout]);
                let time_decides = blind || matches!(policy.sign, Sign::Life(_));
                (!(time_decides && launched.is_some()))
                    .then(|| until.max())
                    .flatten()
            }
            Phase::Draining { until } => until,
            Phase::Ready { .. } | Phase::Killed => None,
        }
    }
}

fn bit(signal: i32) -> u64 {
    u32::try_from(signal)
        .ok()
        .and_then(|n| 1u64.checked_shl(n.checked_sub(1)?))
        .unwrap_or(0)
}
