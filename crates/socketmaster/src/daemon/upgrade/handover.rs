//! The whole state of a supervisor, and the way it takes through the exec: a sealed memory file, named by a variable.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process;

use serde::{Deserialize, Serialize};

use super::UpgradeError;
use crate::config::source::Wording;
use crate::core::{Generation, State, Time, WorkerId};
use crate::daemon::adopt::{HeldCalls, HeldRemnant};
use crate::daemon::check::HeldCheck;
use crate::daemon::control::{Counters, Last};
use crate::daemon::listeners::Place;
use crate::daemon::log::HeldLog;
use crate::daemon::ready::HeldChannel;
use crate::sys::user::Account;
use crate::sys::{fds, handover};
use crate::wire::held::HeldListener;
use crate::wire::launch::LaunchError;

/// The variable that names the descriptor of the state. Only we read it, and only if it was written for our pid.
const VARIABLE: &str = "SOCKETMASTER_HANDOVER";

/// The version of [`Handover`]. Fields are only ever added, with a default; a change that breaks that raises it.
pub(super) const VERSION: u32 = 2;

/// The whole state, as one program hands it to the next.
#[derive(Debug, Serialize, Deserialize)]
pub struct Handover {
    /// The layout of all this, raised when an older program could not read it.
    pub version: u32,
    /// Whose state it is.
    pub pid: u32,
    /// The path that we are executed by.
    #[serde(with = "crate::wire::os_path")]
    pub program: PathBuf,
    /// Where workers start.
    #[serde(with = "crate::wire::os_path")]
    pub directory: PathBuf,
    /// The limit of open descriptors that we were given.
    pub descriptors: Option<u64>,
    /// The user that workers become, so that the user database is not asked in the moment when a failure of it would
    /// leave the workers without a supervisor.
    #[serde(default)]
    pub account: Option<(String, Account)>,
    /// The decisions.
    pub core: State,
    /// The number of the last reload request.
    pub requests: u64,
    /// The listeners, in their order.
    pub listeners: Vec<HeldListener>,
    /// Where each of them is bound: of a socket file that can be seen only while its directory is there.
    #[serde(default)]
    pub places: Vec<Option<Place>>,
    /// The workers.
    pub workers: Vec<HeldWorker>,
    /// The log.
    pub log: HeldLog,
    /// The run directory and its lock.
    pub rundir: Option<(PathBuf, i32)>,
    /// Whether the log has said that nothing can be seen of a worker.
    pub blind_said: bool,
    /// The children that were there before the first start.
    #[serde(default)]
    pub inherited: Vec<i32>,
    /// What draining workers have left behind.
    #[serde(default)]
    pub remnants: Vec<HeldRemnant>,
    /// The process that the listeners were taken from: its pid, its pidfd, and whether it was told to stop.
    #[serde(default)]
    pub taken: Option<(i32, i32, bool)>,
    /// The control socket.
    #[serde(default)]
    pub control: Option<i32>,
    /// When the first of us started.
    #[serde(default)]
    pub since: Option<Time>,
    /// The socket of `-metrics`.
    #[serde(default)]
    pub public: Option<i32>,
    /// How the last reload ended.
    #[serde(default)]
    pub last_reload: Option<Last>,
    /// What each generation is started by, in rising order; none from a program that had one configuration alone, for
    /// which `directory` and `account` hold.
    #[serde(default)]
    pub recipes: Vec<HeldRecipe>,
    /// What is counted.
    #[serde(default)]
    pub counters: Counters,
}

/// One configuration on its way through an upgrade.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeldRecipe {
    /// The first generation that it holds for.
    pub since: Generation,
    /// What it was read from.
    #[serde(rename = "kept")]
    pub wording: Wording,
    /// Where workers start.
    #[serde(with = "crate::wire::os_path")]
    pub directory: PathBuf,
    /// The user that they become.
    pub account: Option<(String, Account)>,
    /// The listeners that it asks for: key, text and name.
    pub listeners: Vec<(u64, String, Option<String>)>,
}

/// One worker on its way through an upgrade.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldWorker {
    /// The core's name for it.
    pub id: WorkerId,
    /// Its generation.
    pub generation: Generation,
    /// Its slot in it.
    pub slot: u32,
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
    /// Its calls, if they are ours to answer.
    #[serde(default)]
    pub calls: Option<HeldCalls>,
    /// What it last said of itself.
    #[serde(default)]
    pub says: Option<String>,
    /// Where else it may say that it is ready.
    #[serde(default)]
    pub channel: Option<HeldChannel>,
    /// When it became ready.
    #[serde(default)]
    pub ready_at: Option<Time>,
    /// Its checks.
    #[serde(default)]
    pub check: Option<HeldCheck>,
}

impl Handover {
    /// Reads what [`Handover::exec`] left, or an older version of it.
    ///
    /// # Errors
    /// It is no such state, or of a version that this one does not know.
    pub fn read(bytes: &[u8]) -> io::Result<Self> {
        let state: Self = serde_json::from_slice(bytes)?;
        if state.version == VERSION {
            return Ok(state);
        }
        let theirs = state.version;
        Err(io::Error::other(format!(
            "handover {theirs} is not {VERSION}, the one that this version knows"
        )))
    }

    /// The configurations, at least one; that of a program that had one alone lacks its listeners.
    pub fn recipes(&self) -> Vec<HeldRecipe> {
        if !self.recipes.is_empty() {
            return self.recipes.clone();
        }
        vec![HeldRecipe {
            since: Generation(0),
            wording: Wording::default(),
            directory: self.directory.clone(),
            account: self.account.clone(),
            listeners: Vec::new(),
        }]
    }

    pub(super) fn seal(&self) -> Result<OwnedFd, UpgradeError> {
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
            // Sockets received by activation are ours under other numbers by now.
            let stale = |name: &OsStr| name == VARIABLE || name.as_bytes().starts_with(b"LISTEN_");
            let inherited = env::vars_os().filter(|(name, _)| !stale(name));
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
