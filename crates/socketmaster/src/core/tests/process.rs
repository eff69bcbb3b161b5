//! A process of the world: what became of it and what it was told.

use std::time::Duration;

use crate::core::{BLIND_WAIT, Generation, Policy, Sign, Time, WorkerId};

/// A living process.
pub(super) struct Process {
    pub(super) id: WorkerId,
    pub(super) generation: Generation,
    pub(super) slot: u32,
    pub(super) since: Time,
    pub(super) launched: Option<Time>,
    pub(super) waiting: Option<Time>,
    pub(super) blind: bool,
    pub(super) extended: Option<Time>,
    pub(super) ready: Option<Time>,
    /// Signals it got, the oldest first.
    pub(super) told: Vec<i32>,
    pub(super) leave_by: Option<Time>,
    pub(super) killed: bool,
}

impl Process {
    pub(super) fn is_starting(&self) -> bool {
        self.ready.is_none() && self.is_wanted()
    }

    /// Nobody told it to leave.
    pub(super) fn is_wanted(&self) -> bool {
        self.told.is_empty() && !self.killed
    }

    /// It is ready, and nobody told it to leave.
    pub(super) fn serves(&self) -> bool {
        self.ready.is_some() && self.is_wanted()
    }

    /// It may have accepted connections.
    pub(super) fn may_finish(&self) -> bool {
        self.ready.is_some() || self.launched.is_some()
    }

    /// It is told to stop before it took over: how long it has.
    pub(super) fn withdraw(&mut self, policy: &Policy, now: Time) {
        let short = Duration::from_secs(10);
        let patience = match self.ready {
            Some(_) => policy.drain_timeout,
            None => Some(policy.drain_timeout.map_or(short, |span| span.min(short))),
        };
        self.leave_by = patience.map(|span| now + span);
        self.told.push(policy.stop_signal);
    }

    pub(super) fn ready_at(&self, policy: &Policy) -> Option<Time> {
        match policy.sign {
            _ if !self.is_starting() => None,
            Sign::Word | Sign::Check => None,
            Sign::Life(after) => Some(self.launched? + after),
            Sign::Waiting { settle } => {
                let seen = self.waiting.map(|at| at + settle);
                let unseen = self
                    .launched
                    .filter(|_| self.blind)
                    .map(|at| at + BLIND_WAIT);
                seen.into_iter().chain(unseen).min()
            }
        }
    }

    pub(super) fn kill_at(&self, policy: &Policy) -> Option<Time> {
        if self.killed {
            return None;
        }
        let timed = self.blind || matches!(policy.sign, Sign::Life(_));
        if self.is_starting() && !(timed && self.launched.is_some()) {
            let own = self.since + policy.ready_timeout;
            return Some(self.extended.map_or(own, |until| until.max(own)));
        }
        self.leave_by
    }
}
