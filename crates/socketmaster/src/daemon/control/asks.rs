//! What clients ask for, done by the daemon, and what they hear of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::Ask;
use crate::core::{Event, Generation, Request, Time, Verdict, WorkerId};
use crate::daemon::adopt::Remnant;
use crate::daemon::upgrade::UpgradeError;
use crate::daemon::{Daemon, now};
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
            Ask::Reload(wanted, tell) => self.reload_for(wanted, tell),
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
        if let Verdict::Done(generation) | Verdict::Failed(generation, _) = verdict {
            let done = matches!(verdict, Verdict::Done(_));
            self.last_reload = Some(Last {
                generation,
                done,
                why: self.why_failed.clone().filter(|_| !done),
                at: now(),
            });
        }
        let Some(Watcher { tell, wait_drained }) = self.watchers.waiting.remove(&request) else {
            return;
        };
        let progress = match verdict {
            Verdict::Done(Generation(generation)) => Progress::Done { generation },
            Verdict::Superseded => Progress::Superseded,
            Verdict::Failed(Generation(generation), _) => Progress::Failed {
                generation,
                why: self.why_failed.clone().unwrap_or_default(),
                serving: self.core.serving().map(|serving| serving.0),
                output: Vec::new(),
            },
        };
        if let Progress::Failed { .. } = progress {
            let _ = tell.send(progress);
            return;
        }
        let _ = tell.send(progress);
        if let (Verdict::Done(generation), true) = (verdict, wait_drained) {
            self.watchers.draining.push((generation, tell));
            self.tell_drained();
        }
    }

    /// A worker has gone, with all that came of it.
    pub(in crate::daemon) fn tell_gone(&mut self, generation: Generation, how: String) {
        let generation = generation.0;
        self.tell_watchers(&Progress::Gone { generation, how });
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

    /// The pid of a worker, for those who watch.
    pub(in crate::daemon) fn tell_started(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get(&id) {
            let (generation, pid) = (worker.generation.0, worker.child.pid());
            self.tell_watchers(&Progress::Started { generation, pid });
        }
    }
}
