//! What the service manager hears of it all, which is what `systemctl status` shows: who serves, and what became of
//! the last reload.

use super::worker::Worker;
use super::{Daemon, words};
use crate::core::{Generation, Verdict, WorkerId};

impl Daemon {
    /// A worker is about to start. Of a newer generation than the one that serves: that is a reload.
    pub(super) fn report_start(&self, generation: Generation) {
        if let Some(serving) = self.core.serving().filter(|serving| *serving < generation) {
            let serving = self.who_serves(serving);
            self.manager.reloading(&format!(
                "Reloading: generation {} is starting; {serving}",
                generation.0
            ));
        }
    }

    /// A reload was asked for while another is under way. Whoever asked waits for a word that is younger than the
    /// request.
    pub(super) fn report_queued(&self) {
        self.manager
            .reloading("Reloading: one more reload was asked for");
    }

    /// A worker is ready. If it was restarted beside a reload that goes on, that reload is not over yet.
    pub(super) fn report_ready(&self, generation: Generation) {
        let status = self.who_serves(generation);
        // One that waited for this one's end has not been started yet.
        let is_started = |attempted: &Generation| {
            let mut workers = self.workers.values();
            workers.any(|worker| worker.generation == *attempted)
        };
        match self.core.attempted().filter(is_started) {
            Some(_) if self.core.serving().is_none() => {
                self.manager.status(&format!("Starting; {status}"));
            }
            Some(_) => self.manager.status(&format!("Reloading; {status}")),
            None => self.manager.ready(&status),
        }
    }

    /// A generation has failed. A restart that failed is followed by the next one, which has its own words.
    pub(super) fn report_failed(&self, generation: Generation, why: &str) {
        // A restart in a slot that the reload under way has taken over is not the end of it.
        if self.core.attempted() == Some(generation) {
            return;
        }
        self.report_reload_failed(generation, why);
    }

    /// A reload has failed before anything of it was started. Its begin is told too: a manager that has sent HUP waits
    /// for that first.
    pub(super) fn report_unprepared(&self, generation: Generation, why: &str) {
        self.report_start(generation);
        self.report_reload_failed(generation, why);
    }

    fn report_reload_failed(&self, generation: Generation, why: &str) {
        if let Some(serving) = self.core.serving().filter(|serving| *serving < generation) {
            let serving = self.who_serves(serving);
            self.manager.ready(&format!(
                "Reload failed: generation {}: {why}; {serving}",
                generation.0
            ));
        }
    }

    /// A reload is over, where that is neither the moment in which a worker gets ready nor the failure of all of it.
    pub(super) fn report_verdict(&self, verdict: Verdict) {
        match verdict {
            Verdict::Done(generation) if !self.recipes.of(generation).config.bake.is_zero() => {
                self.report_ready(generation);
            }
            Verdict::Failed(_, _, share) if share.replaced > 0 => {
                self.manager
                    .ready(&format!("Reload failed: {}", words::partly(share)));
            }
            Verdict::Done(_) | Verdict::Failed(..) | Verdict::Superseded => {}
        }
    }

    /// A worker has ended by itself and is started again.
    pub(super) fn report_restart(&self, generation: Generation, when: &str) {
        self.manager.status(&format!(
            "Generation {} has ended by itself, restarting {when}",
            generation.0
        ));
    }

    /// A stop was asked for.
    pub(super) fn report_stop(&self) {
        let workers = match self.workers.len() {
            1 => "1 worker".to_owned(),
            more => format!("{more} workers"),
        };
        self.manager
            .stopping(&format!("Stopping: waiting for {workers}"));
    }

    fn who_serves(&self, generation: Generation) -> String {
        let is_meant =
            |(id, w): &(&WorkerId, &Worker)| w.generation == generation && self.core.is_ready(**id);
        let workers: Vec<_> = self.workers.iter().filter(is_meant).collect();
        match workers[..] {
            [(_, worker)] => format!(
                "generation {} serves, pid {}",
                generation.0,
                worker.child.pid()
            ),
            [_, ..] => format!(
                "generation {} serves, {} workers",
                generation.0,
                workers.len()
            ),
            [] => format!("generation {} is being restarted", generation.0),
        }
    }
}
