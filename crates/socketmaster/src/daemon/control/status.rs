//! How things are, for whoever asks.

use std::collections::BTreeMap;
use std::fs;

use crate::core::{Time, WorkerId};
use crate::daemon::adopt::Remnant;
use crate::daemon::listeners::Listener;
use crate::daemon::worker::Worker;
use crate::daemon::{Daemon, now};
use crate::sys::socket;
use crate::wire::control::{LastReload, ListenerStatus, Restarting, Status, WorkerStatus};

impl Daemon {
    pub(super) fn status(&mut self) -> Status {
        let draining = self.draining();
        let connections = self.connections(&draining);
        let workers = self.workers.iter();
        let workers = workers.map(|(id, worker)| (*id, self.worker_status(*id, worker)));
        let remnants = self.remnants.iter();
        let remnants = remnants.map(|(id, remnant)| {
            let first = draining.get(id).and_then(|pids| pids.first().copied());
            (*id, remnant_status(remnant, first))
        });
        let mut workers: Vec<_> = workers.chain(remnants).collect();
        workers.sort_by_key(|(id, _)| *id);
        for (id, worker) in &mut workers {
            worker.connections = connections.get(id).copied().flatten();
        }
        let workers = workers.into_iter().map(|(_, worker)| worker).collect();
        Status {
            name: self.recipe().config.instance_name(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id().cast_signed(),
            uptime_s: seconds_since(self.since),
            serving: self.core.serving().map(|generation| generation.0),
            ready: self.is_serving(),
            reloading: self.core.is_reloading(),
            stopping: self.core.is_stopping(),
            workers_wanted: self.core.wanted(),
            listeners: self
                .sockets
                .listeners()
                .iter()
                .map(listener_status)
                .collect(),
            workers,
            restarting: self.core.next_restart().map(|at| Restarting {
                in_ms: millis(at, now()),
                ended: self.last_crash.clone(),
            }),
            last_reload: self.last_reload.as_ref().map(|last| LastReload {
                generation: last.generation.0,
                done: last.done,
                why: last.why.clone(),
                ago_s: seconds_since(last.at),
            }),
        }
    }

    /// Whether a worker is ready.
    pub(super) fn is_serving(&self) -> bool {
        self.workers.keys().any(|id| self.core.is_ready(*id))
    }

    /// Where a worker is.
    pub(super) fn phase(&self, id: WorkerId) -> &'static str {
        if self.core.starting().any(|starting| starting == id) {
            "starting"
        } else if self.core.is_ready(id) {
            "ready"
        } else {
            "draining"
        }
    }

    /// What drains, with the first processes of each: its own, and those whose parent has ended.
    fn draining(&self) -> BTreeMap<WorkerId, Vec<i32>> {
        let workers = self.workers.iter().map(|(id, worker)| {
            let own = Some(worker.child.pid());
            (*id, worker.generation, own)
        });
        let remnants = self.remnants.iter();
        let remnants = remnants.map(|(id, remnant)| (*id, remnant.generation(), None));
        workers
            .chain(remnants)
            .filter(|(id, ..)| self.phase(*id) == "draining")
            .map(|(id, generation, own)| {
                let left = self.left_of(generation);
                (id, own.into_iter().chain(left).collect())
            })
            .collect()
    }

    fn worker_status(&self, id: WorkerId, worker: &Worker) -> WorkerStatus {
        let pid = worker.child.pid();
        WorkerStatus {
            generation: worker.generation.0,
            slot: worker.slot,
            pid,
            phase: self.phase(id).into(),
            age_ms: millis(now(), worker.since),
            ready_after_ms: worker.ready_at.map(|at| millis(at, worker.since)),
            rss_bytes: resident(pid),
            connections: None,
            says: worker.says.get(),
        }
    }
}

/// Of one whose first process has ended. It has the pid of the first that is left, or 0 if none of them can be told from
/// other children of ours.
fn remnant_status(remnant: &Remnant, pid: Option<i32>) -> WorkerStatus {
    WorkerStatus {
        generation: remnant.generation().0,
        slot: remnant.slot(),
        pid: pid.unwrap_or(0),
        phase: "draining".into(),
        age_ms: remnant.since().map_or(0, |since| millis(now(), since)),
        ready_after_ms: None,
        rss_bytes: pid.and_then(resident),
        connections: None,
        says: None,
    }
}

fn listener_status(listener: &Listener) -> ListenerStatus {
    let queue = socket::queue(listener.fd());
    let waiting = socket::waiting_bytes(listener.fd());
    ListenerStatus {
        uri: listener.actual(),
        name: Some(listener.name()).filter(|name| !name.is_empty()),
        adopted: listener.adopted().is_some(),
        queue: queue.map(|(now, _)| now),
        queue_limit: queue.map(|(_, limit)| limit),
        waiting_bytes: waiting.map(|(now, _)| now),
        waiting_bytes_limit: waiting.map(|(_, limit)| limit),
        dropped: socket::drops(listener.fd()),
    }
}

/// `VmRSS` of `/proc/PID/status`, in bytes (proc_pid_status(5)).
fn resident(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn seconds_since(then: Time) -> u64 {
    (now() - then).as_secs()
}

fn millis(later: Time, then: Time) -> u64 {
    u64::try_from((later - then).as_millis()).unwrap_or(u64::MAX)
}
