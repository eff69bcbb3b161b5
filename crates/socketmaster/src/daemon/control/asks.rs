//! What clients ask for, done by the daemon, and what they hear of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::Ask;
use crate::core::{Event, Generation, Request, Time, Verdict, WorkerId};
use crate::daemon::adopt::Remnant;
use crate::daemon::inputs::Task;
use crate::daemon::upgrade::UpgradeError;
use crate::daemon::{Daemon, now, words};
use crate::wire::control::{Progress, ReloadRequest};

/// The clients that wait for a reload.
#[derive(Debug, Default)]
pub struct Watchers {
    /// Those whose verdict is to come.
    waiting: BTreeMap<Request, Watcher>,
    /// Those that want to hear when what is older than this has gone.
    draining: Vec<(Generation, UnboundedSender<Progress>)>,
    /// Those that expect a generation and came during a reload, which may change it.
    parked: Vec<(ReloadRequest, UnboundedSender<Progress>)>,
    /// Those that wait for the new program's answer to an upgrade.
    upgrading: Vec<oneshot::Sender<Result<(), String>>>,
    /// Those whose verdict waits for the failed worker's last lines, by the number of the question.
    held_back: BTreeMap<u64, HeldBack>,
    /// The number of the last question.
    questions: u64,
    /// The worker that was reaped last, its pid and slot.
    gone: Option<(WorkerId, (i32, u32))>,
    /// The pid and slot of the worker that failed last.
    failed: Option<(i32, u32)>,
}

#[derive(Debug)]
struct HeldBack {
    tell: UnboundedSender<Progress>,
    generation: u64,
    slot: Option<u32>,
    why: String,
    serving: Option<u64>,
    /// Gives up in the end, unless it goes with this.
    patience: Option<Task>,
}

impl HeldBack {
    fn tell(self, output: Vec<String>) {
        let _ = self.tell.send(Progress::Failed {
            generation: self.generation,
            slot: self.slot,
            why: self.why,
            serving: self.serving,
            output,
        });
    }
}

#[derive(Debug)]
struct Watcher {
    tell: UnboundedSender<Progress>,
    wait_drained: bool,
}

/// How the last reload ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Last {
    pub(super) generation: Generation,
    pub(super) done: bool,
    pub(super) why: Option<String>,
    pub(super) at: Time,
}

impl Daemon {
    /// Does what a client asks for. One that has gone meanwhile does not hear of it.
    pub(in crate::daemon) fn ask(&mut self, ask: Ask) {
        match ask {
            Ask::Status(answer) => drop(answer.send(self.status())),
            Ask::Ready(answer) => drop(answer.send(self.is_serving())),
            Ask::Metrics(format, answer) => drop(answer.send(self.metrics(format))),
            Ask::Logs(wanted, answer) => drop(answer.send(self.log.follow(wanted))),
            Ask::Reload(wanted, tell) => self.reload_for(wanted, tell),
            Ask::Scale(workers, answer) => {
                let _ = answer.send(());
                self.scale(workers);
            }
            Ask::Stop(answer) => {
                let _ = answer.send(());
                self.log.say("Stopping: asked by the control socket");
                self.report_stop();
                self.handle(Event::Stop(self.stop_signal_for(libc::SIGTERM)));
            }
            Ask::Upgrade(answer) => {
                // Before it begins, because it may have failed when this returns.
                self.watchers.upgrading.push(answer);
                self.begin_upgrade();
            }
        }
    }

    /// Tells those who asked for an upgrade whether it can be.
    pub(in crate::daemon) fn tell_upgrading(&mut self, agreed: Result<(), &UpgradeError>) {
        for tell in self.watchers.upgrading.drain(..) {
            let _ = tell.send(agreed.map_err(ToString::to_string));
        }
    }

    /// No reload is under way: which generation serves is known now to those who expect one.
    pub(in crate::daemon) fn ask_parked(&mut self) {
        while !self.core.is_reloading() && !self.watchers.parked.is_empty() {
            let (wanted, tell) = self.watchers.parked.remove(0);
            self.reload_for(wanted, tell);
        }
    }

    fn reload_for(&mut self, wanted: ReloadRequest, tell: UnboundedSender<Progress>) {
        let serving = self.core.serving();
        if wanted
            .if_generation
            .is_some_and(|n| serving != Some(Generation(n)))
        {
            let serving = serving.map(|generation| generation.0);
            let _ = tell.send(Progress::NotExpected { serving });
            return;
        }
        if self.core.is_reloading() {
            let _ = tell.send(Progress::Queued);
            if wanted.if_generation.is_some() {
                self.watchers.parked.push((wanted, tell));
                return;
            }
        }
        let watcher = Watcher {
            tell,
            wait_drained: wanted.wait_drained,
        };
        // Before it begins, because it may be over when this returns.
        self.watchers
            .waiting
            .insert(Request(self.requests + 1), watcher);
        self.reload();
    }

    /// Tells all who wait for a reload.
    pub(in crate::daemon) fn tell_watchers(&mut self, progress: &Progress) {
        let waiting = self.watchers.waiting.values().map(|watcher| &watcher.tell);
        let draining = self.watchers.draining.iter().map(|(_, tell)| tell);
        for tell in waiting.chain(draining) {
            let _ = tell.send(progress.clone());
        }
    }

    /// Tells the one who asked how it ended.
    pub(in crate::daemon) fn tell_verdict(&mut self, request: Request, verdict: Verdict) {
        self.counters.verdict(request, verdict);
        let mut why = self.why_failed.clone();
        if let (Verdict::Failed(_, _, share), Some(why)) = (verdict, &mut why)
            && share.replaced > 0
        {
            why.push_str("; ");
            why.push_str(&words::partly(share));
        }
        if let Verdict::Done(generation) | Verdict::Failed(generation, ..) = verdict {
            let done = matches!(verdict, Verdict::Done(_));
            self.last_reload = Some(Last {
                generation,
                done,
                why: why.clone().filter(|_| !done),
                at: now(),
            });
        }
        let Some(Watcher { tell, wait_drained }) = self.watchers.waiting.remove(&request) else {
            return;
        };
        match verdict {
            Verdict::Superseded => drop(tell.send(Progress::Superseded)),
            Verdict::Done(generation) => {
                let _ = tell.send(Progress::Done {
                    generation: generation.0,
                });
                if wait_drained {
                    self.watchers.draining.push((generation, tell));
                    self.tell_drained();
                }
            }
            Verdict::Failed(generation, ..) => {
                self.hold_back(generation, why.unwrap_or_default(), tell);
            }
        }
    }

    /// Asks the forwarder for the failed worker's last lines: with them the verdict is told.
    fn hold_back(&mut self, generation: Generation, why: String, tell: UnboundedSender<Progress>) {
        let mut held = HeldBack {
            tell,
            generation: generation.0,
            slot: self.watchers.failed.map(|(_, slot)| slot),
            why,
            serving: self.core.serving().map(|serving| serving.0),
            patience: None,
        };
        // One that could not even be begun has printed nothing.
        let Some((pid, _)) = self.watchers.failed else {
            return held.tell(Vec::new());
        };
        self.watchers.questions += 1;
        let question = self.watchers.questions;
        held.patience = Some(self.log.ask_tail(question, pid));
        self.watchers.held_back.insert(question, held);
    }

    /// The failed worker's last lines have come, or cannot be waited for any longer.
    pub(in crate::daemon) fn tell_output(&mut self, question: u64, lines: Vec<String>) {
        if let Some(held) = self.watchers.held_back.remove(&question) {
            held.tell(lines);
        }
    }

    /// Nobody waits for anything any more.
    pub(in crate::daemon) fn tell_without_output(&mut self) {
        while let Some((_, held)) = self.watchers.held_back.pop_first() {
            held.tell(Vec::new());
        }
    }

    /// Takes note of a worker of which nothing is left, with its pid and slot if it has just been reaped.
    pub(in crate::daemon) fn note_gone(&mut self, id: WorkerId, reaped: Option<(i32, u32)>) {
        self.watchers.gone = reaped.map(|reaped| (id, reaped));
        let phase = self.phase(id);
        self.counters.gone(id, phase);
    }

    /// Takes note of a worker that has failed, reaped or not.
    pub(in crate::daemon) fn note_failed(&mut self, id: WorkerId) {
        let there = self.workers.get(&id);
        let there = there.map(|worker| (worker.child.pid(), worker.slot));
        if there.is_some() {
            self.counters.failed(id);
        }
        let gone = self.watchers.gone.filter(|(gone, _)| *gone == id);
        self.watchers.failed = there.or(gone.map(|(_, reaped)| reaped));
    }

    /// A reload has failed before it started anybody.
    pub(in crate::daemon) fn note_unprepared(&mut self, why: String) {
        self.why_failed = Some(why);
        self.watchers.failed = None;
    }

    /// A worker has gone, with all that came of it.
    pub(in crate::daemon) fn tell_gone(&mut self, generation: Generation, slot: u32, how: String) {
        self.tell_watchers(&Progress::Gone {
            generation: generation.0,
            slot,
            how,
        });
        self.tell_drained();
    }

    fn tell_drained(&mut self) {
        let oldest = self.oldest();
        self.watchers.draining.retain(|(generation, tell)| {
            let older_left = oldest.is_some_and(|oldest| oldest < *generation);
            if !older_left {
                let _ = tell.send(Progress::Drained);
            }
            older_left && !tell.is_closed()
        });
    }

    fn oldest(&self) -> Option<Generation> {
        let workers = self.workers.values().map(|worker| worker.generation);
        workers
            .chain(self.remnants.values().map(Remnant::generation))
            .min()
    }

    /// What a worker that starts says of itself, for those who watch.
    pub(in crate::daemon) fn tell_says(&mut self, id: WorkerId) {
        let starting = self.core.starting().any(|starting| starting == id);
        if let Some(worker) = self.workers.get(&id).filter(|_| starting)
            && let Some(text) = worker.says.get()
        {
            let progress = Progress::Says {
                generation: worker.generation.0,
                slot: worker.slot,
                pid: worker.child.pid(),
                text,
            };
            self.tell_watchers(&progress);
        }
    }

    /// The pid of a worker, for those who watch.
    pub(in crate::daemon) fn tell_started(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id) {
            let progress = Progress::Started {
                generation: worker.generation.0,
                slot: worker.slot,
                pid: worker.child.pid(),
            };
            self.tell_watchers(&progress);
        }
    }
}
