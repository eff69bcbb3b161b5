//! What the flags have said, and the [`Config`] that it comes to.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::error::CliError;
use super::flags::Flag;
use super::form::Form;
use crate::config::{
    Adopt, Config, LogFormat, LogTarget, Orphans, Readiness, Restart, Strategy, listeners,
    stop_signals,
};
use crate::wire::uri::ListenUri;

/// What the flags have said so far.
#[derive(Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the value of the flag of its name"
)]
pub struct Draft {
    pub command: OsString,
    pub listen: Vec<ListenUri>,
    pub adopt: Option<Adopt>,
    /// `-pid`.
    pub take_over: Option<i32>,
    pub directory: OsString,
    pub user: String,
    pub name: String,
    pub workers: u32,
    pub strategy_all: bool,
    pub surge: u32,
    pub bake: Duration,
    pub start: Option<Duration>,
    pub settle: Duration,
    pub ready_timeout: Duration,
    pub drain_timeout: Option<Duration>,
    pub stop_signal: Option<i32>,
    pub kill_timeout: Option<Duration>,
    pub restart: Restart,
    pub orphans: Orphans,
    pub syslog: bool,
    pub log_format: LogFormat,
    pub metrics: Option<ListenUri>,
    pub version: bool,
}

impl Draft {
    /// Before the first flag: a verb adopts whatever the program opens.
    pub fn new(form: Form) -> Self {
        Self {
            adopt: form.verb().map(|_| Adopt::Anything),
            ..Self::default()
        }
    }

    /// What holds where a flag is not given. A program that is adopted brings its own sockets and its own stop signal.
    pub fn default_of(&self, flag: &Flag) -> Option<&'static str> {
        match flag.name {
            "listen" | "stop-signal" if self.adopt.is_some() => None,
            _ => flag.default,
        }
    }

    /// What it comes to, with the words after the flags. An empty string is as good as no flag, as in the original.
    pub fn into_config(self, form: Form, words: &[OsString]) -> Result<Config, CliError> {
        listeners::check(&self.listen)?;
        let (command, args) = match form.verb() {
            Some(verb) if self.adopt.is_none() => return Err(CliError::MustAdopt { verb }),
            Some(_) if form == Form::Adopt && self.take_over.is_none() => {
                return Err(CliError::NoPid);
            }
            Some(_) => match words.split_first() {
                Some((program, args)) if !program.is_empty() => (program.clone(), args),
                _ => return Err(CliError::NoProgram),
            },
            None if self.command.is_empty() => return Err(CliError::NoCommand { word: None }),
            None => (self.command, words),
        };
        let stop_signal = self.stop_signal;
        Ok(Config {
            args: args.to_vec(),
            directory: Some(PathBuf::from(self.directory))
                .filter(|path| !path.as_os_str().is_empty()),
            listeners: self.listen,
            adopt: self.adopt,
            take_over: self.take_over,
            workers: self.workers,
            strategy: if self.strategy_all {
                Strategy::All
            } else {
                Strategy::Rolling { surge: self.surge }
            },
            bake: self.bake,
            readiness: match self.start {
                Some(start) => Readiness::Timer(start),
                None => Readiness::Auto {
                    settle: self.settle,
                },
            },
            ready_timeout: self.ready_timeout,
            drain_timeout: self.drain_timeout,
            kill_timeout: self.kill_timeout,
            stop_signal: stop_signal.unwrap_or_else(|| stop_signals::of(&command)),
            restart: self.restart,
            user: Some(self.user).filter(|login| !login.is_empty()),
            name: Some(self.name).filter(|name| !name.is_empty()),
            log_target: if self.syslog {
                LogTarget::Syslog
            } else {
                LogTarget::Stderr
            },
            log_format: self.log_format,
            orphans: self.orphans,
            metrics: self.metrics,
            command,
        })
    }
}
