//! Why a verb did not come to its end.

use std::io;

use super::words;
use super::{What, status_of};

/// Why a verb did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No supervisor was found.
    #[error(
        "no instance runs{}",
        if *.root { "" } else { " that you may speak to (root finds those of all users)" }
    )]
    NoneRuns {
        /// Whether we are root.
        root: bool,
    },
    /// None of that name.
    #[error(
        "no instance {name} runs{}; these do:\n{running}",
        .nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean {nearest}?)"))
    )]
    Unknown {
        /// The name as typed.
        name: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// Those that run, as a table.
        running: String,
    },
    /// More than one fits.
    #[error("say which, by {by}:\n{running}")]
    Several {
        /// `name` or `pid`.
        by: &'static str,
        /// Those that fit, as a table.
        running: String,
    },
    /// There are supervisors, and they do not answer.
    #[error("no answer from pid {}: is it stopped, or are its clients too many?", words::list(.0))]
    Silent(Vec<i32>),
    /// It was asked and does not want to.
    #[error("{name}: {why}")]
    Refused {
        /// The instance.
        name: String,
        /// Its words.
        why: String,
    },
    /// It ended while we listened.
    #[error("{name}: the supervisor (pid {pid}) has ended: its log says why")]
    Ended {
        /// The instance.
        name: String,
        /// Its pid.
        pid: i32,
    },
    /// The verdict was not heard and cannot be found out any more.
    #[error(
        "{name}: the verdict was lost while the supervisor was upgraded; look with: socketmaster status {name}"
    )]
    Lost {
        /// The instance.
        name: String,
    },
    /// The time is over.
    #[error("{}", late(.0, .1))]
    Late(String, What),
    /// The time is over, and nothing was asked.
    #[error("no answer in time: nothing was asked for")]
    NotFoundInTime,
    /// Standard output takes nothing.
    #[error("cannot write to standard output: {0}")]
    Print(io::Error),
    /// No runtime.
    #[error("cannot wait for anything: {0}")]
    Runtime(io::Error),
}

impl ClientError {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::NoneRuns { .. } | Self::Unknown { .. } | Self::Ended { .. } => {
                status_of::NOT_RUNNING
            }
            Self::Several { .. } => status_of::USAGE,
            Self::Late(..) | Self::NotFoundInTime => status_of::TIMED_OUT,
            Self::Silent(_)
            | Self::Refused { .. }
            | Self::Lost { .. }
            | Self::Print(_)
            | Self::Runtime(_) => status_of::FAILED,
        }
    }
}

fn late(name: &str, what: &What) -> String {
    let what = match what {
        What::Reload { .. } => "not done in time; the reload goes on by itself",
        What::Stop { .. } => "not gone in time; it goes on ending by itself",
        What::Upgrade { .. } => "not upgraded in time; if it failed, the log says why",
        What::Status { .. } | What::Scale { .. } | What::Logs { .. } => "no answer in time",
    };
    format!("{name}: {what}: look with: socketmaster status {name}")
}
