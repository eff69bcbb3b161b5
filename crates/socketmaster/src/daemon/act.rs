//! What the core decides, done.

use std::sync::Arc;

use super::launch::Seat;
use super::{Daemon, now, words};
use crate::core::{Action, Ending, Event, Generation, Reason, Request, Verdict, Why, WorkerId};
use crate::sys::signals;
use crate::wire::control::Progress;

impl Daemon {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Prepare(generation) => self.prepare(generation),
            Action::Start(id, generation, slot) => self.start(Seat {
                id,
                generation,
                slot,
            }),
            Action::Welcome(id) => self.welcome(id),
            Action::Drain(id) => self.tell(id, self.recipe_of(id).config.stop_signal),
            Action::Withdraw(id) => {
                self.give_up_adopted(id);
                self.tell(id, self.recipe_of(id).config.stop_signal);
            }
            Action::Forward(id, signal) => self.tell(id, signal),
            Action::Kill(id, why) => {
                if why == Why::Withdrawn {
                    self.give_up_adopted(id);
                }
                self.kill(id, words::why(why));
            }
            Action::Failed(id, generation, reason) => self.failed(id, generation, reason),
            Action::Verdict(request, verdict) => self.verdict(request, verdict),
            Action::Restart(generation, after) => {
                let when = if after.is_zero() {
                    "at once".into()
                } else {
                    format!("in {}", words::span(after))
                };
                self.log
                    .say(format!("Restarting generation {} {when}", generation.0));
                self.report_restart(generation, &when);
            }
            Action::Exit(status) => self.exit = Some(self.exit_status(status)),
        }
    }

    /// The program's own status; but one that was never ready has not done what was asked for, whatever it says. In the
    /// original's form it is the program's status for all that.
    fn exit_status(&self, status: u8) -> u8 {
        let never_ready = self.core.serving().is_none() && self.why_failed.is_some();
        if status == 0 && never_ready && self.recipe().config.adopt.is_some() {
            1
        } else {
            status
        }
    }

    fn start(&mut self, seat: Seat) {
        let id = seat.id;
        self.report_start(seat.generation);
        self.let_go_of_the_abandoned();
        let nobody_lives =
            self.workers.is_empty() && self.remnants.is_empty() && self.taken.is_none();
        if nobody_lives {
            self.sockets.set_blocking();
        }
        let recipe = Arc::clone(self.recipes.of(seat.generation));
        // A program that binds for itself would not know what to do with more.
        let passed = match recipe.config.adopt {
            None => self
                .sockets
                .with_keys(recipe.listeners.iter().map(|asked| asked.key)),
            Some(_) => Vec::new(),
        };
        let started = recipe.start(
            seat,
            &passed,
            &self.chosen_ports(),
            self.rundir.as_ref(),
            &mut self.log,
            &self.inputs,
        );
        match started {
            Ok(worker) => {
                self.workers.insert(id, worker);
                self.tell_started(id);
            }
            Err(error) => {
                self.errors.insert(id, error.to_string());
                self.events.push_back(Event::Exited(id, Ending::NotStarted));
            }
        }
    }

    /// The launcher has said what became of it.
    pub(super) fn launched(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.read_launch(id, &mut self.log, &self.inputs);
        // There may be more to come. Without it the program is seen at the latest when it ends.
        let _ = worker.listen_to_launcher(id, &self.inputs);
        if worker.no_new_privileges && !std::mem::replace(&mut self.privileges_said, true) {
            self.log.say(
                "Without root the program runs with no_new_privs: what it executes gains no rights, setuid programs \
                 such as sudo among it",
            );
        }
        // Without an error it became the program, unless it was killed before that: then it is at its end.
        if worker.launch.is_none() && worker.error.is_none() && worker.child.has_program() {
            self.handle(Event::Launched(id));
            self.check(id);
        }
    }

    fn welcome(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else {
            return;
        };
        worker.ready_at = Some(now());
        let (pid, generation, slot) = (worker.child.pid(), worker.generation, worker.slot);
        let after_ms = u64::try_from((now() - worker.since).as_millis()).unwrap_or(u64::MAX);
        let after = words::since(worker.since, now());
        let who = match (self.core.wanted(), slot) {
            (1, 0) => format!("Generation {}", generation.0),
            _ => format!("Worker {slot} of generation {}", generation.0),
        };
        let bake = self.recipes.of(generation).config.bake;
        let bakes = self.core.attempted() == Some(generation) && self.core.serving().is_some();
        let then = match bakes && !bake.is_zero() {
            true => format!("; the bake takes {}", words::span(bake)),
            false => String::new(),
        };
        self.log
            .say(format!("{who} is ready: pid {pid}, after {after}{then}"));
        for complaint in self.sockets.look_after(pid, self.workers.len() > 1) {
            self.log.say(complaint);
        }
        self.tell_watchers(&Progress::Ready {
            generation: generation.0,
            slot,
            pid,
            after_ms,
        });
        self.report_ready(generation);
        if self.core.serving().is_some() {
            self.dismiss_taken();
        }
    }

    /// Sends a signal, and SIGCONT, because a stopped process would never get it.
    fn tell(&mut self, id: WorkerId, signal: i32) {
        self.counters.told(id);
        if self.signal_remnant(id, signal) {
            return;
        }
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let (pid, generation, slot) = (worker.child.pid(), worker.generation.0, worker.slot);
        let told = worker
            .child
            .signal(signal)
            .and_then(|()| worker.child.signal(libc::SIGCONT));
        let name = signals::name(signal);
        self.log.say(match told {
            Ok(()) => format!("Telling {pid} (generation {generation}) to stop: SIG{name}"),
            Err(error) => format!("Cannot send SIG{name} to {pid}: {error}"),
        });
        self.tell_watchers(&Progress::Draining {
            generation,
            slot,
            pid,
        });
    }

    fn kill(&mut self, id: WorkerId, why: &str) {
        self.counters.killed(id);
        if self.signal_remnant(id, libc::SIGKILL) {
            return;
        }
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let pid = worker.child.pid();
        self.log
            .say(match worker.child.signal_group(libc::SIGKILL) {
                Ok(()) => format!("Killing {pid} (generation {}): {why}", worker.generation.0),
                Err(error) => format!("Cannot kill {pid}: {error}"),
            });
    }

    fn failed(&mut self, id: WorkerId, generation: Generation, reason: Reason) {
        let recipe = Arc::clone(self.recipes.of(generation));
        let config = &recipe.config;
        let late = || self.why_not_adopted(id).or_else(|| self.why_unsaid(id));
        let late = (reason == Reason::NotReady).then(late).flatten();
        let not_ready = self.why_check(id, reason).or(late);
        let why = match self.errors.remove(&id).or(not_ready) {
            Some(error) => error,
            None => words::failure(reason, &config.readiness, config.ready_timeout),
        };
        self.log
            .say(format!("Generation {} failed: {why}", generation.0));
        self.report_failed(generation, &why);
        self.why_failed = Some(why);
        self.note_failed(id);
        self.give_up_adopted(id);
        let crashed = matches!(reason, Reason::Ended(Ending::Exit(1..) | Ending::Signal(_)));
        if let Some(who) = self.in_the_way.take() {
            self.log.say(who);
        }
        let tripped = crashed && !self.bound_nothing;
        if let Some(hint) = tripped.then(|| self.sockets.nonblocking_hint()).flatten() {
            self.log.say(hint);
        }
    }

    fn verdict(&mut self, request: Request, verdict: Verdict) {
        self.log.say(words::verdict(verdict, self.core.serving()));
        self.report_verdict(verdict);
        self.tell_verdict(request, verdict);
        self.stand(verdict);
    }
}
