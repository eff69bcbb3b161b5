//! The forwarder's process, seen from the supervisor.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::core::WorkerId;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::forwarder;
use crate::forwarder::options::Options;
use crate::sys::process::Child;
use crate::sys::watched::Watched;
use crate::sys::{clock, scm};
use crate::wire::forward::{FromForwarder, MESSAGE_MAX};

#[derive(Debug)]
pub(super) struct Forwarder {
    pub(super) child: Child,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) watched: Arc<Watched>,
    pub(super) since: u64,
    _listening: Task,
}

impl Forwarder {
    /// Starts one.
    ///
    /// # Errors
    /// Out of processes, descriptors or memory.
    pub(super) fn start(options: &Options, inputs: &Inputs) -> io::Result<Self> {
        let (ours, theirs) = scm::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg0(forwarder::NAME)
            .args(options.to_args())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        Self::attach(Child::new(child.id().cast_signed())?, ours, inputs)
    }

    /// Takes charge of one that runs.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(super) fn attach(child: Child, socket: OwnedFd, inputs: &Inputs) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let watched = Arc::new(Watched::for_both(Arc::clone(&socket))?);
        let listening = Task::spawn(listen(Arc::clone(&watched), inputs.clone()));
        let since = clock::monotonic_nanos();
        Ok(Self {
            child,
            socket,
            watched,
            since,
            _listening: listening,
        })
    }
}

async fn listen(socket: Arc<Watched>, inputs: Inputs) {
    let mut buffer = vec![0; MESSAGE_MAX];
    while let Ok((length, _)) = socket.read(|fd| scm::receive(fd, &mut buffer)).await {
        if length == 0 {
            return;
        }
        let input = match FromForwarder::decode(&buffer[..length]) {
            Some(FromForwarder::Closed { id }) => Input::PipeClosed(id),
            Some(FromForwarder::Deserted { id }) => Input::Deserted(WorkerId(id)),
            Some(FromForwarder::Tail { id, lines }) => Input::Tail(id, lines),
            None => continue,
        };
        if inputs.send(input).is_err() {
            return;
        }
    }
}
