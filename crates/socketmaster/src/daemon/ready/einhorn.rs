//! Ready by the ACK of einhorn's clients, on a command socket of the worker's own.
//!
//! Only processes of the worker are heard: the kernel says who has connected, and the ACK must name one of them. As with
//! einhorn, nobody is answered, and each connection is closed after one message. What an operator would say there
//! (`einhornsh`) is for the control socket; whoever says it here finds the connection closed.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use crate::core::WorkerId;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::daemon::notify::LastWord;
use crate::sys::socket_path::{self, Permissions};
use crate::sys::{peer, socket, user};
use crate::wire::einhorn::{Message, parse};

/// Connections that are read at once; the others wait to be accepted, as many as this.
const CLIENTS: usize = 16;

/// How long a client may take for its message.
const PATIENCE: Duration = Duration::from_secs(2);

/// The longest message, in bytes.
const LONGEST: usize = 4096;

/// After an accept that failed for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// More generations than this between a worker's first process and one of it there are not.
const DEPTH: usize = 64;

/// The socket of one worker; its path goes with it, when the worker is gone.
#[derive(Debug)]
pub struct CommandSocket {
    path: PathBuf,
    socket: OwnedFd,
    refused: LastWord,
}

impl CommandSocket {
    /// Makes one in the run directory.
    ///
    /// # Errors
    /// The directory is gone, the disk is full, or the path is longer than the 107 bytes of unix(7).
    pub(super) fn bind(directory: &Path, id: WorkerId) -> io::Result<Self> {
        let path = directory.join(format!("einhorn.{}", id.0));
        let socket = socket::unix(socket::Type::Stream)?;
        // The worker may run as another user; who connects is looked at.
        let permissions = Permissions {
            mode: Some(0o666),
            ..Permissions::default()
        };
        socket_path::bind(socket.as_fd(), &path, permissions)?;
        let this = Self::resume(path, socket);
        socket::listen(this.socket.as_fd(), i32::try_from(CLIENTS).unwrap_or(1))?;
        Ok(this)
    }

    /// Goes on with that of the program that we were before.
    pub(super) fn resume(path: PathBuf, socket: OwnedFd) -> Self {
        Self {
            path,
            socket,
            refused: LastWord::default(),
        }
    }

    /// Where the worker finds it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor.
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// What was wrong with the last message that was.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.get()
    }

    /// Waits for the ACK of the worker whose first process is `worker`, and which may run as `uid`.
    pub(super) fn listen(
        &self,
        id: WorkerId,
        worker: i32,
        uid: Option<u32>,
        inputs: &Inputs,
    ) -> io::Result<Task> {
        let listener = StdListener::from(self.socket.try_clone()?);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let (refused, inputs) = (self.refused.clone(), inputs.clone());
        Ok(Task::spawn(async move {
            let room = Arc::new(Semaphore::new(CLIENTS));
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                let Ok((stream, _)) = listener.accept().await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                if !may_speak(&stream, worker, uid) {
                    refused.set("somebody else has connected to its $EINHORN_SOCK_PATH".into());
                    continue;
                }
                let (refused, inputs) = (refused.clone(), inputs.clone());
                tokio::spawn(async move {
                    match hear(stream, worker).await {
                        Ok(Message::Ack(_)) => drop(inputs.send(Input::Ready(id))),
                        Ok(Message::Ping) => {}
                        Err(why) => refused.set(format!(
                            "its last message to $EINHORN_SOCK_PATH was refused: {why}"
                        )),
                    }
                    drop(place);
                });
            }
        }))
    }
}

impl Drop for CommandSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn may_speak(stream: &UnixStream, worker: i32, worker_uid: Option<u32>) -> bool {
    let Ok(peer) = stream.peer_cred() else {
        return false;
    };
    let uid = peer.uid();
    let trusted = user::is_trusted(uid) || Some(uid) == worker_uid;
    trusted && peer.pid().is_some_and(|pid| is_of(worker, pid))
}

/// Whether the process is the worker's first one or came of it.
fn is_of(worker: i32, pid: i32) -> bool {
    let up = |pid: &i32| peer::parent(*pid).ok().filter(|parent| *parent > 1);
    std::iter::successors(Some(pid), up)
        .take(DEPTH)
        .any(|ancestor| ancestor == worker)
}

async fn hear(mut stream: UnixStream, worker: i32) -> Result<Message, String> {
    let mut heard = Vec::new();
    let line = async {
        while !heard.contains(&b'\n') && heard.len() < LONGEST {
            if stream.read_buf(&mut heard).await? == 0 {
                break;
            }
        }
        io::Result::Ok(())
    };
    match tokio::time::timeout(PATIENCE, line).await {
        Err(_) => return Err("it was not finished in time".into()),
        Ok(Err(error)) => return Err(error.to_string()),
        Ok(Ok(())) => {}
    }
    let Some(end) = memchr::memchr(b'\n', &heard) else {
        return Err("it had no end".into());
    };
    match parse(&heard[..end]).map_err(|error| error.to_string())? {
        Message::Ack(pid) if !is_of(worker, pid) => {
            Err(format!("{pid} is no process of this worker"))
        }
        message => Ok(message),
    }
}
