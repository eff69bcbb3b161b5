//! The command line: Go's flag syntax, read once into a [`Config`].
//!
//! `flags` says which flags there are, `tokens` finds them in argv, `values` reads what they are set to, `help` shows
//! them, and `describe` tells clap about them.

use std::ffi::OsString;
use std::path::PathBuf;

pub mod describe;
pub mod error;
pub mod flags;
pub mod help;
pub mod tokens;
pub mod values;

#[cfg(test)]
mod tests;

pub use describe::command;
pub use error::CliError;

use crate::config::{Config, LogTarget, Readiness, listeners};
use flags::Draft;
use tokens::End;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Supervise.
    Run(Box<Config>),
    /// Print this help. The original prints it on standard error and ends with 0.
    Help(String),
    /// Print this version on standard output and end with 0.
    Version(String),
    /// Show a reload without loss.
    Demo,
}

/// Reads the arguments, without `argv[0]`.
pub fn parse(args: &[OsString]) -> Result<Invocation, CliError> {
    if let Some((first, rest)) = args.split_first()
        && first == "demo"
    {
        return demo(rest);
    }
    let mut draft = Draft::default();
    match tokens::walk(args, &mut draft)? {
        End::Help => Ok(Invocation::Help(help::text())),
        End::Words(_) if draft.version => Ok(Invocation::Version(version())),
        End::Words(words) => Ok(Invocation::Run(Box::new(config(draft, words)?))),
    }
}

fn demo(rest: &[OsString]) -> Result<Invocation, CliError> {
    match rest.first() {
        None => Ok(Invocation::Demo),
        Some(word) if ["-h", "-help", "--h", "--help"].iter().any(|h| word == h) => {
            Ok(Invocation::Help(help::demo()))
        }
        Some(word) => Err(CliError::DemoArgument {
            word: word.to_string_lossy().into(),
        }),
    }
}

fn version() -> String {
    format!("socketmaster {}\n", env!("CARGO_PKG_VERSION"))
}

/// An empty string is as good as no flag, as in the original.
fn config(draft: Draft, words: &[OsString]) -> Result<Config, CliError> {
    listeners::check(&draft.listen)?;
    if draft.command.is_empty() {
        return Err(CliError::NoCommand);
    }
    Ok(Config {
        command: draft.command,
        args: words.to_vec(),
        directory: Some(PathBuf::from(draft.directory)).filter(|path| !path.as_os_str().is_empty()),
        listeners: draft.listen,
        readiness: match draft.start {
            Some(start) => Readiness::Timer(start),
            None => Readiness::Auto {
                settle: draft.settle,
            },
        },
        ready_timeout: draft.ready_timeout,
        drain_timeout: draft.drain_timeout,
        kill_timeout: draft.kill_timeout,
        stop_signal: draft.stop_signal,
        restart: draft.restart,
        user: Some(draft.user).filter(|login| !login.is_empty()),
        log_target: if draft.syslog {
            LogTarget::Syslog
        } else {
            LogTarget::Stderr
        },
        log_format: draft.log_format,
        orphans: draft.orphans,
    })
}
