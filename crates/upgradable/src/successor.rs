//! The process that is to replace this one.

use std::env;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::error::UpgradeError;
use crate::program::Program;
use crate::sockets::Sockets;
use crate::sys::{fds, process, scm};
use crate::wire::environment;
use crate::wire::handover::{HandOver, MAX_STATE, Message};

#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    /// Readable once it has ended. The end of the channel would not tell: a process that it has started may hold it.
    pub(crate) pidfd: OwnedFd,
    /// Gone once there is nothing more to hear.
    pub(crate) channel: Option<OwnedFd>,
    /// Its pid by its own word, which is not the child's if a wrapper is between.
    pub(crate) pid: u32,
}

impl Successor {
    /// Starts it. What it inherits waits in the channel before it begins, so nothing here waits for it.
    pub(crate) fn start(
        program: &Program,
        sockets: &Sockets,
        state: Option<Vec<u8>>,
    ) -> Result<Self, UpgradeError> {
        fs::metadata(&program.directory)
            .map_err(|error| UpgradeError::Directory(program.directory.clone(), error))?;
        let (ours, theirs) = channel(sockets, state).map_err(UpgradeError::HandOver)?;
        let identity = fds::identity(&theirs).map_err(UpgradeError::HandOver)?;

        let mut command = Command::new(&program.path);
        command
            .arg0(&program.argv0)
            .args(&program.args)
            .current_dir(&program.directory);
        for (name, _) in env::vars_os().filter(|(name, _)| environment::is_stripped(name)) {
            command.env_remove(name);
        }
        command.env(environment::CHANNEL, environment::name_channel(0, identity));
        let start = |error| UpgradeError::Start(program.path.clone(), error);
        let mut child = command.stdin(Stdio::from(theirs)).spawn().map_err(start)?;
        let pid = child.id();
        match process::watch(pid) {
            Ok(Some(pidfd)) => Ok(Self {
                child,
                pidfd,
                channel: Some(ours),
                pid,
            }),
            failed => {
                // Out of descriptors; or somebody else reaps our children.
                let _ = child.kill();
                let _ = child.wait();
                Err(start(
                    failed
                        .err()
                        .unwrap_or_else(|| io::ErrorKind::NotFound.into()),
                ))
            }
        }
    }

    /// How it ended, if it has; that reaps it. Nobody knows how if somebody else has reaped it.
    pub(crate) fn ended(&mut self) -> Option<Option<ExitStatus>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(status) => Some(status),
            Err(_) => Some(None),
        }
    }

    /// Whether it has said that it is ready.
    pub(crate) fn hear_ready(&mut self) -> bool {
        let Some(channel) = &self.channel else {
            return false;
        };
        let mut buffer = [0; 256];
        match scm::receive(channel, &mut buffer) {
            Ok((length, _)) if length > 0 => match Message::decode(&buffer[..length]) {
                Some(Message::Ready { pid }) => {
                    self.pid = pid;
                    true
                }
                _ => false,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            // It has let go of the channel. Its end is still to come, or its time runs out.
            _ => {
                self.channel = None;
                false
            }
        }
    }

    /// Tells it to serve.
    pub(crate) fn welcome(&mut self) -> io::Result<()> {
        let channel = self.channel.take().ok_or(io::ErrorKind::BrokenPipe)?;
        scm::send(&channel, &Message::Welcome.encode(), &[])
    }

    /// Kills it; its end is to be waited for then.
    pub(crate) fn kill(&mut self) {
        // One that a wrapper has started sees by this that it is not wanted.
        self.channel = None;
        // It fails only if it has ended.
        let _ = self.child.kill();
    }
}

/// A channel with all that is handed over in it.
fn channel(sockets: &Sockets, state: Option<Vec<u8>>) -> io::Result<(OwnedFd, OwnedFd)> {
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
        return Err(io::Error::other("the state is larger than 64 KiB"));
    }
    let (described, held) = sockets.hand_over();
    if held.len() >= scm::MAX_FDS {
        return Err(io::Error::other("there are more than 252 of them"));
    }
    let message = Message::HandOver(HandOver {
        pid: std::process::id(),
        sockets: described,
        state,
    });
    let (ours, theirs) = scm::pair()?;
    let stdin = io::stdin();
    let mut all = vec![stdin.as_fd()];
    all.extend(held.iter().map(|fd| fd.as_fd()));
    scm::send(&ours, &message.encode(), &all)?;
    Ok((ours, theirs))
}
