//! What the service manager hears of it all, which is what `systemctl status` shows: who serves, and what became of
//! the last reload.

use super::Daemon;
use crate::core::Generation;

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
        if self
            .workers
            .values()
            .any(|worker| worker.generation > generation)
        {
            self.manager.status(&format!("Reloading; {status}"));
        } else {
            self.manager.ready(&status);
        }
    }

    /// A generation has failed. A restart that failed is followed by the next one, which has its own words.
    pub(super) fn report_failed(&self, generation: Generation, why: &str) {
        if let Some(serving) = self.core.serving().filter(|serving| *serving < generation) {
            let serving = self.who_serves(serving);
            self.manager.ready(&format!(
                "Reload failed: generation {}: {why}; {serving}",
                generation.0
            ));
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
        let worker = self
            .workers
            .iter()
            .find(|(id, w)| w.generation == generation && self.core.is_ready(**id));
        match worker {
            Some((_, worker)) => format!(
                "generation {} serves, pid {}",
                generation.0,
                worker.child.pid()
            ),
            None => format!("generation {} is being restarted", generation.0),
        }
    }
}
