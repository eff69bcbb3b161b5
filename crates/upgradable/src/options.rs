//! What a server may want otherwise.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::server::Server;

/// How a [`Server`] is to behave; [`Options::start`] makes it.
///
/// ```no_run
/// use std::time::Duration;
/// use upgradable::{Options, Signal};
///
/// let server = Options::new()
///     .lame_duck(Duration::from_secs(10))
///     .upgrade_on(Signal::Usr2)
///     .start()?;
/// # Ok::<(), upgradable::Error>(())
/// ```
#[derive(Clone)]
pub struct Options {
    pub(crate) ready_timeout: Duration,
    pub(crate) lame_duck: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) explicit_ready: bool,
    pub(crate) upgrade_on: Option<Signal>,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) log: Arc<dyn Fn(&str) + Send + Sync>,
    pub(crate) state: Option<Arc<dyn Fn() -> Vec<u8> + Send + Sync>>,
}

/// A signal that can ask for an upgrade: signal(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGHUP, as for a reload in most servers.
    Hup,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2, as in nginx and unicorn.
    Usr2,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// What [`Server::new`] uses.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ready_timeout: Duration::from_secs(60),
            lame_duck: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(30),
            first_byte: Duration::from_secs(5),
            explicit_ready: false,
            upgrade_on: None,
            pid_file: None,
            log: Arc::new(|line| {
                // Without a place to write to there is none to complain at either.
                let _ = writeln!(io::stderr(), "upgradable[{}]: {line}", std::process::id());
            }),
            state: None,
        }
    }

    /// How long a new process may take to be ready before it is killed: 60 s.
    #[must_use]
    pub fn ready_timeout(mut self, span: Duration) -> Self {
        self.ready_timeout = span;
        self
    }

    /// How long a process that leaves only asks its clients to go, before it closes idle connections: 5 s. It should
    /// be longer than clients let a connection rest. It ends as soon as no connection is open.
    #[must_use]
    pub fn lame_duck(mut self, span: Duration) -> Self {
        self.lame_duck = span;
        self
    }

    /// How long a process that leaves may take in all, lame duck included, before it cuts what is still open: 30 s.
    /// A supervisor, or `TimeoutStopSec=` of systemd, must grant more than that.
    #[must_use]
    pub fn drain_timeout(mut self, span: Duration) -> Self {
        self.drain_timeout = span;
        self
    }

    /// How long a new connection may take for its first request while the process leaves: 5 s. It is not closed as
    /// idle before, because its request may be on the way.
    #[must_use]
    pub fn first_byte(mut self, span: Duration) -> Self {
        self.first_byte = span;
        self
    }

    /// The first accept does not make the server ready, [`Server::ready`] does; accept waits for it.
    #[must_use]
    pub fn explicit_ready(mut self) -> Self {
        self.explicit_ready = true;
        self
    }

    /// A signal that asks for an upgrade, whose outcome is logged.
    #[must_use]
    pub fn upgrade_on(mut self, signal: Signal) -> Self {
        self.upgrade_on = Some(signal);
        self
    }

    /// A file that holds the pid of the process that serves: `PIDFile=` of systemd.service(5), for what watches it.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.pid_file = Some(path.into());
        self
    }

    /// Where lines for the operator go: standard error.
    #[must_use]
    pub fn log(mut self, log: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.log = Arc::new(log);
        self
    }

    /// What the new process gets from this one ([`Server::state`]): up to 64 KiB, made when an upgrade begins. The
    /// new process may be of any version: it must be able to read it, or do without.
    #[must_use]
    pub fn state(mut self, state: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.state = Some(Arc::new(state));
        self
    }

    /// Makes the server: takes what was handed over and watches for signals. Do it first thing in `main`.
    ///
    /// # Errors
    /// See [`Server::new`].
    pub fn start(self) -> Result<Server, Error> {
        Server::start(self)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("ready_timeout", &self.ready_timeout)
            .field("lame_duck", &self.lame_duck)
            .field("drain_timeout", &self.drain_timeout)
            .finish_non_exhaustive()
    }
}
