//! The rules that the operator sets.

use std::time::Duration;

use crate::config::{Readiness, Restart};

/// How long things may take, and what a worker's end means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What counts as ready.
    pub sign: Sign,
    /// How long a worker may be starting.
    pub ready_timeout: Duration,
    /// How long an old generation may drain; `None` waits for ever.
    pub drain_timeout: Option<Duration>,
    /// How long a worker may take after a stop request; `None` waits for ever.
    pub kill_timeout: Option<Duration>,
    /// The signal that a drain sends: a death by it is clean.
    pub stop_signal: i32,
    /// What to do when a worker ends by itself.
    pub restart: Restart,
    /// How many workers there are to be. What was scaled to holds until a reload says another number than the one
    /// before it.
    pub workers: u32,
    /// How many slots a reload replaces at a time, at least one.
    pub step: u32,
    /// How long new workers must live on, once ready, before they take over.
    pub bake: Duration,
    /// Whether the first worker of a generation starts before the others of its step, because what it binds is given to
    /// them.
    pub first_alone: bool,
    /// Makes the jitter of one supervisor differ from that of the next.
    pub seed: u64,
}

impl Policy {
    /// How long a worker that is told to stop before it is ready has for what it has accepted by then.
    pub(super) fn last_chance(&self) -> Duration {
        self.drain_timeout.unwrap_or(LAST_CHANCE).min(LAST_CHANCE)
    }
}

/// More is not granted where nobody knows whether there is anything to finish.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// Where nothing can be seen of a worker, it is ready when it has lived this long: the original's default.
pub const BLIND_WAIT: Duration = Duration::from_millis(3000);

/// By what a worker is ready, beside [`Event::Ready`](super::Event::Ready), which counts whenever it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It was seen waiting, and has lived on for the settle time; where nothing can be seen, for [`BLIND_WAIT`].
    Waiting {
        /// How long it must live on.
        settle: Duration,
    },
    /// It has lived for this long.
    Life(Duration),
    /// None: only the event.
    Word,
    /// None: only the event, and at the end of the bake [`Event::Passed`](super::Event::Passed).
    Check,
}

impl From<&Readiness> for Sign {
    fn from(readiness: &Readiness) -> Self {
        match readiness {
            Readiness::Auto { settle } => Self::Waiting { settle: *settle },
            Readiness::Timer(after) => Self::Life(*after),
            Readiness::Notify | Readiness::Fd(_) | Readiness::Einhorn => Self::Word,
            Readiness::Check(_) => Self::Check,
        }
    }
}
