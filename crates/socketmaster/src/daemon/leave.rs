//! The end: nothing is left behind.

use std::time::Duration;

use super::{Daemon, sleep};
use crate::sys::process;

/// How long orphans of workers may take, who were told to stop when their worker ended.
const ORPHANS_PATIENCE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Waits for what is left of the workers, then removes what is ours in the file system and ends the log.
    pub(super) async fn leave(mut self) {
        if let Some(preflight) = &self.preflight {
            preflight.kill();
        }
        let patience = sleep(Some(ORPHANS_PATIENCE));
        tokio::pin!(patience);
        let mut orphans = self.orphans();
        if !orphans.is_empty() {
            self.log.say(format!(
                "Waiting for processes that workers left behind: {orphans:?}"
            ));
        }
        while !orphans.is_empty() {
            tokio::select! {
                Some(_) = self.queue.recv() => self.reap(),
                () = &mut patience => {
                    self.log.say(format!("Killing processes that workers left behind: {orphans:?}"));
                    process::kill_and_reap(&orphans);
                }
            }
            orphans = self.orphans();
        }
        for listener in self.sockets.listeners() {
            listener.remove_path();
        }
        self.workers.clear();
        if let Some(rundir) = self.rundir {
            rundir.remove();
        }
        self.log.finish().await;
    }

    /// Our children that are not the log forwarder: as a subreaper we inherit what workers leave behind.
    fn orphans(&mut self) -> Vec<i32> {
        self.reap();
        process::children()
            .into_iter()
            .filter(|pid| !self.log.is_forwarder(*pid))
            .collect()
    }
}
