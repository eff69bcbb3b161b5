//! The words that the core and its keeper speak.

use std::time::Duration;

/// A moment, as the time since a start that all moments share.
pub(crate) type Time = Duration;

/// One call of `upgrade`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request(pub(crate) u64);

/// What is configurable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// How long a successor may take to be ready.
    pub(crate) ready_timeout: Duration,
    /// How long connections are only asked to go.
    pub(crate) lame_duck: Duration,
    /// How long a process that leaves may take in all.
    pub(crate) drain_timeout: Duration,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The server wants to serve.
    Ready,
    /// The predecessor has noted it, and stops accepting.
    Welcomed,
    /// The predecessor goes on without us.
    TurnedAway,
    /// The predecessor has ended.
    PredecessorGone,
    /// An upgrade is asked for.
    Upgrade(Request),
    /// The successor could not even be started.
    NotStarted,
    /// The successor is ready.
    SuccessorReady,
    /// The successor has been told that it may serve.
    SuccessorWelcomed,
    /// The successor has ended, and is reaped.
    SuccessorEnded,
    /// A stop is asked for.
    Stop,
    /// No connection is open, and none can come. Said as long as it is so.
    Idle,
    /// The server's `main` knows that it is over.
    Noted,
    /// The deadline is over.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the predecessor that we are ready.
    Announce,
    /// Accept connections from now on.
    Serve,
    /// Start a successor.
    Start,
    /// Tell the successor that it may serve.
    Welcome,
    /// Kill the successor.
    Kill,
    /// Accept no more, and ask those who are connected to go. `last`: nobody comes after us, so what waits in the
    /// queues is ours to serve, and the socket files are ours to remove.
    Leave { last: bool },
    /// Close the connections that are idle.
    CloseIdle,
    /// Say how an upgrade ended.
    Answer(Request, Verdict),
    /// Nothing is left to do here: `main` is to end.
    Over,
    /// End the process, because a stop does not wait any more.
    Die,
    /// End the process, because its `main` does not.
    GiveUp,
}

/// How an upgrade ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The successor serves.
    Done,
    /// There was a successor, and it did not come to serve.
    Failed(Failure),
    /// It was not even tried.
    Refused(Refusal),
}

/// Why a successor did not come to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It could not be started.
    NotStarted,
    /// It ended.
    Ended,
    /// It was not ready in time.
    NotReady,
    /// A stop came first.
    Stopped,
}

/// Why an upgrade was not tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// We do not serve yet.
    NotReady,
    /// The predecessor has not ended.
    Predecessor,
    /// There is one under way.
    Busy,
    /// We leave already.
    Leaving,
}
