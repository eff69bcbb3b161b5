//! Checks: a worker is asked, by HTTP or by a command, until it is ready, and on through its bake.
//!
//! | phase of the worker | asked | a pass | a failure |
//! | --- | --- | --- | --- |
//! | starting | at once, then after a tenth of the time it has taken so far, from 100 ms to 1 s | it is ready | is kept for the words of the ready timeout |
//! | ready, in the bake | each second, and at the end of the bake | at the end it takes over | the third in a row withdraws the generation |
//!
//! From then on nobody asks. One run at a time, each bounded; the loop waits for none: a request is a task, a command one
//! more child, whose end is seen where all children's are. An upgrade ends a run that is under way, and the new program
//! begins another.

mod checking;
mod exec;
mod failure;
mod http;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::inputs::{Input, Task};
use super::listeners::{Place, Spot};
use super::{Daemon, now, words};
use crate::config::{Check, Readiness};
use crate::core::{Event, Reason, WorkerId};
use crate::sys::process::{self, End};
use checking::Turn;
pub use checking::{Checking, HeldCheck};
pub use failure::Failure;

/// The variable that tells a worker, and a command, the port that was chosen.
pub const PORT_VARIABLE: &str = "SOCKETMASTER_READY_PORT";

/// The logarithm of the most requests that are made at once.
const MOST_AT_ONCE: u32 = 5;

/// So many failures in a row end a bake.
const MOST_FAILURES: u32 = 3;

/// From one question to the next.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

impl Daemon {
    /// The ports that were chosen for workers.
    pub(super) fn chosen_ports(&self) -> BTreeSet<u16> {
        let checks = self.workers.values().filter_map(|w| w.check.as_ref());
        checks.filter_map(|check| check.port).collect()
    }

    /// Whether the worker binds the port that was chosen for it: its own, which no other generation gets.
    pub(super) fn is_chosen_port(&self, id: WorkerId, place: &Place) -> bool {
        let check = self.workers.get(&id).and_then(|w| w.check.as_ref());
        let chosen = check.and_then(|check| check.port);
        matches!(&place.spot, Spot::Inet { address, .. } if Some(address.port()) == chosen)
    }

    /// Asks the worker, if it is to be asked and runs.
    pub(super) fn check(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        if !self.core.is_checked(id) || worker.launch.is_some() {
            return;
        }
        let recipe = Arc::clone(self.recipes.of(worker.generation));
        let (Readiness::Check(check), Some(checking)) =
            (&recipe.config.readiness, &mut worker.check)
        else {
            return;
        };
        let turn = match check {
            Check::Http(http) => {
                let Some(port) = http.port.or(checking.port) else {
                    return self.checked(id, Err(Failure::NoPort));
                };
                let connections = 1 << checking.strays;
                let asking = http::ask(http.clone(), port, worker.child.pid(), connections);
                let inputs = self.inputs.clone();
                let task = Task::spawn(async move {
                    let outcome = asking.await;
                    let _ = inputs.send(Input::Checked(id, outcome));
                });
                Turn::Task { _task: task }
            }
            Check::Exec(exec) => {
                let worker = &*worker;
                let run = recipe.run_check(exec, id, worker, &mut self.log, &self.inputs);
                match run {
                    Ok(run) => Turn::Run(run),
                    Err(error) => return self.checked(id, Err(error.into())),
                }
            }
        };
        if let Some(checking) = self.workers.get_mut(&id).and_then(|w| w.check.as_mut()) {
            checking.turn = Some(turn);
        }
    }

    /// The check has come to an end.
    pub(super) fn checked(&mut self, id: WorkerId, outcome: Result<(), Failure>) {
        // It must be alive now, not when it answered.
        self.reap();
        if !self.core.is_checked(id) {
            return;
        }
        let pause = match outcome.and_then(|()| self.has_bound_all(id)) {
            Ok(()) => {
                if let Some(checking) = self.checking(id) {
                    checking.failures = 0;
                    checking.said = None;
                }
                let starts = self.core.starting().any(|starting| starting == id);
                self.handle(if starts {
                    Event::Ready(id)
                } else {
                    Event::Passed(id)
                });
                self.pause(id)
            }
            Err(failure) => self.check_failed(id, &failure),
        };
        if self.core.is_checked(id) {
            self.check_later(id, pause);
        }
    }

    /// `READY=1` waits for the listeners as well.
    fn has_bound_all(&self, id: WorkerId) -> Result<(), Failure> {
        let missing = self.workers.get(&id).map(|worker| self.missing(worker));
        match missing {
            Some(missing) if !missing.is_empty() => Err(Failure::NotBound(missing)),
            _ => Ok(()),
        }
    }

    /// Takes note of it, and says when to ask again.
    fn check_failed(&mut self, id: WorkerId, failure: &Failure) -> Duration {
        let said = match failure {
            Failure::Other(pid) => self.whose(*pid),
            failure => failure.to_string(),
        };
        let (pause, bakes) = (self.pause(id), self.core.is_ready(id));
        let Some(worker) = self.workers.get_mut(&id) else {
            return pause;
        };
        let (pid, Some(checking)) = (worker.child.pid(), &mut worker.check) else {
            return pause;
        };
        // It has said neither yes nor no.
        if matches!(failure, Failure::Other(_) | Failure::Stranger)
            && checking.strays < MOST_AT_ONCE
        {
            checking.strays += 1;
            checking.said = Some(said);
            return SHORTEST;
        }
        checking.failures += 1;
        let failures = checking.failures;
        checking.said = Some(said.clone());
        if bakes {
            self.log.say(format!(
                "Check of {pid} failed, {failures} of {MOST_FAILURES}: {said}"
            ));
            if failures >= MOST_FAILURES {
                self.handle(Event::Unfit(id));
            }
        }
        pause
    }

    fn whose(&self, pid: i32) -> String {
        let mut workers = self.workers.values();
        match workers.find(|worker| worker.child.pid() == pid) {
            Some(worker) => format!(
                "{pid} of generation {} accepts connections there, and not this worker; a port of its own is {}",
                worker.generation.0,
                crate::config::check::PORT
            ),
            None => Failure::Other(pid).to_string(),
        }
    }

    /// When to ask again: in the bake, at the latest at its end.
    fn pause(&self, id: WorkerId) -> Duration {
        let (now, end) = (now(), self.core.bakes_until());
        match self.workers.get(&id) {
            Some(worker) if !self.core.is_ready(id) => {
                ((now - worker.since) / 10).clamp(SHORTEST, LONGEST)
            }
            _ => end
                .filter(|end| *end > now)
                .map_or(LONGEST, |end| LONGEST.min(end - now)),
        }
    }

    fn check_later(&mut self, id: WorkerId, pause: Duration) {
        let inputs = self.inputs.clone();
        let task = Task::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = inputs.send(Input::CheckDue(id));
        });
        if let Some(checking) = self.checking(id) {
            checking.turn = Some(Turn::Task { _task: task });
        }
    }

    fn checking(&mut self, id: WorkerId) -> Option<&mut Checking> {
        self.workers.get_mut(&id)?.check.as_mut()
    }

    /// The command has had its time.
    pub(super) fn check_late(&mut self, id: WorkerId) {
        if let Some(Checking {
            turn: Some(Turn::Run(run)),
            ..
        }) = self.checking(id)
        {
            run.end();
        }
    }

    /// If this child that has ended was a check: reaps it, sees to what it said, and says true.
    pub(super) fn check_ended(&mut self, pid: i32, end: End) -> bool {
        let is_it = |checking: &Checking| matches!(&checking.turn, Some(Turn::Run(run)) if run.child.pid() == pid);
        let mut workers = self.workers.iter_mut();
        let found = workers.find_map(|(id, worker)| {
            let checking = worker.check.as_mut().filter(|checking| is_it(checking))?;
            Some((*id, checking.turn.take()?))
        });
        let Some((id, Turn::Run(mut run))) = found else {
            return false;
        };
        let outcome = run.outcome(end);
        process::reap(pid);
        // Not at once: other children may have ended too, the worker among them, and that counts first.
        let _ = self.inputs.send(Input::Checked(id, outcome));
        true
    }

    /// Asks nobody who is not to be asked any more.
    pub(super) fn end_checks(&mut self) {
        for (id, worker) in &mut self.workers {
            if let Some(checking) = &mut worker.check
                && checking.turn.is_some()
                && !self.core.is_checked(*id)
            {
                checking.turn = None;
            }
        }
    }

    /// What the last check of a worker has said that failed because of it.
    pub(super) fn why_check(&self, id: WorkerId, reason: Reason) -> Option<String> {
        let Readiness::Check(check) = &self.recipe_of(id).config.readiness else {
            return None;
        };
        let checking = self.workers.get(&id)?.check.as_ref()?;
        let said = checking.said.as_deref().unwrap_or("nothing yet");
        let shown = check.shown(checking.port);
        let timeout = words::span(self.recipe_of(id).config.ready_timeout);
        match reason {
            Reason::NotReady => Some(format!(
                "it was not ready within {timeout}; the last check ({shown}) said: {said}"
            )),
            Reason::Unfit => Some(format!(
                "its check failed {MOST_FAILURES} times in a row during the bake; the last one ({shown}) said: {said}"
            )),
            Reason::Ended(_) | Reason::DidNotLast(_) | Reason::Unprepared => None,
        }
    }
}
