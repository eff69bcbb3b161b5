//! How things are, for whoever asks.

use std::fs;

use crate::core::{Time, WorkerId};
use crate::daemon::listeners::Listener;
use crate::daemon::worker::Worker;
use crate::daemon::{Daemon, now};
use crate::sys::socket;
use crate::wire::control::{LastReload, ListenerStatus, Status, WorkerStatus};

impl Daemon {
    pub(super) fn status(&self) -> Status {
        let workers: Vec<_> = self
            .workers
            .iter()
            .map(|(id, worker)| self.worker_status(*id, worker))
            .collect();
        Status {
            name: self.recipe.config.instance_name(),
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id().cast_signed(),
            uptime_s: seconds_since(self.since),
            serving: self.core.serving().map(|generation| generation.0),
            ready: self.workers.keys().any(|id| self.core.is_ready(*id)),
            reloading: self.core.is_reloading(),
            stopping: self.core.is_stopping(),
            listeners: self
                .sockets
                .listeners()
                .iter()
                .map(listener_status)
                .collect(),
            workers,
            last_reload: self.last_reload.as_ref().map(|last| LastReload {
                generation: last.generation.0,
                done: last.done,
                why: last.why.clone(),
                ago_s: seconds_since(last.at),
            }),
        }
    }

    fn worker_status(&self, id: WorkerId, worker: &Worker) -> WorkerStatus {
        let phase = if self.core.starting().any(|starting| starting == id) {
            "starting"
        } else if self.core.is_ready(id) {
            "ready"
        } else {
            "draining"
        };
        let pid = worker.child.pid();
        WorkerStatus {
            generation: worker.generation.0,
            pid,
            phase: phase.into(),
            age_ms: millis(now(), worker.since),
            ready_after_ms: worker.ready_at.map(|at| millis(at, worker.since)),
            rss_bytes: resident(pid),
            connections: None,
            says: None,
        }
    }
}

fn listener_status(listener: &Listener) -> ListenerStatus {
    let queue = socket::queue(listener.fd());
    ListenerStatus {
        uri: listener.actual(),
        name: Some(listener.name()).filter(|name| !name.is_empty()),
        adopted: listener.adopted().is_some(),
        queue: queue.map(|(now, _)| now),
        queue_limit: queue.map(|(_, limit)| limit),
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
