//! What the core decides, done.

use super::inputs::Input;
use super::upgrade::{Handover, HeldWorker, Preflight};
use super::{Daemon, now, words};
use crate::core::{Action, Ending, Event, Generation, Reason, Verdict, WorkerId};
use crate::sys::{fds, signals};

impl Daemon {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Start(id, generation) => self.start(id, generation),
            Action::Welcome(id) => self.welcome(id),
            Action::Drain(id) => self.tell(id, self.recipe.config.stop_signal),
            Action::Forward(id, signal) => self.tell(id, signal),
            Action::Kill(id, why) => self.kill(id, words::why(why)),
            Action::Failed(id, generation, reason) => self.failed(id, generation, reason),
            Action::Verdict(_, verdict) => self.verdict(verdict),
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
            Action::Exit(status) => self.exit = Some(status),
        }
    }

    fn start(&mut self, id: WorkerId, generation: Generation) {
        self.report_start(generation);
        self.sockets.prepare(self.workers.is_empty());
        let started = self.recipe.start(
            id,
            generation,
            self.sockets.listeners(),
            self.rundir.as_ref(),
            &mut self.log,
            &self.inputs,
        );
        match started {
            Ok(worker) => drop(self.workers.insert(id, worker)),
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
        worker.read_launch();
        // Without an error it became the program, unless it was killed before that: then it is at its end.
        if worker.error.is_none() && worker.child.has_program() {
            self.handle(Event::Launched(id));
        }
    }

    fn welcome(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let (pid, generation) = (worker.child.pid(), worker.generation);
        let after = words::since(worker.since, now());
        self.log.say(format!(
            "Generation {} is ready: pid {pid}, after {after}",
            generation.0
        ));
        for complaint in self.sockets.look_after(pid, self.workers.len() > 1) {
            self.log.say(complaint);
        }
        self.report_ready(generation);
    }

    /// Sends a signal, and SIGCONT, because a stopped process would never get it.
    fn tell(&mut self, id: WorkerId, signal: i32) {
        let Some(worker) = self.workers.get(&id) else {
            return;
        };
        let pid = worker.child.pid();
        let told = worker
            .child
            .signal(signal)
            .and_then(|()| worker.child.signal(libc::SIGCONT));
        let name = signals::name(signal);
        self.log.say(match told {
            Ok(()) => format!(
                "Telling {pid} (generation {}) to stop: SIG{name}",
                worker.generation.0
            ),
            Err(error) => format!("Cannot send SIG{name} to {pid}: {error}"),
        });
    }

    fn kill(&mut self, id: WorkerId, why: &str) {
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
        let config = &self.recipe.config;
        let why = match self.errors.remove(&id) {
            Some(error) => error,
            None => words::failure(reason, config.readiness, config.ready_timeout),
        };
        self.log
            .say(format!("Generation {} failed: {why}", generation.0));
        self.report_failed(generation, &why);
        let crashed = matches!(reason, Reason::Ended(Ending::Exit(1..) | Ending::Signal(_)));
        if let Some(hint) = crashed.then(|| self.sockets.nonblocking_hint()).flatten() {
            self.log.say(hint);
        }
    }

    fn verdict(&mut self, verdict: Verdict) {
        self.log.say(words::verdict(verdict, self.core.serving()));
    }

    /// Asks the program at our path whether it can go on from here.
    pub(super) fn begin_upgrade(&mut self) {
        if self.preflight.is_some() {
            self.log
                .say("Upgrade: the new program is being asked already");
            return;
        }
        match Preflight::start(&self.handover().0, &self.inputs) {
            Ok(preflight) => self.preflight = Some(preflight),
            Err(error) => self
                .log
                .say(format!("Upgrade failed, nothing has changed: {error}")),
        }
    }

    /// Becomes the new program, if it has agreed.
    pub(super) fn finish_upgrade(&mut self, preflight: Preflight) {
        if let Err(error) = preflight.answer() {
            self.log
                .say(format!("Upgrade failed, nothing has changed: {error}"));
            return;
        }
        // What has been read and not yet been dealt with would be lost; what has not been read waits for the next
        // program.
        while let Ok(input) = self.queue.try_recv() {
            // Another upgrade is asked for: this one will do.
            if !matches!(input, Input::Signal(libc::SIGUSR1 | libc::SIGUSR2, _)) {
                self.take(input);
            }
        }
        if self.exit.is_some() {
            return;
        }
        self.log
            .say(format!("Upgrading: executing {}", self.program.display()));
        let (state, open) = self.handover();
        let error = match open
            .iter()
            .map(|fd| fds::borrow(*fd))
            .collect::<std::io::Result<Vec<_>>>()
        {
            Ok(open) => state.exec(&open).to_string(),
            Err(error) => error.to_string(),
        };
        self.log
            .say(format!("Upgrade failed, nothing has changed: {error}"));
        self.reap();
    }

    /// Our whole state, and the numbers of the descriptors that belong to it.
    fn handover(&self) -> (Handover, Vec<i32>) {
        use std::os::fd::AsRawFd;
        let (log, mut open) = self.log.hold();
        let listeners: Vec<_> = self
            .sockets
            .listeners()
            .iter()
            .map(super::listeners::Listener::to_held)
            .collect();
        open.extend(listeners.iter().map(|held| held.fd));
        let rundir = self
            .rundir
            .as_ref()
            .map(|r| (r.path().to_owned(), r.lock().as_raw_fd()));
        open.extend(rundir.as_ref().map(|(_, fd)| *fd));
        let workers = self.workers.iter().map(|(id, worker)| HeldWorker {
            id: *id,
            generation: worker.generation,
            pid: worker.child.pid(),
            since: worker.since,
            notify: worker
                .notify
                .as_ref()
                .map(|n| (n.path().to_owned(), n.socket().as_raw_fd())),
            launch: worker.launch.as_ref().map(AsRawFd::as_raw_fd),
            error: worker.error.clone(),
            waiting: worker.sight.waiting,
            blind: worker.sight.blind,
        });
        let workers: Vec<_> = workers.collect();
        open.extend(workers.iter().filter_map(|w| w.launch));
        open.extend(
            workers
                .iter()
                .filter_map(|w| w.notify.as_ref().map(|(_, fd)| *fd)),
        );
        let state = Handover {
            version: Handover::version(),
            pid: std::process::id(),
            program: self.program.clone(),
            directory: self.recipe.directory.clone(),
            descriptors: self.recipe.descriptors,
            core: self.core.state().clone(),
            requests: self.requests,
            listeners,
            workers,
            log,
            rundir,
            blind_said: self.blind_said,
            inherited: self.inherited.clone(),
        };
        (state, open)
    }
}
