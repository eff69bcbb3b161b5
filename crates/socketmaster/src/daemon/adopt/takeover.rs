//! Taking over a process that was started without us: its listening sockets first, and when our own program is ready
//! behind them, the process is told to stop.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;

use super::patterns::is_adopted;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::daemon::listeners::{Listener, Place, Spot, TAKEN};
use crate::forwarder;
use crate::sys::peer::Base;
use crate::sys::process::Child;
use crate::sys::socket::{self, Kind, Local};
use crate::sys::watched::Watched;
use crate::sys::{fds, peer, signals};

/// A process that we took the listeners from.
#[derive(Debug)]
pub struct Taken {
    process: Child,
    told: bool,
    pub(super) guard: Option<Task>,
    _watching: Task,
}

/// Why a process cannot be taken over.
#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    /// Gone, or never there.
    #[error("Cannot take over {0}: there is no such process")]
    NoProcess(i32),
    /// Not ours.
    #[error(
        "Cannot take over {0}: {1}. To copy its sockets takes the rights of a debugger: run socketmaster as root, or as \
         its user where ptrace is allowed (kernel.yama.ptrace_scope)"
    )]
    Refused(i32, io::Error),
    /// It would take all that the machine has.
    #[error(
        "Cannot take over {0}: it is the first process of the machine, or of this container, and all others are its children"
    )]
    First(i32),
    /// That is for its own supervisor.
    #[error(
        "Cannot take over {pid}: socketmaster (pid {supervisor}) supervises it, and would start it anew. To change the \
         program: kill -HUP {supervisor}"
    )]
    Supervised {
        /// The process.
        pid: i32,
        /// Its supervisor, or itself.
        supervisor: i32,
    },
    /// It serves nobody.
    #[error("Cannot take over {0}: neither it nor its children listen on anything{1}")]
    Nothing(i32, &'static str),
    /// Out of descriptors, mostly.
    #[error("Cannot take over {0}: {1}")]
    System(i32, io::Error),
}

/// The listening sockets of a process and all that come of it. The worker that they come from is none: 0 is never one.
pub fn take_listeners(pid: i32, config: &Config) -> Result<Vec<Listener>, TakeOverError> {
    if pid == 1 {
        return Err(TakeOverError::First(pid));
    }
    let parent = peer::parent(pid).ok();
    if let Some(supervisor) = [Some(pid), parent]
        .into_iter()
        .flatten()
        .find(|p| supervises(*p))
    {
        return Err(TakeOverError::Supervised { pid, supervisor });
    }
    let mut inodes = BTreeSet::new();
    let mut listeners: Vec<Listener> = Vec::new();
    let mut others = false;
    for (index, process) in peer::tree(pid).into_iter().enumerate() {
        let sockets = match peer::copy_sockets(process) {
            Ok(sockets) => sockets,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound if index > 0 => continue,
                io::ErrorKind::NotFound => return Err(TakeOverError::NoProcess(pid)),
                io::ErrorKind::PermissionDenied => return Err(TakeOverError::Refused(pid, error)),
                _ if error.raw_os_error() == Some(libc::ESRCH) && index > 0 => continue,
                _ => return Err(TakeOverError::System(pid, error)),
            },
        };
        for socket in sockets {
            let system = |error| TakeOverError::System(pid, error);
            let listens = matches!(
                socket::kind(socket.as_fd()),
                Ok(Kind::Listening | Kind::Datagram)
            );
            let inode = socket::inode(socket.as_fd()).map_err(system)?;
            if !listens || !inodes.insert(inode) {
                continue;
            }
            let Ok(Some((place, file))) = place(process, &socket) else {
                continue;
            };
            if !is_adopted(config, &place, file.as_deref()) {
                others = true;
            } else if !listeners.iter().any(|l| l.place() == Some(&place)) {
                let listener = Listener::adopt(socket, place, file.as_deref(), 0, TAKEN);
                listeners.push(listener.map_err(system)?);
            }
        }
    }
    if listeners.is_empty() {
        let hint = if others { " that -adopt names" } else { "" };
        return Err(TakeOverError::Nothing(pid, hint));
    }
    Ok(listeners)
}

/// Whether the process is a supervisor: only that has a forwarder for a child.
fn supervises(pid: i32) -> bool {
    // The kernel keeps 15 bytes of a name.
    let name = &forwarder::NAME[..15];
    peer::children(pid)
        .into_iter()
        .any(|child| peer::name(child).is_ok_and(|own| own == name))
}

fn place(pid: i32, socket: &OwnedFd) -> io::Result<Option<(Place, Option<PathBuf>)>> {
    let Local::Path(path) = socket::local(socket.as_fd())? else {
        return Ok(Place::of(socket.as_fd())?.map(|place| (place, None)));
    };
    let entry = peer::entry(pid, Base::Here, &path)?;
    let place = Place::to_be(socket.as_fd(), Spot::Entry(entry))?;
    Ok(Some((place, peer::absolute(pid, &path))))
}

impl Taken {
    /// Watches the process for its end.
    ///
    /// # Errors
    /// It has gone.
    pub fn watch(pid: i32, inputs: &Inputs) -> io::Result<Self> {
        Self::with(Child::new(pid)?, false, inputs)
    }

    fn with(process: Child, told: bool, inputs: &Inputs) -> io::Result<Self> {
        let pidfd = Watched::for_input(process.pidfd())?;
        let inputs = inputs.clone();
        let watching = Task::spawn(async move {
            if pidfd.readable().await.is_ok() {
                let _ = inputs.send(Input::TakenGone);
            }
        });
        Ok(Self {
            process,
            told,
            guard: None,
            _watching: watching,
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Whether it was told to stop.
    pub(super) fn told(&self) -> bool {
        self.told
    }

    /// What the next program needs to go on: the pid, the descriptor that means it for good, and whether it was told.
    #[must_use]
    pub fn to_held(&self) -> (i32, i32, bool) {
        let pidfd = self.process.pidfd();
        (self.process.pid(), pidfd.as_raw_fd(), self.told)
    }

    /// Goes on after an upgrade.
    ///
    /// # Errors
    /// The descriptor is not there.
    pub fn from_held((pid, fd, told): (i32, i32, bool), inputs: &Inputs) -> io::Result<Self> {
        Self::with(Child::with_pidfd(pid, fds::take_over(fd)?), told, inputs)
    }
}

impl Daemon {
    /// Our own program is ready: the one before it may go.
    pub(in crate::daemon) fn dismiss_taken(&mut self) {
        let signal = self.recipe().config.stop_signal;
        let Some(taken) = self.taken.as_mut().filter(|taken| !taken.told) else {
            return;
        };
        taken.told = true;
        let pid = taken.pid();
        self.guard_files();
        let Some(taken) = &self.taken else {
            return;
        };
        let name = signals::name(signal);
        self.log.say(match taken.process.signal(signal) {
            Ok(()) => format!("Telling {pid} (taken over) to stop: SIG{name}"),
            Err(error) => {
                format!("Cannot send SIG{name} to {pid} (taken over): {error}; stop it yourself")
            }
        });
    }

    /// After an upgrade.
    pub(in crate::daemon) fn guard_again(&mut self) {
        if self.taken.as_ref().is_some_and(|taken| taken.told) {
            self.guard_files();
        }
    }

    /// The process has ended.
    pub(in crate::daemon) fn taken_gone(&mut self) {
        self.restore_files();
        let Some(taken) = self.taken.take() else {
            return;
        };
        self.drop_second_names(taken.pid());
        self.log
            .say(format!("{} (taken over) has ended", taken.pid()));
        for complaint in self.sockets.unreachable() {
            self.log.say(complaint);
        }
    }
}
