//! The supervisor replaces its own program and keeps everything: pid, listeners, workers, log, timers, signals.
//!
//! First the program that now stands at our path is asked whether it understands our state ([`preflight`]); it must
//! say so in a word that no other program says. Only then do we become it. Up to the exec every failure leaves all as
//! it was, and the exec either works or comes back.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};

use serde::{Deserialize, Serialize};

use super::inputs::{Input, Inputs, Task};
use super::log::HeldLog;
use crate::config::Config;
use crate::core::{Generation, State, Time, WorkerId};
use crate::sys::process::Child;
use crate::sys::{fds, handover, user};
use crate::wire::held::HeldListener;
use crate::wire::launch::LaunchError;

/// `argv[0]` that makes this executable answer a preflight.
pub const PREFLIGHT: &str = "socketmaster-preflight";

/// The variable that names the descriptor of the state. Only we read it, and only if it was written for our pid.
const VARIABLE: &str = "SOCKETMASTER_HANDOVER";

/// The version of [`Handover`]. Fields are only ever added, with a default; a change that breaks that raises it.
const VERSION: u32 = 1;

/// How long the new program may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The whole state, as one program hands it to the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handover {
    /// See [`VERSION`].
    pub version: u32,
    /// Whose state it is.
    pub pid: u32,
    /// The path that we are executed by.
    pub program: PathBuf,
    /// Where workers start.
    pub directory: PathBuf,
    /// The limit of open descriptors that we were given.
    pub descriptors: Option<u64>,
    /// The decisions.
    pub core: State,
    /// The number of the last reload request.
    pub requests: u64,
    /// The listeners, in their order.
    pub listeners: Vec<HeldListener>,
    /// The workers.
    pub workers: Vec<HeldWorker>,
    /// The log.
    pub log: HeldLog,
    /// The run directory and its lock.
    pub rundir: Option<(PathBuf, i32)>,
    /// Whether the log has said that nothing can be seen of a worker.
    pub blind_said: bool,
}

/// One worker on its way through an upgrade.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldWorker {
    /// The core's name for it.
    pub id: WorkerId,
    /// Its generation.
    pub generation: Generation,
    /// Its process, which is still our child.
    pub pid: i32,
    /// When it was started.
    pub since: Time,
    /// Its notify socket.
    pub notify: Option<(PathBuf, i32)>,
    /// The launcher's socket, if the program does not run yet.
    pub launch: Option<i32>,
    /// Why the program could not be executed, if the launcher has said so and its end is yet to come.
    pub error: Option<LaunchError>,
    /// Whether it was seen waiting.
    pub waiting: bool,
    /// Whether nothing could be seen of it.
    #[serde(default)]
    pub blind: bool,
}

/// Why an upgrade did not happen.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The new program could not be asked.
    #[error("{0} cannot be executed: {1}")]
    Ask(PathBuf, io::Error),
    /// It did not say that it can go on.
    #[error("{0} did not answer as a socketmaster that can go on from here: {1}")]
    Answer(PathBuf, String),
    /// The state could not be written down.
    #[error("the state cannot be handed over: {0}")]
    State(io::Error),
    /// The last step.
    #[error("{0} cannot be executed: {1}")]
    Exec(PathBuf, io::Error),
}

/// A new program that is being asked.
#[derive(Debug)]
pub struct Preflight {
    child: Child,
    program: PathBuf,
    stdout: OwnedFd,
    stderr: OwnedFd,
    /// It is reaped; the answer is there.
    pub ended: bool,
    _patience: Task,
}

impl Preflight {
    /// Asks the program at `program`. Its end is the answer; [`Input::PreflightLate`] comes if there is none in time.
    ///
    /// # Errors
    /// See [`UpgradeError`].
    pub fn start(state: &Handover, inputs: &Inputs) -> Result<Self, UpgradeError> {
        let program = state.program.clone();
        let ask = |error| UpgradeError::Ask(program.clone(), error);
        let (stdout, to_stdout) = pipe().map_err(ask)?;
        let (stderr, to_stderr) = pipe().map_err(ask)?;
        let child = Command::new(&program)
            .arg0(PREFLIGHT)
            .args(env::args_os().skip(1))
            .stdin(Stdio::from(state.seal()?))
            .stdout(to_stdout)
            .stderr(to_stderr)
            .process_group(0)
            .spawn()
            .and_then(|child| Child::new(child.id().cast_signed()))
            .map_err(ask)?;
        let inputs = inputs.clone();
        let patience = Task::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            let _ = inputs.send(Input::PreflightLate);
        });
        let (stdout, stderr) = (stdout.into(), stderr.into());
        Ok(Self {
            child,
            program,
            stdout,
            stderr,
            ended: false,
            _patience: patience,
        })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.pid()
    }

    /// Ends it; its end then comes as that of any child.
    pub fn kill(&self) {
        // It may be any program by accident, with children of its own.
        let _ = self.child.signal_group(libc::SIGKILL);
    }

    /// What it said, now that it has ended.
    ///
    /// # Errors
    /// [`UpgradeError::Answer`] with its own words.
    pub fn answer(self) -> Result<(), UpgradeError> {
        if said(self.stdout.as_fd()).trim_end() == answer_word() {
            return Ok(());
        }
        let words = said(self.stderr.as_fd());
        let words = words.trim_end();
        let words = if words.is_empty() {
            "it said nothing"
        } else {
            words
        };
        Err(UpgradeError::Answer(self.program, words.to_owned()))
    }
}

/// What a pipe holds now; a grandchild may keep its other end open, so the end is not waited for.
fn said(fd: BorrowedFd<'_>) -> String {
    let mut bytes = vec![0; 4096];
    let length = rustix::io::ioctl_fionbio(fd, true)
        .and_then(|()| rustix::io::read(fd, &mut bytes[..]))
        .unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

fn answer_word() -> String {
    format!("socketmaster can go on from handover {VERSION}")
}

/// Answers the program that wants to become us: can we go on from the state on standard input, with these flags?
///
/// # Errors
/// Why not, for the other's log.
pub fn preflight(config: &Config) -> Result<(), String> {
    let bytes = handover::unseal(io::stdin()).map_err(|error| error.to_string())?;
    let state = Handover::read(&bytes).map_err(|error| error.to_string())?;
    if config.listeners.len() != state.listeners.len() {
        return Err("the listeners of the flags are not the ones that are held".into());
    }
    if let Some(login) = &config.user {
        user::find(login).map_err(|error| format!("user {login}: {error}"))?;
    }
    writeln!(io::stdout(), "{}", answer_word()).map_err(|error| error.to_string())
}

impl Handover {
    /// The number that goes into [`Handover::version`].
    #[must_use]
    pub fn version() -> u32 {
        VERSION
    }

    fn read(bytes: &[u8]) -> io::Result<Self> {
        let state: Self = serde_json::from_slice(bytes)?;
        if state.version == VERSION {
            return Ok(state);
        }
        let theirs = state.version;
        Err(io::Error::other(format!(
            "handover {theirs} is not {VERSION}, the one that this version knows"
        )))
    }

    fn seal(&self) -> Result<OwnedFd, UpgradeError> {
        let bytes = serde_json::to_vec(self).map_err(|error| UpgradeError::State(error.into()))?;
        handover::seal(&bytes).map_err(UpgradeError::State)
    }

    /// The state that the program before us left, if we were executed to go on.
    ///
    /// # Errors
    /// There is one and it cannot be read: what the preflight should have prevented.
    pub fn take() -> io::Result<Option<Self>> {
        let number = env::var(VARIABLE).ok().and_then(|value| {
            let (pid, fd) = value.split_once(':')?;
            (pid.parse() == Ok(process::id()))
                .then(|| fd.parse().ok())
                .flatten()
        });
        let Some(number) = number else {
            return Ok(None);
        };
        let memory = fds::take_over(number)?;
        Self::read(&handover::unseal(&memory)?).map(Some)
    }

    /// Becomes the new program, with the state and these descriptors. Comes back only with an error, and then
    /// nothing has changed.
    pub fn exec(&self, open: &[BorrowedFd<'_>]) -> UpgradeError {
        let memory = match self.seal() {
            Ok(memory) => memory,
            Err(error) => return error,
        };
        let error = (|| {
            for fd in open.iter().copied().chain([memory.as_fd()]) {
                if let Err(error) = fds::set_close_on_exec(fd, false) {
                    return error;
                }
            }
            let value = format!("{}:{}", process::id(), memory.as_raw_fd());
            let inherited = env::vars_os().filter(|(name, _)| name != VARIABLE);
            let ours = (OsString::from(VARIABLE), OsString::from(value));
            handover::exec(&self.program, env::args_os(), inherited.chain([ours]))
        })();
        for fd in open {
            // It was set before; that it could not be set again is no reason to stop serving.
            let _ = fds::set_close_on_exec(*fd, true);
        }
        UpgradeError::Exec(self.program.clone(), error)
    }
}
