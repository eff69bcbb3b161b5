//! The supervisor at work: it tells the core what happens and does what the core decides.
//!
//! One thread, which never waits for anything but the next event. What the operating system reports comes as an
//! [`Input`], becomes an [`Event`] for the core, and each [`Action`](crate::core::Action) of the core becomes a
//! system call here and nowhere else. A call that fails comes back as an event, never as an early return.

pub mod adopt;
pub mod check;
pub mod command;
pub mod control;
pub mod inputs;
pub mod launch;
pub mod listeners;
pub mod log;
pub mod notify;
pub mod ready;
pub mod recipe;
pub mod rundir;
pub mod systemd;
pub mod upgrade;
pub mod words;
pub mod worker;

mod act;
mod configuration;
mod guard;
mod leave;
mod parts;
mod reap;
mod rehearsal;
mod report;
mod resume;
mod signal;
mod start;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use crate::config::source::Source;
use crate::core::{ByGeneration, Event, Supervisor, Time, WorkerId};
use crate::sys::clock;
use adopt::{Remnant, Taken};
use control::{Control, Counted, Counters, Last, Public, Watchers};
use inputs::{Input, Inputs, Task};
use log::Log;
use recipe::Recipe;
use rundir::RunDir;
use systemd::ServiceManager;
use upgrade::Preflight;
use worker::Worker;

pub use rehearsal::rehearse;
pub use start::run;
pub use upgrade::{PREFLIGHT, preflight};

/// The supervisor while it runs.
#[derive(Debug)]
struct Daemon {
    /// Where the configuration comes from.
    source: Box<dyn Source>,
    /// What each generation is started by.
    recipes: ByGeneration<Arc<Recipe>>,
    core: Supervisor,
    log: Log,
    sockets: guard::Sockets,
    rundir: Option<RunDir>,
    workers: BTreeMap<WorkerId, Worker>,
    /// What draining workers have left behind.
    remnants: BTreeMap<WorkerId, Remnant>,
    /// The process that we took the listeners from.
    taken: Option<Taken>,
    /// Children that we had before we were the supervisor: those of a shell that executed us.
    inherited: Vec<i32>,
    manager: ServiceManager,
    /// The path that an upgrade executes.
    program: std::path::PathBuf,
    preflight: Option<Preflight>,
    /// The new program has answered, which is dealt with between two inputs: none may be lost in the exec.
    answered: Option<Preflight>,
    /// Why starts failed, until the core has decided what that means.
    errors: BTreeMap<WorkerId, String>,
    requests: u64,
    /// When the supervisor started, before all upgrades.
    since: Time,
    control: Option<Control>,
    public: Option<Public>,
    watchers: Watchers,
    counters: Counters,
    last_reload: Option<Last>,
    /// Who kept the worker that has just failed from binding, in words.
    in_the_way: Option<String>,
    /// Whether the worker that has just ended had come to none of the listeners.
    bound_nothing: bool,
    /// The connections that draining workers had when somebody last looked.
    counted: Option<Counted>,
    /// How the last worker ended.
    last_crash: Option<String>,
    /// Why the last generation failed that did.
    why_failed: Option<String>,
    /// When to look at the starting workers again.
    next_look: Time,
    blind_said: bool,
    /// Whether the log has been told that setuid programs lose their effect.
    privileges_said: bool,
    inputs: Inputs,
    queue: UnboundedReceiver<Input>,
    /// What the core has yet to be told.
    events: VecDeque<Event>,
    /// The last signal that asked for a stop, who sent it, and when.
    stopped_by: Option<(i32, u32, Time)>,
    /// The status to end with, once the core has said so.
    exit: Option<u8>,
    /// What runs beside the loop.
    tasks: Vec<Task>,
}

impl Daemon {
    /// Serves until the core says that all is done, and returns the status to end with.
    async fn serve(&mut self) -> u8 {
        loop {
            self.on_time();
            // Only here, where nothing is half done: what an input has yet to bring about would be lost in the exec.
            if let Some(preflight) = self.answered.take() {
                let agreed = preflight.answer();
                self.tell_upgrading(agreed.as_ref().copied());
                // So that those who asked have their answer before their connections go with this program.
                for _ in 0..2 {
                    tokio::task::yield_now().await;
                }
                self.finish_upgrade(agreed);
            }
            self.ask_parked();
            if let Some(status) = self.exit {
                return status;
            }
            let wake = self.next_wake().map(|at| at - now());
            tokio::select! {
                Some(input) = self.queue.recv() => self.take(input),
                () = sleep(wake) => {}
            }
        }
    }

    fn next_wake(&self) -> Option<Time> {
        let look = self.looks().then_some(self.next_look);
        self.core.next_deadline().into_iter().chain(look).min()
    }

    /// Does what the clock asks for. Also after each input, so that a flood of them holds nothing up.
    fn on_time(&mut self) {
        if self.looks() && self.next_look <= now() {
            self.look();
        }
        if self.core.next_deadline().is_some_and(|at| at <= now()) {
            // A worker that has ended must not become ready because its time has come.
            self.reap();
            self.handle(Event::Timeout);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Signal(number, pid) => self.signal(number, pid),
            Input::Launched(id) => self.launched(id),
            Input::Ready(id) => self.says_ready(id),
            Input::Asks(id) => self.extend(id),
            Input::Says(id) => self.tell_says(id),
            Input::CheckDue(id) => self.check(id),
            Input::Checked(id, outcome) => self.checked(id, outcome),
            Input::CheckLate(id) => self.check_late(id),
            Input::PipeClosed(pipe) => self.log.closed(pipe),
            Input::LogRoom => self.log.flush(),
            Input::LogRestart => self.log.restart(),
            Input::PreflightLate => self.preflight.iter().for_each(Preflight::kill),
            Input::ListenersDown(which) => self.revive(&which),
            Input::Call(id, call) => self.answer(id, call),
            Input::Deserted(id) => {
                self.log.forget(id);
                self.deserted(id);
            }
            Input::Ask(ask) => self.ask(ask),
            Input::Tail(question, lines) => self.tell_output(question, lines),
            Input::TakenGone => self.taken_gone(),
            Input::Guard => self.restore_files(),
            Input::Bound(id, inode, after) => self.bound(id, inode, after),
        }
    }

    /// Tells the core, and does what it says, and tells it what came of that.
    fn handle(&mut self, event: Event) {
        self.events.push_back(event);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(event) = self.events.pop_front() {
            for action in self.core.handle(now(), event) {
                self.perform(action);
            }
        }
        self.end_checks();
    }
}

fn now() -> Time {
    Time(clock::monotonic_nanos())
}

/// Sleeps for a span; without one, for ever.
async fn sleep(span: Option<Duration>) {
    match span {
        Some(span) => tokio::time::sleep(span).await,
        None => std::future::pending().await,
    }
}
