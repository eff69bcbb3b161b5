//! What the flags have said, and the [`Config`] that it comes to.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::error::CliError;
use super::flag::Flag;
use super::form::Form;
use super::tokens;
use crate::config::{
    Adopt, Config, LogFormat, LogTarget, Orphans, Readiness, Restart, Strategy, listeners,
    stop_signals,
};
use crate::launcher::FIRST_LISTENER;
use crate::wire::arguments::{self, NoListener};
use crate::wire::env_file::Variables;
use crate::wire::protocol::Protocol;
use crate::wire::uri::{Address, ListenUri};

/// What the flags have said so far.
#[derive(Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the value of the flag of its name"
)]
pub struct Draft {
    pub command: OsString,
    /// What the configuration file sets in the environment.
    pub environment: Variables,
    pub listen: Vec<ListenUri>,
    pub adopt: Option<Adopt>,
    pub env: Vec<Protocol>,
    pub fd0: String,
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
    /// `-ready`; `None` is auto.
    pub ready: Option<Readiness>,
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

    /// Puts the defaults where nothing was said.
    pub fn fill(&mut self, flags: &[&'static Flag], said: &[&str]) -> Result<(), CliError> {
        for flag in flags.iter().filter(|flag| !said.contains(&flag.name)) {
            if let Some(default) = self.default_of(flag) {
                tokens::set(flag, self, OsStr::new(default))?;
            }
        }
        Ok(())
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
            None => (self.command.clone(), words),
        };
        self.for_program(command, args)
    }

    /// What it comes to for this program, if the listeners can stand side by side.
    pub fn for_program(self, command: OsString, args: &[OsString]) -> Result<Config, CliError> {
        let (args, stdin) = self.with_descriptors(args)?;
        let readiness = self.readiness()?;
        let stop_signal = self.stop_signal;
        Ok(Config {
            args,
            environment: self.environment,
            protocols: self.env,
            stdin,
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
            readiness,
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

    /// How a worker shows that it is ready. A descriptor for that must be none of the listeners'.
    fn readiness(&self) -> Result<Readiness, CliError> {
        let passed = self.listen.iter().filter(|_| self.adopt.is_none());
        let mut passed = (FIRST_LISTENER..).zip(passed);
        match (self.start, &self.ready) {
            (Some(_), Some(_)) => Err(CliError::StartAndReady),
            (Some(start), None) => Ok(Readiness::Timer(start)),
            (None, None) => Ok(Readiness::Auto {
                settle: self.settle,
            }),
            (None, Some(Readiness::Fd(Some(fd)))) if passed.any(|(taken, _)| taken == *fd) => {
                Err(CliError::ReadyFd { fd: *fd })
            }
            (None, Some(readiness)) => Ok(readiness.clone()),
        }
    }

    /// The arguments with the descriptors that they name, and the listener that is the standard input. A program that
    /// opens its own sockets is passed none, and its arguments are its own.
    fn with_descriptors(
        &self,
        args: &[OsString],
    ) -> Result<(Vec<OsString>, Option<usize>), CliError> {
        if self.adopt.is_some() {
            return match (&*self.env, &*self.fd0) {
                ([], "") => Ok((args.to_vec(), None)),
                ([], _) => Err(CliError::NothingPassed { flag: "fd0" }),
                _ => Err(CliError::NothingPassed { flag: "env" }),
            };
        }
        let mut uris = self.listen.iter();
        let path = uris.find(|uri| matches!(uri.address, Address::UnixPath(..)));
        if let (true, Some(uri)) = (self.env.contains(&Protocol::PhpFpm), path) {
            return Err(CliError::PhpFpmPath {
                uri: uri.text.clone(),
            });
        }
        let names = self.listen.iter().map(|uri| match &uri.address {
            Address::Systemd(given) => uri.name.as_deref().or(given.as_deref()),
            _ => uri.name.as_deref(),
        });
        let names: Vec<_> = names.map(Option::unwrap_or_default).collect();
        // What comes after the listeners, unless it has a number of its own.
        let ready = matches!(self.ready, Some(Readiness::Fd(None))).then_some("ready");
        let all: Vec<_> = names.iter().copied().chain(ready).collect();
        let known = self.known(&all);
        let args = args.iter().map(|arg| {
            arguments::with_descriptors(arg, known, FIRST_LISTENER).map_err(|missing| {
                self.behind_several(&missing, &all)
                    .unwrap_or_else(|| CliError::Argument {
                        argument: arg.to_string_lossy().into(),
                        missing,
                    })
            })
        });
        let args = args.collect::<Result<_, _>>()?;
        let stdin = match &*self.fd0 {
            "" => None,
            name => Some(
                arguments::listener(name, self.known(&names)).map_err(|missing| {
                    self.behind_several(&missing, &names)
                        .unwrap_or(CliError::Fd0(missing))
                })?,
            ),
        };
        Ok((args, stdin))
    }

    /// The first listener that may be several sockets, and where it stands.
    fn several(&self) -> Option<(usize, &ListenUri)> {
        let mut all = self.listen.iter().enumerate();
        all.find(|(_, uri)| matches!(uri.address, Address::Systemd(_)))
    }

    /// The names of those whose descriptor is known before the start: behind one that may be several it is not.
    fn known<'a>(&self, names: &'a [&'a str]) -> &'a [&'a str] {
        let end = self.several().map_or(names.len(), |(index, _)| index + 1);
        &names[..end]
    }

    fn behind_several(&self, missing: &NoListener, names: &[&str]) -> Option<CliError> {
        let (_, uri) = self.several()?;
        arguments::listener(&missing.name, names).ok()?;
        Some(CliError::BehindSystemd {
            name: missing.name.clone(),
            uri: uri.text.clone(),
        })
    }
}
