//! The rules that the operator sets.

use std::collections::BTreeMap;
use std::time::Duration;

use super::types::Generation;
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
    /// Whether the very first worker starts before the others, because what it binds is given to them.
    pub first_alone: bool,
    /// Makes the jitter of one supervisor differ from that of the next.
    pub seed: u64,
}

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
}

impl From<&Readiness> for Sign {
    fn from(readiness: &Readiness) -> Self {
        match readiness {
            Readiness::Auto { settle } => Self::Waiting { settle: *settle },
            Readiness::Timer(after) => Self::Life(*after),
            Readiness::Notify | Readiness::Fd(_) | Readiness::Einhorn | Readiness::Check(_) => {
                Self::Word
            }
        }
    }
}

/// The rules by the generations that they came with: a worker is judged by those that it was started by.
#[derive(Clone, Debug)]
pub(super) struct Policies {
    /// What holds for all that are older than the others.
    first: Policy,
    later: BTreeMap<Generation, Policy>,
}

impl Policies {
    pub(super) fn new(first: Policy) -> Self {
        Self {
            first,
            later: BTreeMap::new(),
        }
    }

    /// Those of a generation.
    pub(super) fn of(&self, generation: Generation) -> &Policy {
        let mut up_to = self.later.range(..=generation);
        up_to.next_back().map_or(&self.first, |(_, policy)| policy)
    }

    /// Those that came last and did not fail: they say how old ones leave.
    pub(super) fn newest(&self) -> &Policy {
        self.later.values().next_back().unwrap_or(&self.first)
    }

    pub(super) fn insert(&mut self, generation: Generation, policy: Policy) {
        self.later.insert(generation, policy);
    }

    pub(super) fn remove(&mut self, generation: Generation) {
        self.later.remove(&generation);
    }

    /// Forgets what nobody is judged by any more.
    pub(super) fn forget_before(&mut self, oldest: Generation) {
        self.first = *self.of(oldest);
        self.later.retain(|generation, _| *generation > oldest);
    }
}
