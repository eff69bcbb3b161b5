//! The stop, which wins at once: everybody is told, and nothing is begun any more.

use super::types::{Action, Time, Verdict, Why};
use super::worker::Phase;
use super::{Aim, SIGKILL, Supervisor};

impl Supervisor {
    pub(super) fn stop(&mut self, now: Time, signal: i32, out: &mut Vec<Action>) {
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
        self.state.slots.clear();
        let attempt = self.state.attempt.take();
        let asked = attempt
            .into_iter()
            .flat_map(|a| a.requests)
            .chain(self.state.queued.drain(..));
        out.extend(asked.map(|request| Action::Verdict(request, Verdict::Superseded)));

        let patience = self.standing().kill_timeout.map(|span| now + span);
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
            // Many programs take the same signal a second time for impatience.
            let knows = matches!(worker.phase, Phase::Draining { .. }) && worker.was_told(signal);
            worker.phase = Phase::Draining { until };
            if !knows {
                worker.tell(signal);
                out.push(Action::Forward(*id, signal));
            }
        }
        self.leave_if_done(out);
    }
}
