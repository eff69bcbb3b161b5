//! Watching workers start: looks at `/proc`, a few milliseconds apart, for as long as a worker is starting.

use std::time::Duration;

use super::{Daemon, now, words};
use crate::config::Readiness;
use crate::core::{BLIND_WAIT, Event, WorkerId};
use crate::sys::waiting::Sight;

/// From the end of a look to the next: a look takes less than a millisecond, so this costs a few percent of one core
/// while a worker is starting, and sees it well within 20 ms.
const PAUSE: Duration = Duration::from_millis(5);

impl Daemon {
    /// Whether there is anything to look at.
    pub(super) fn looks(&self) -> bool {
        self.visible().next().is_some()
    }

    /// The starting workers whose program runs, and whose readiness can be seen.
    fn visible(&self) -> impl Iterator<Item = WorkerId> {
        self.core.starting().filter(|id| {
            let auto = matches!(self.recipe_of(*id).config.readiness, Readiness::Auto { .. });
            let worker = self.workers.get(id);
            auto && worker.is_some_and(|worker| worker.launch.is_none())
        })
    }

    pub(super) fn look(&mut self) {
        for id in self.visible().collect::<Vec<_>>() {
            let adopted = self.look_at_adopted(id);
            let Some(worker) = self.workers.get_mut(&id) else {
                continue;
            };
            let sight = adopted.unwrap_or_else(|| worker.sight.watcher.look(self.sockets.inodes()));
            let waiting = matches!(sight, Sight::Waiting(_));
            let changed = std::mem::replace(&mut worker.sight.waiting, waiting) != waiting;
            let blind = matches!(sight, Sight::Blind(_));
            let blind_changed = std::mem::replace(&mut worker.sight.blind, blind) != blind;
            let pid = worker.child.pid();
            if let Sight::Blind(reason) = sight
                && !std::mem::replace(&mut self.blind_said, true)
            {
                self.log.say(format!(
                    "Cannot see whether {pid} waits for connections: {reason}. Without READY=1 it counts as ready \
                     after {} of life (-start sets another time)",
                    words::span(BLIND_WAIT)
                ));
            }
            if blind_changed {
                self.handle(Event::Blind(id, blind));
            }
            if changed {
                self.handle(Event::Waiting(id, waiting));
            }
        }
        self.next_look = now() + PAUSE;
    }
}
