//! Children that have ended.

use super::adopt::Calls;
use super::{Daemon, words};
use crate::core::{Ending, Event, WorkerId};
use crate::sys::process::{self, End};

impl Daemon {
    /// Takes note of every child that has ended. Cheap when there is none, and done before each decision that asks
    /// whether a worker is alive.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, end))) = process::ended() {
            let worker = self
                .workers
                .iter()
                .find(|(_, worker)| worker.child.pid() == pid);
            if let Some(id) = worker.map(|(id, _)| *id) {
                self.gone(id, pid, end);
            } else if self.preflight.as_ref().is_some_and(|p| p.pid() == pid) {
                process::reap(pid);
                self.answered = self.preflight.take();
            } else if !self.check_ended(pid, end) {
                // The forwarder, an orphan whose parent was a worker, or one that we had before.
                self.log.ended(pid);
                self.inherited.retain(|inherited| *inherited != pid);
                process::reap(pid);
            }
        }
        self.kill_on();
        self.settle();
    }

    fn gone(&mut self, id: WorkerId, pid: i32, end: End) {
        let Some(mut worker) = self.workers.remove(&id) else {
            return;
        };
        // What it leaves behind in its process group has nobody to tell it any more; a failed version has no requests
        // to finish.
        let failed = self.core.starting().any(|starting| starting == id);
        let signal = if failed {
            libc::SIGKILL
        } else {
            self.recipes.of(worker.generation).config.stop_signal
        };
        let _ = worker.child.signal_group(signal);
        process::reap(pid);
        if failed {
            self.kill_left_of_failed(worker.generation);
        }
        worker.read_launch(id, &mut self.log, &self.inputs);
        let ending = match (end, &worker.error) {
            (_, Some(error)) => {
                self.errors.insert(id, error.to_string());
                Ending::NotStarted
            }
            (End::Exit(status), None) => Ending::Exit(status),
            (End::Signal(number), None) => Ending::Signal(number),
        };
        if ending != Ending::NotStarted {
            let how = words::ending(ending);
            self.log.say(format!("{pid} {how}"));
            self.last_crash = Some(how);
        }
        self.in_the_way = match (&worker.calls, ending) {
            (Some(calls), Ending::Exit(1..) | Ending::Signal(_)) if failed => {
                calls.who_is_in_the_way()
            }
            _ => None,
        };
        self.bound_nothing = worker.calls.as_ref().is_some_and(Calls::has_bound_nothing);
        let (generation, slot) = (worker.generation, worker.slot);
        if worker.ready_at.is_none() {
            self.sockets.look_after_failed();
        }
        let drains = !failed && !self.core.is_ready(id);
        if !drains {
            drop(worker);
        } else if self.keep_remnant(id, pid, worker, ending).is_none() {
            return;
        }
        // A process that it has left behind is nobody's business any more.
        self.log.leave(id);
        self.tell_gone(generation, slot, words::ending(ending));
        self.note_gone(id, Some((pid, slot)));
        self.handle(Event::Exited(id, ending));
        self.errors.remove(&id);
    }
}
