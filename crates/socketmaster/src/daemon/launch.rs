//! Starting a worker: from its recipe to a launcher that is about to become the program.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::check::{Checking, PORT_VARIABLE};
use super::command::{self, LookupError};
use super::inputs::Inputs;
use super::listeners::Listener;
use super::log::Log;
use super::notify::{Extension, LastWord, NotifySocket};
use super::ready::Channel;
use super::recipe::Recipe;
use super::rundir::RunDir;
use super::worker::{Watching, Worker};
use crate::config::Readiness;
use crate::config::check::with_port;
use crate::core::{Generation, Time, WorkerId};
use crate::launcher;
use crate::sys::process::Child;
use crate::sys::{clock, scm};
use crate::wire::launch::Setup;

/// Which worker is to be started.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    /// The core's name for it.
    pub id: WorkerId,
    /// Its generation.
    pub generation: Generation,
    /// Its slot in it.
    pub slot: u32,
}

/// Why a worker could not even be begun.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("Could not find executable {0}")]
    Lookup(#[from] LookupError),
    /// It would have no way to say that it is ready.
    #[error("Could not start process: there is no way for it to say that it is ready: {0}")]
    Channel(io::Error),
    /// Out of processes, descriptors or memory.
    #[error("Could not start process: {0}")]
    System(#[from] io::Error),
}

impl Recipe {
    /// Starts a worker. What becomes of it is reported to `inputs`. `ports` are those that other workers were given.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left of the try.
    pub fn start(
        &self,
        seat: Seat,
        listeners: &[&Listener],
        ports: &BTreeSet<u16>,
        rundir: Option<&RunDir>,
        log: &mut Log,
        inputs: &Inputs,
    ) -> Result<Worker, StartError> {
        let Seat {
            id,
            generation,
            slot,
        } = seat;
        let program = self.program()?;
        let check = match &self.config.readiness {
            Readiness::Check(check) => Some(Checking::new(check, ports)),
            _ => None,
        };
        let port = check.as_ref().and_then(|check| check.port);
        let args = self.config.args.iter().map(|arg| with_port(arg, port));
        let args: Vec<_> = args.collect();
        log.say(format!("Starting {}", command::shown(&program, &args)));
        // Without one it can still be seen to be ready; a directory that somebody removed is no reason not to serve.
        let notify = rundir.and_then(|dir| {
            let socket = NotifySocket::bind(dir.path(), id);
            let socket = socket.map_err(|error| {
                let path = dir.path().display();
                log.say(format!(
                    "No notify socket in {path} ({error}): the worker cannot say READY=1"
                ));
            });
            socket.ok()
        });
        if notify.is_none() && self.config.readiness == Readiness::Notify {
            let error = io::Error::other("it has no notify socket");
            return Err(StartError::Channel(error));
        }
        let free = launcher::FIRST_LISTENER + i32::try_from(listeners.len()).unwrap_or(0);
        let channel = Channel::open(&self.config.readiness, id, free, rundir);
        let (channel, ready) = channel.map_err(StartError::Channel)?;
        let pipes = log.pipes()?;
        let (stdout, stderr) = pipes.writers()?;
        let (ours, theirs) = scm::pair()?;
        let since = Time(clock::monotonic_nanos());
        let setup = self.setup(listeners.len(), channel.as_ref());
        let child = self
            .launcher(&setup, &program, program.as_os_str())
            .args(args)
            .envs(self.environment(seat, listeners, notify.as_ref(), channel.as_ref()))
            .envs(port.map(|port| (PORT_VARIABLE, port.to_string())))
            .stdin(Stdio::from(theirs))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        let child = Child::new(child.id().cast_signed())?;
        let sight = Watching::new(child.pid());
        let ours = Arc::new(ours);
        let mut worker = Worker {
            generation,
            slot,
            child,
            since,
            notify,
            channel,
            says: LastWord::default(),
            extension: Extension::default(),
            launch: Some(Arc::clone(&ours)),
            error: None,
            calls: None,
            no_new_privileges: false,
            ready_at: None,
            check,
            sight,
            tasks: Vec::new(),
        };
        worker.listen(id, self, inputs)?;
        // Last: without the listeners the launcher ends with our end of the socket, whatever failed before.
        let stdin = self
            .config
            .stdin
            .and_then(|index| listeners.get(index).copied());
        let input = io::stdin();
        let stdin = stdin.map_or(input.as_fd(), Listener::fd);
        let fds = listeners.iter().map(|listener| listener.fd());
        let fds = fds.chain(ready.as_ref().map(AsFd::as_fd)).chain([stdin]);
        hand_over(ours.as_fd(), &fds.collect::<Vec<_>>())?;
        log.read(pipes, worker.child.pid(), generation.0, slot);
        Ok(worker)
    }
    /// A launcher in a process group of its own, which becomes this program under this name; its arguments, environment
    /// and streams are yet to be said.
    pub(super) fn launcher(&self, setup: &Setup, program: &Path, name: &OsStr) -> Command {
        // Plain fields cannot fail to be written; an empty text would be refused by the launcher.
        let setup = serde_json::to_string(setup).unwrap_or_default();
        // This very image, not what stands at its path by now: that may be another version, or broken.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(launcher::NAME)
            .arg(setup)
            .args([self.directory.as_os_str(), program.as_os_str(), name])
            .env_clear()
            .process_group(0);
        command
    }
}

/// Sends a launcher the descriptors of its program: the listeners, then where to say ready, and then the standard input.
pub(super) fn hand_over(socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut parts = fds.chunks(scm::MAX_FDS);
    match parts.try_for_each(|some| scm::send(socket, b"+", some)) {
        // It has died meanwhile, and its end says so.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
