//! The words that the core speaks: who, what happened, what to do.

use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Policy;

/// A moment of the monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds. It outlives an upgrade, which
/// `std::time::Instant` cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(pub u64);

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// One version of the app, brought up by one reload. From 1, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// One process of a generation. Never reused, so a late word about a dead worker cannot hit a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId(pub u64);

/// One request to reload. Each gets exactly one [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request(pub u64);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants a new generation.
    Reload(Request),
    /// All that the generation needs is there: it is brought up by these rules.
    Prepared(Generation, Policy),
    /// What the generation needs is not to be had.
    Unprepared(Generation),
    /// Somebody wants that many workers; at least one, as everywhere.
    Scale(u32),
    /// Somebody wants everything to end; workers get this very signal.
    Stop(i32),
    /// The worker's program has been executed.
    Launched(WorkerId),
    /// The worker says that it is ready.
    Ready(WorkerId),
    /// The worker asks for this much time from now, at least, to become ready.
    Extend(WorkerId, Duration),
    /// The worker was seen waiting for connections (`true`), or no longer is (`false`).
    Waiting(WorkerId, bool),
    /// Nothing can be seen of the worker (`true`): time must decide; or something can be seen after all (`false`).
    Blind(WorkerId, bool),
    /// The worker, which is ready, has passed one more check.
    Passed(WorkerId),
    /// The worker, which is ready, has failed too many checks.
    Unfit(WorkerId),
    /// The worker's process is gone.
    Exited(WorkerId, Ending),
    /// [`Supervisor::next_deadline`](super::Supervisor::next_deadline) has come.
    Timeout,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// It called exit with this status.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// Its program could not be executed.
    NotStarted,
}

impl Ending {
    /// The exit status that tells of it: the worker's own, 128 + the signal, or 1.
    #[must_use]
    pub fn status(self) -> u8 {
        match self {
            Self::Exit(status) => u8::try_from(status & 0xff).unwrap_or(1),
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::NotStarted => 1,
        }
    }
}

/// What the caller must do now, in this order. What comes of it returns as an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See to it that all is there for a reload's generation: answered by [`Event::Prepared`] or
    /// [`Event::Unprepared`].
    Prepare(Generation),
    /// Start a process of this generation in this slot.
    Start(WorkerId, Generation, u32),
    /// The worker is ready: look after the listeners, stop watching it start.
    Welcome(WorkerId),
    /// Send the configured stop signal.
    Drain(WorkerId),
    /// Send the configured stop signal to a worker that will not take over: a fellow failed, or it was not ready in time.
    Withdraw(WorkerId),
    /// Send the signal that asked for the stop.
    Forward(WorkerId, i32),
    /// Send SIGKILL, to the worker's whole process group.
    Kill(WorkerId, Why),
    /// A reload, or a start, has failed; said once, however many asked for it.
    Failed(WorkerId, Generation, Reason),
    /// Tell the one who asked.
    Verdict(Request, Verdict),
    /// A worker that ended by itself is started again after this long.
    Restart(Generation, Duration),
    /// Nothing is left to do: end with this status.
    Exit(u8),
}

/// Why a worker is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its program was not executed within the ready timeout.
    NotReady,
    /// It did not leave within the time that it was given: the drain timeout, the kill timeout after a stop, or a last
    /// chance after the ready timeout.
    NotGone,
    /// A second stop request.
    StopAgain,
    /// A fellow of its generation has failed.
    Withdrawn,
}

/// Why a reload failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The new worker ended before it was ready.
    Ended(Ending),
    /// The new worker was not ready within the ready timeout.
    NotReady,
    /// The new worker was ready, but ended before the reload was done: before it took over, or while others had yet to.
    DidNotLast(Ending),
    /// What the new generation needs was not to be had.
    Unprepared,
    /// The new worker was ready, but failed its checks before it took over.
    Unfit,
}

/// How many slots a reload that failed had taken over before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// These.
    pub replaced: u32,
    /// Of so many.
    pub of: u32,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This generation serves; the older ones were told to drain.
    Done(Generation),
    /// This generation failed. What it has taken over before stays, nothing else changed.
    Failed(Generation, Reason, Share),
    /// A stop came first, or the service was ending.
    Superseded,
}
