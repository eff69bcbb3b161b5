//! The end: nothing is left behind.

use std::time::Duration;

use super::inputs::Input;
use super::upgrade::Preflight;
use super::{Daemon, now, sleep};
use crate::sys::process;

/// How long orphans of workers may take without a kill timeout. They were told to stop when their worker ended.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the kernel may take to end what was killed; a process in an uninterruptible wait would hold us for ever.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Waits for what is left of the workers, then removes what is ours in the file system and ends the log.
    pub(super) async fn leave(mut self) {
        if let Some(preflight) = &self.preflight {
            preflight.kill();
        }
        self.tell_without_output();
        self.wait_for_orphans().await;
        self.remove_files();
        self.workers.clear();
        if let Some(rundir) = self.rundir {
            rundir.remove();
        }
        self.log.finish().await;
    }

    async fn wait_for_orphans(&mut self) {
        let mut until = now() + self.recipe().config.kill_timeout.unwrap_or(PATIENCE);
        let mut killed = false;
        let mut announced = false;
        loop {
            let orphans = self.orphans();
            if orphans.is_empty() {
                return;
            }
            let asked = self.preflight.as_ref().map(Preflight::pid);
            let left_behind = orphans.iter().any(|pid| Some(*pid) != asked);
            if left_behind && !std::mem::replace(&mut announced, true) {
                self.log
                    .say(format!("Waiting for what workers left behind: {orphans:?}"));
            }
            if killed {
                // Those whose parent was hit have become ours since.
                process::signal_all(&orphans, libc::SIGKILL);
            }
            if until <= now() {
                if std::mem::replace(&mut killed, true) {
                    self.log
                        .say(format!("Leaving what cannot be killed: {orphans:?}"));
                    return;
                }
                self.log
                    .say(format!("Killing what workers left behind: {orphans:?}"));
                process::signal_all(&orphans, libc::SIGKILL);
                until = now() + KILL_PATIENCE;
            }
            tokio::select! {
                Some(input) = self.queue.recv() => match input {
                    // Orphans that write must not wait for a forwarder that nobody starts anew.
                    Input::PipeClosed(_) | Input::LogRoom | Input::LogRestart => self.take(input),
                    Input::Signal(libc::SIGTERM | libc::SIGINT | libc::SIGQUIT, _) if !killed => {
                        until = now();
                    }
                    _ => {}
                },
                () = sleep(Some(until - now())) => {}
            }
        }
    }

    /// Our children but the log forwarder and those that we had before: as a subreaper we get what workers leave behind.
    fn orphans(&mut self) -> Vec<i32> {
        self.reap();
        process::children()
            .into_iter()
            .filter(|pid| !self.log.is_forwarder(*pid) && !self.inherited.contains(pid))
            .collect()
    }
}
