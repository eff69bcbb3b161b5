//! What a signal asks for, and the orders that come by the control socket too.

use std::time::Duration;

use super::{Daemon, now};
use crate::core::{Event, Request};

/// Within this time the same signal of the same process is the same request.
const ECHO: Duration = Duration::from_millis(250);

impl Daemon {
    pub(super) fn signal(&mut self, number: i32, pid: u32) {
        match number {
            libc::SIGHUP => self.reload(),
            libc::SIGUSR1 | libc::SIGUSR2 => self.begin_upgrade(),
            libc::SIGCHLD => self.reap(),
            // The terminal sends them to who writes or reads in the background.
            libc::SIGTTIN | libc::SIGTTOU if pid == 0 => {}
            libc::SIGTTIN => self.scale(self.core.wanted().saturating_add(1)),
            libc::SIGTTOU => self.scale(self.core.wanted().saturating_sub(1)),
            stop if self.is_echo(stop, pid) => {}
            stop => {
                let name = crate::sys::signals::name(stop);
                // The kernel itself sends what is typed at a terminal.
                self.log.say(match pid {
                    0 => format!("Stopping: SIG{name} from the terminal"),
                    pid => format!("Stopping: SIG{name} from pid {pid}"),
                });
                self.report_stop();
                self.handle(Event::Stop(self.stop_signal_for(stop)));
            }
        }
    }

    /// Whether the same stop comes from the same process in the same moment: timeout(1) signals its child, and then the
    /// whole group. Taken for a second request it would kill what drains.
    fn is_echo(&mut self, signal: i32, pid: u32) -> bool {
        let at = now();
        let before = self.stopped_by.replace((signal, pid, at));
        before.is_some_and(|(last, by, then)| {
            pid != 0 && (last, by) == (signal, pid) && at - then < ECHO
        })
    }

    /// A program that knows nothing of us is stopped in its own way: TERM makes nginx, for one, drop its requests.
    pub(super) fn stop_signal_for(&self, signal: i32) -> i32 {
        let config = &self.recipe().config;
        if signal == libc::SIGTERM && config.adopt.is_some() {
            config.stop_signal
        } else {
            signal
        }
    }

    /// Sees to it that there are this many workers, at once or after the reload under way.
    pub(super) fn scale(&mut self, workers: u32) {
        let before = self.core.wanted();
        self.handle(Event::Scale(workers));
        let wanted = self.core.wanted();
        let number = match wanted {
            1 => "1 worker".to_owned(),
            more => format!("{more} workers"),
        };
        self.log.say(match self.core.attempted() {
            _ if wanted == before => format!("No fewer than {number}: nobody else serves"),
            Some(_) => format!("Scaling to {number} when the reload is over"),
            None => format!("Scaling to {number}"),
        });
    }

    pub(super) fn reload(&mut self) {
        self.requests += 1;
        if self.core.is_reloading() {
            self.report_queued();
        }
        self.counters.asked(Request(self.requests));
        self.handle(Event::Reload(Request(self.requests)));
    }
}
