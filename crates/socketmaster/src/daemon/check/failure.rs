//! Why a check did not pass, in the words of the log.

use std::io;
use std::time::Duration;

use crate::daemon::launch::StartError;
use crate::daemon::words;
use crate::sys::process::End;
use crate::wire::launch::LaunchError;

/// Why a check did not pass.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No connection.
    #[error("{}", plain(.0))]
    Io(#[from] io::Error),
    /// Nobody has taken the connection.
    #[error("nobody was seen to accept the connection within {}", words::span(*.0))]
    NotAccepted(Duration),
    /// It takes too long.
    #[error("no answer within {}", words::span(*.0))]
    Late(Duration),
    /// Something else than HTTP.
    #[error("no HTTP answer")]
    NotHttp,
    /// No port was left when the worker was started.
    #[error("no port was free for it")]
    NoPort,
    /// Not 2xx.
    #[error("answer {0}")]
    Answer(u16),
    /// 3xx.
    #[error("answer {0}, a redirect, which is not followed: name the address that it leads to")]
    Redirect(u16),
    /// This other child of ours, or its descendant, has taken the connection.
    #[error("{0} accepts connections there, which is not this worker")]
    Other(i32),
    /// Nobody of ours has taken it.
    #[error("a process that is not of this service accepts connections there")]
    Stranger,
    /// The worker's descriptors cannot be seen.
    #[error(
        "the worker's descriptors may not be looked at, so nobody knows whose answer it is: take exec: instead"
    )]
    Hidden,
    /// The kernel does not say who has taken the connection.
    #[error(
        "this kernel does not say whose answer it is (sock_diag for TCP, module tcp_diag): take exec: instead"
    )]
    NoDiag,
    /// There is no command, or it could not be begun.
    #[error("{}", start(.0))]
    Start(#[from] StartError),
    /// The command could not be executed.
    #[error("{0}")]
    Launch(LaunchError),
    /// The command took too long, and was killed.
    #[error("no end within {}", words::span(*.0))]
    Endless(Duration),
    /// How the command ended.
    #[error("{}", end(*.0))]
    Ended(End),
    /// The check is well, but the program has not bound these.
    #[error("it passes, but the program has not bound {}", .0.join(", "))]
    NotBound(Vec<String>),
}

/// Without the number of the error, where there are words.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => error.kind().to_string(),
        io::ErrorKind::AddrNotAvailable => "not an address of this machine".into(),
        _ => error.to_string(),
    }
}

fn start(error: &StartError) -> String {
    match error {
        StartError::Lookup(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn end(end: End) -> String {
    match end {
        End::Exit(status) => format!("exit status {status}"),
        End::Signal(number) => format!("ended by SIG{}", crate::sys::signals::name(number)),
    }
}
