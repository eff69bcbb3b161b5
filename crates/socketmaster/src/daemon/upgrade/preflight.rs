//! Asking the program that now stands at our path whether it can go on from here, and answering as that program.

use std::env;
use std::io::{self, Write, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::UpgradeError;
use super::handover::{Handover, VERSION};
use crate::config::source::Source;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::sys::process::Child;
use crate::sys::{handover, user};
use crate::wire::uri::ListenUri;

/// `argv[0]` that makes this executable answer a preflight.
pub const PREFLIGHT: &str = "socketmaster-preflight";

/// How long the new program may take to answer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// A new program that is being asked.
#[derive(Debug)]
pub struct Preflight {
    child: Child,
    program: PathBuf,
    stdout: OwnedFd,
    stderr: OwnedFd,
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
pub fn preflight(source: &dyn Source) -> Result<(), String> {
    let bytes = handover::unseal(io::stdin()).map_err(|error| error.to_string())?;
    let state = Handover::read(&bytes).map_err(|error| error.to_string())?;
    for held in state.recipes() {
        let config = source.again(&held.wording);
        let config = config.map_err(|mistakes| mistakes.in_brief())?;
        let further = |key: u64| state.listeners.iter().any(|l| l.key == key && l.further);
        let own = held.listeners.iter().filter(|(key, ..)| !further(*key));
        let known = |text: &String| text.parse::<ListenUri>().is_ok();
        let all_known = held.listeners.iter().all(|(_, text, _)| known(text));
        if !all_known || config.listeners.len() != own.count() {
            return Err("the listeners of the flags are not the ones that are held".into());
        }
        if let Some(login) = &config.user {
            user::find(login).map_err(|error| format!("user {login}: {error}"))?;
        }
    }
    writeln!(io::stdout(), "{}", answer_word()).map_err(|error| error.to_string())
}
