//! What can go wrong, in the words of who has to deal with it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// Why a server cannot go on. Its debug form is the same text, so that it can be returned from `main`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is a [`Server`](crate::Server) in this process already.
    #[error("this process has a Server already: make it once, first thing in main, and clone it")]
    Twice,
    /// The system refuses what the server needs to watch over itself.
    #[error("the server cannot watch over itself: {0}")]
    Watch(#[source] io::Error),
    /// What was handed over cannot be used.
    #[error("the sockets handed over by {from} cannot be taken: {why}")]
    Inherited {
        /// Who handed them over.
        from: &'static str,
        /// What is wrong with them.
        why: String,
    },
    /// The text is no address.
    #[error("{0:?} is no address to listen on: {1}")]
    Address(String, &'static str),
    /// Sockets were handed over and none is the one that is asked for. Binding another one beside them would serve a
    /// port that nobody reloads.
    #[error(
        "{from} handed over {held}, and the server asks for {asked}: make the two the same, or take it by name with \
         listen_as"
    )]
    Unmatched {
        /// Who handed them over.
        from: &'static str,
        /// What is asked for.
        asked: String,
        /// What there is.
        held: String,
    },
    /// More than one of the sockets handed over is the one that is asked for.
    #[error("{asked} means more than one of the sockets handed over: {held}")]
    Ambiguous {
        /// What is asked for.
        asked: String,
        /// What there is.
        held: String,
    },
    /// The same socket is asked for a second time.
    #[error("{0} is listened on already: share the one Listener")]
    Duplicate(String),
    /// The address cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Bind(String, #[source] io::Error),
    /// A socket cannot be used with the runtime.
    #[error("cannot use the socket {0} here: {1}")]
    Runtime(String, #[source] io::Error),
    /// The drain timeout has come first.
    #[error(transparent)]
    Cut(#[from] Cut),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The drain timeout came before the end of all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{connections} connections were still open at the end of the drain timeout, and are cut")]
#[non_exhaustive]
pub struct Cut {
    /// How many were open.
    pub connections: usize,
}

/// Why an upgrade did not happen. The server carries on as before; except for the first two groups it can be tried
/// again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// A supervisor started this process, and would not know its successor.
    #[error("{0} runs this server and would lose sight of a successor: {1}")]
    Supervised(&'static str, &'static str),
    /// This process is the first of its container, which ends with it.
    #[error(
        "this server is process 1, and its container ends with it: run it under socketmaster, and send that HUP"
    )]
    First,
    /// A shell waits for this process at a terminal.
    #[error(
        "this server runs in the foreground of a terminal, which a successor would lose: start it with `&`, or run it \
         under socketmaster and send that HUP"
    )]
    Foreground,
    /// The server is not ready itself.
    #[error("this server is not ready itself yet")]
    NotReady,
    /// The process that this one replaced has not ended.
    #[error("the process that this one has replaced still finishes its connections")]
    Predecessor,
    /// There is an upgrade under way.
    #[error("an upgrade is under way already")]
    Busy,
    /// This process leaves already.
    #[error("this server is leaving already")]
    Leaving,
    /// The directory that the server was started in is gone, so its program cannot be started there.
    #[error("{0}, where this server was started, is gone: {1}")]
    Directory(PathBuf, #[source] io::Error),
    /// The new program cannot be executed.
    #[error("{0} cannot be started: {1}")]
    Start(PathBuf, #[source] io::Error),
    /// The sockets, or the state, cannot be handed over.
    #[error("the sockets cannot be handed over: {0}")]
    HandOver(#[source] io::Error),
    /// The new program has ended before it was ready.
    #[error("the new program ended before it was ready: {}", ended(*.0))]
    Ended(Option<ExitStatus>),
    /// The new program was not ready in time, and was killed.
    #[error("the new program was not ready within {0:?}, and was killed")]
    Late(Duration),
    /// A stop was asked for meanwhile.
    #[error("the server was told to stop meanwhile")]
    Stopped,
}

fn ended(status: Option<ExitStatus>) -> String {
    status.map_or_else(
        || "somebody else has reaped it".to_owned(),
        |status| status.to_string(),
    )
}
