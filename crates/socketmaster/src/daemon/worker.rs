//! Starting a worker: from what the operator asked for to a launcher that is about to become the program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::Arc;

use super::adopt::Calls;
use super::check::{Checking, PORT_VARIABLE};
use super::command::{self, LookupError};
use super::inputs::{Input, Inputs, Task};
use super::listeners::Listener;
use super::log::Log;
use super::notify::{Extension, NotifySocket, Says};
use super::ready::{self, Channel};
use super::rundir::RunDir;
use crate::config::check::with_port;
use crate::config::source::Kept;
use crate::config::{Adopt, Config, Orphans, Readiness};
use crate::core::{Generation, Time, WorkerId};
use crate::launcher;
use crate::sys::process::Child;
use crate::sys::user::Account;
use crate::sys::waiting::Watcher;
use crate::sys::watched::Watched;
use crate::sys::{clock, scm};
use crate::wire::environment;
use crate::wire::launch::{Adopting, LaunchError, Setup, Trap, UserIds};
use crate::wire::protocol::{Passed, Protocol};
use crate::wire::uri::{Address, ListenUri};

/// What every start of a generation needs.
#[derive(Debug)]
pub struct Recipe {
    /// What the operator asked for.
    pub config: Config,
    /// What that was read from.
    pub kept: Kept,
    /// The listeners that it asks for, in the order in which they are passed.
    pub listeners: Vec<Keyed>,
    /// Where the worker starts, by name; resolved by its launcher.
    pub directory: PathBuf,
    /// The user that it becomes.
    pub account: Option<(String, Account)>,
    /// The limit of open descriptors that we were given, if we raised it.
    pub descriptors: Option<u64>,
}

/// A listener that a configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// What it asks for.
    pub uri: ListenUri,
    /// The key of the listener that it got.
    pub key: u64,
}

/// One worker as the daemon holds it, from its start until it is reaped.
#[derive(Debug)]
pub struct Worker {
    /// Its generation.
    pub generation: Generation,
    /// Its slot in it.
    pub slot: u32,
    /// Its process.
    pub child: Child,
    /// When it was started.
    pub since: Time,
    /// Where it may say `READY=1`.
    pub notify: Option<NotifySocket>,
    /// Where else it may say that it is ready.
    pub channel: Option<Channel>,
    /// What it last said there of itself.
    pub says: Says,
    /// The time that it has asked for.
    pub extension: Extension,
    /// The launcher's socket, until the program runs.
    pub launch: Option<Arc<OwnedFd>>,
    /// Why the program could not be executed.
    pub error: Option<LaunchError>,
    /// Its calls, if they are ours to answer.
    pub calls: Option<Calls>,
    /// Whether it runs without the power to gain privileges, because we have none.
    pub no_new_privileges: bool,
    /// When it became ready.
    pub ready_at: Option<Time>,
    /// Its checks, if it is checked.
    pub check: Option<Checking>,
    /// What has been seen of it while it is starting.
    pub sight: Watching,
    /// What listens to it.
    pub tasks: Vec<Task>,
}

/// The state of watching a worker start.
#[derive(Debug)]
pub struct Watching {
    /// Looks at its process tree.
    pub watcher: Watcher,
    /// Whether the last look saw it waiting.
    pub waiting: bool,
    /// Whether it is known that nothing can be seen.
    pub blind: bool,
}

impl Watching {
    /// Nothing has been seen yet.
    #[must_use]
    pub fn new(pid: i32) -> Self {
        Self {
            watcher: Watcher::new(pid),
            waiting: false,
            blind: false,
        }
    }
}

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
    /// The program as it is found now, looked up by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self) -> Result<PathBuf, LookupError> {
        command::look_up(&self.config.command, &self.directory)
    }

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
        // This very image, not what stands at its path by now: that may be another version, or broken.
        let child = Command::new("/proc/self/exe")
            .arg0(launcher::NAME)
            .arg(written(&self.setup(listeners.len(), channel.as_ref())))
            .args([
                self.directory.as_os_str(),
                program.as_os_str(),
                program.as_os_str(),
            ])
            .args(args)
            .env_clear()
            .envs(self.environment(seat, listeners, notify.as_ref(), channel.as_ref()))
            .envs(port.map(|port| (PORT_VARIABLE, port.to_string())))
            .stdin(Stdio::from(theirs))
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
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
            says: Says::default(),
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
        match hand_over(ours.as_fd(), listeners, ready.as_ref(), stdin) {
            // It has died meanwhile, and its end says so.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other?,
        }
        log.read(pipes, worker.child.pid(), generation.0, slot);
        Ok(worker)
    }

    /// What this configuration calls a listener, which may have had another name before.
    fn name_of(&self, listener: &Listener) -> String {
        let asked = self
            .listeners
            .iter()
            .find(|asked| asked.key == listener.key());
        let name = asked.and_then(|asked| asked.uri.name.clone());
        name.unwrap_or_else(|| listener.name())
    }

    fn uid(&self) -> Option<u32> {
        self.account.as_ref().map(|(_, account)| account.uid)
    }

    pub(super) fn setup(&self, listeners: usize, channel: Option<&Channel>) -> Setup {
        let user = self.account.as_ref().map(|(login, account)| UserIds {
            login: login.clone(),
            uid: account.uid,
            gid: account.gid,
        });
        let pid = process::id().cast_signed();
        let death =
            (self.config.orphans == Orphans::Kill).then_some((self.config.stop_signal, pid));
        Setup {
            listeners,
            ready: channel.and_then(Channel::ready_fd),
            user,
            descriptors: self.descriptors,
            death,
            listen_pid: listeners > 0 && self.config.protocols.contains(&Protocol::Systemd),
            adopt: self.config.adopt.as_ref().map(trap),
        }
    }

    pub(super) fn environment(
        &self,
        seat: Seat,
        listeners: &[&Listener],
        notify: Option<&NotifySocket>,
        channel: Option<&Channel>,
    ) -> impl Iterator<Item = (OsString, OsString)> {
        let passed: Vec<Passed> = (launcher::FIRST_LISTENER..)
            .zip(listeners)
            .map(|(fd, listener)| Passed {
                name: self.name_of(listener),
                ..listener.passed(fd)
            })
            .collect();
        let worker = environment::Worker {
            generation: seat.generation.0,
            slot: seat.slot,
            passed: &passed,
            protocols: &self.config.protocols,
            supervisor: process::id(),
            notify_socket: notify.map(NotifySocket::path),
            ready_fd: channel.and_then(Channel::ready_fd),
            einhorn_socket: channel.and_then(Channel::einhorn_socket),
            user: self
                .account
                .as_ref()
                .map(|(login, account)| (&**login, Path::new(&account.home))),
        };
        let own = self.config.environment.iter();
        let own = own.map(|(name, value)| (name.into(), value.into()));
        environment::build(std::env::vars_os().chain(own), &worker).into_iter()
    }

    /// Listens to a worker that was started before an upgrade.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn resume(&self, worker: &mut Worker, id: WorkerId, inputs: &Inputs) -> io::Result<()> {
        worker.listen(id, self, inputs)
    }
}

impl Worker {
    /// Reads what the launcher has said: where the program's calls are to be answered, an error, or its end without
    /// one, which is the program's beginning. To be called when there is something to read, and when the process has
    /// ended, because either may be seen first.
    pub fn read_launch(&mut self, id: WorkerId, log: &mut Log, inputs: &Inputs) {
        let mut buffer = vec![0; 16 * 1024];
        while let Some(socket) = &self.launch {
            match scm::receive(socket.as_fd(), &mut buffer) {
                Ok((length, mut fds)) if length > 0 => {
                    let said = &buffer[..length];
                    match (fds.pop(), serde_json::from_slice::<Adopting>(said)) {
                        (Some(notify), Ok(adopting)) => {
                            self.no_new_privileges = adopting.no_new_privileges;
                            log.keep(id, notify.as_fd());
                            self.calls = Calls::listen(notify, id, inputs).ok();
                            if self.calls.is_none() {
                                log.leave(id);
                            }
                        }
                        _ => self.error = serde_json::from_slice(said).ok(),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => self.launch = None,
            }
        }
    }

    /// Reports once when the launcher says something, or has become the program.
    ///
    /// # Errors
    /// Out of memory.
    pub fn listen_to_launcher(&mut self, id: WorkerId, inputs: &Inputs) -> io::Result<()> {
        if let Some(socket) = &self.launch {
            let socket = Watched::for_input(Arc::clone(socket))?;
            let inputs = inputs.clone();
            self.tasks.push(Task::spawn(async move {
                if socket.readable().await.is_ok() {
                    let _ = inputs.send(Input::Launched(id));
                }
            }));
        }
        Ok(())
    }

    fn listen(&mut self, id: WorkerId, recipe: &Recipe, inputs: &Inputs) -> io::Result<()> {
        self.listen_to_launcher(id, inputs)?;
        let (uid, counts) = (recipe.uid(), recipe.config.readiness.hears_notify());
        if let Some(notify) = &self.notify {
            let (says, extension) = (self.says.clone(), self.extension.clone());
            let pass_on = ready::notices(id, counts, says, extension, inputs.clone());
            let listening = NotifySocket::listen(Arc::clone(notify.socket()), uid, pass_on);
            self.tasks.push(Task::spawn(listening));
        }
        if let Some(channel) = &self.channel {
            let listening = channel.listen(id, self.child.pid(), uid, inputs)?;
            self.tasks.push(listening);
        }
        Ok(())
    }
}

/// As the launcher reads it.
pub(super) fn written(setup: &Setup) -> String {
    // Plain fields cannot fail to be written; an empty text would be refused by the launcher.
    serde_json::to_string(setup).unwrap_or_default()
}

/// Where all that can be adopted has a port, no file has to be guarded.
fn trap(adopt: &Adopt) -> Trap {
    let has_port =
        |uri: &ListenUri| matches!(uri.address, Address::Tcp { .. } | Address::Udp { .. });
    match adopt {
        Adopt::These(uris) if uris.iter().all(has_port) => Trap::Sockets,
        Adopt::These(_) | Adopt::Anything => Trap::SocketsAndFiles,
    }
}

/// Sends the listeners, then where to say ready, and then the standard input: ours, where it is none of them.
fn hand_over(
    socket: BorrowedFd<'_>,
    listeners: &[&Listener],
    ready: Option<&OwnedFd>,
    stdin: Option<&Listener>,
) -> io::Result<()> {
    let ours = io::stdin();
    let stdin = stdin.map_or(ours.as_fd(), Listener::fd);
    let fds = listeners.iter().map(|listener| listener.fd());
    let fds: Vec<_> = fds.chain(ready.map(AsFd::as_fd)).chain([stdin]).collect();
    fds.chunks(scm::MAX_FDS)
        .try_for_each(|some| scm::send(socket, b"+", some))
}
