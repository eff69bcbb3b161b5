//! What the operator asked for, parsed once into types that cannot be wrong.
//!
//! Nothing downstream checks again: a value of these types is valid, and only the operating system can still refuse
//! it (a busy port, an unknown user, a missing program).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wire::env_file::Variables;
use crate::wire::protocol::Protocol;
use crate::wire::uri::ListenUri;
pub use check::{Check, CheckError, ExecCheck, HttpCheck};

pub mod check;
pub mod listeners;
pub mod source;
pub mod stop_signals;

/// The most workers that can be asked for: more than a machine runs, so that a slip of the finger is refused.
pub const MOST_WORKERS: u32 = 10_000;

/// All that the command line and the configuration file say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The program as typed: a path, or a name to look up in `PATH` at each start.
    pub command: OsString,
    /// What the verbs call it; `None` goes by the program.
    pub name: Option<String>,
    /// The program's own arguments, without `argv[0]`, and with descriptors where a listener was named.
    pub args: Vec<OsString>,
    /// What is set in the program's environment, over what the supervisor has itself; the last of a name holds.
    pub environment: Variables,
    /// Where the program starts; `None` is the supervisor's own directory, by its name.
    pub directory: Option<PathBuf>,
    /// The sockets to open and hold: the first is the worker's fd 3, the next fd 4, … With `adopt` they are given to
    /// the program when it binds the same address.
    pub listeners: Vec<ListenUri>,
    /// What the program opens itself and is taken over from it; `None` passes the listeners as descriptors.
    pub adopt: Option<Adopt>,
    /// How the program is told of the sockets that it is passed; none is as the original does.
    pub protocols: Vec<Protocol>,
    /// The index of the listener that is also the program's standard input.
    pub stdin: Option<usize>,
    /// The pid of a running process whose listening sockets are taken at the start, and which is then told to stop.
    pub take_over: Option<i32>,
    /// How many workers there are, at least one.
    pub workers: u32,
    /// How a reload replaces them.
    pub strategy: Strategy,
    /// How long new workers must live on, once ready, before the old ones are told to stop.
    pub bake: Duration,
    /// How a worker shows that it is ready.
    pub readiness: Readiness,
    /// How long a worker may be starting before the reload fails.
    pub ready_timeout: Duration,
    /// How long a draining worker may take; `None` waits for ever.
    pub drain_timeout: Option<Duration>,
    /// How long a worker may take after a stop request; `None` waits for ever.
    pub kill_timeout: Option<Duration>,
    /// What tells a worker to drain, as a signal number.
    pub stop_signal: i32,
    /// What to do when a worker ends by itself.
    pub restart: Restart,
    /// The login whose rights the worker gets.
    pub user: Option<String>,
    /// Where the log goes.
    pub log_target: LogTarget,
    /// How a line of the log looks.
    pub log_format: LogFormat,
    /// What becomes of the workers if the supervisor is killed.
    pub orphans: Orphans,
    /// Where metrics, health and status can be read over TCP.
    pub metrics: Option<ListenUri>,
}

impl Config {
    /// The name by which the verbs find the supervisor: its own, or the last part of the program's.
    #[must_use]
    pub fn instance_name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let name = Path::new(&self.command).file_name();
        let name = name.unwrap_or(&self.command);
        name.to_string_lossy().into_owned()
    }
}

/// Which of the sockets that the program opens itself are held for its next generations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopt {
    /// Whatever it listens on.
    Anything,
    /// These addresses alone, at least one, as [`ListenUri::to_adopt`] reads them.
    These(Vec<ListenUri>),
}

/// How a reload replaces the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Some at a time; the first that fails stops it.
    Rolling {
        /// So many, at least one.
        surge: u32,
    },
    /// All at once, or none.
    All,
}

/// How a worker shows that it is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// `READY=1` counts at once; being seen waiting on a listener counts after `settle`; where nothing can be seen,
    /// three seconds of life count.
    Auto {
        /// How long a worker that was seen waiting must live on.
        settle: Duration,
    },
    /// Alive after this long, as the original has it with `-start`. Zero is ready at once.
    Timer(Duration),
    /// `READY=1` on its `$NOTIFY_SOCKET`, and nothing else.
    Notify,
    /// A newline on a descriptor of its own: this one, or the first after the listeners.
    Fd(Option<i32>),
    /// The ACK on einhorn's command socket.
    Einhorn,
    /// It passes a check of its own port, or a command says so.
    Check(Check),
}

impl Readiness {
    /// Whether `READY=1` counts. With `-start` time alone decides, as in the original; and what was asked for must not
    /// be overtaken by a library's word.
    #[must_use]
    pub fn hears_notify(&self) -> bool {
        matches!(self, Self::Auto { .. } | Self::Notify)
    }
}

/// What to do when a worker ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// The service ends with the worker's status.
    Never,
    /// A crash is followed by a new start; exit 0 ends the service.
    #[default]
    OnFailure,
    /// Always a new start.
    Always,
}

/// Where the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// The supervisor's standard error.
    Stderr,
    /// The local syslog socket, tag `socketmaster`, severity INFO.
    Syslog,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The original's: `socketmaster[PID] 2006/01/02 15:04:05 [CHILD] text`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What becomes of the workers if the supervisor is killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// They serve on.
    #[default]
    Keep,
    /// The kernel sends them the stop signal.
    Kill,
}
