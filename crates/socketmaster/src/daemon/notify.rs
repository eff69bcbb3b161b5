//! A worker's own `NOTIFY_SOCKET`: sd_notify(3), seen from the other side.
//!
//! Each worker has a socket of its own, so a message says by its address whose it is; a path, because not every
//! client library knows abstract names. Who may write is checked by the credentials that the kernel attaches.

use std::fs;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::core::WorkerId;
use crate::sys::user;
use crate::sys::watched::Watched;
use crate::wire::notify::Notice;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

/// What was last said of a thing, by a worker of itself (`STATUS=`) say. Kept aside and not put into the daemon's queue: who says much must wake
/// nobody, and only one who asks for the status wants to know.
#[derive(Clone, Debug, Default)]
pub struct LastWord(Arc<Mutex<Option<String>>>);

impl LastWord {
    /// What was said before an upgrade.
    #[must_use]
    pub fn resume(said: Option<String>) -> Self {
        Self(Arc::new(Mutex::new(said)))
    }

    /// The last word.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        let said = self.0.lock();
        said.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another word; an empty one takes the last back.
    pub fn set(&self, status: String) {
        let said = self.0.lock();
        *said.unwrap_or_else(PoisonError::into_inner) = Some(status).filter(|s| !s.is_empty());
    }
}

/// The time that a worker has asked for, until the daemon takes note of it: so there is never more than one such word
/// of it in the daemon's queue.
#[derive(Clone, Debug, Default)]
pub struct Extension(Arc<Mutex<Option<Duration>>>);

impl Extension {
    /// Asks. Whether the daemon is to be told, because it has taken note of all that was asked before.
    #[must_use]
    pub fn ask(&self, span: Duration) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *asked;
        *asked = before.max(Some(span));
        before.is_none()
    }

    /// What was asked for.
    #[must_use]
    pub fn take(&self) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The socket of one worker; its path goes with it, when the worker is gone.
#[derive(Debug)]
pub struct NotifySocket {
    path: PathBuf,
    socket: Arc<OwnedFd>,
}

impl NotifySocket {
    /// Makes one in the run directory.
    ///
    /// # Errors
    /// The directory is gone, the disk is full, or the path is longer than the 107 bytes of unix(7).
    pub fn bind(directory: &Path, worker: WorkerId) -> io::Result<Self> {
        let path = directory.join(format!("notify.{}", worker.0));
        let socket = UnixDatagram::bind(&path)?;
        let this = Self {
            path,
            socket: Arc::new(socket.into()),
        };
        // The worker may run as another user; the credentials of each message decide.
        fs::set_permissions(&this.path, fs::Permissions::from_mode(0o666))?;
        sockopt::set_socket_passcred(&this.socket, true)?;
        Ok(this)
    }

    /// Goes on with the one of the program that we were before.
    #[must_use]
    pub fn resume(path: PathBuf, socket: OwnedFd) -> Self {
        Self {
            path,
            socket: Arc::new(socket),
        }
    }

    /// Where the worker finds it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor, to listen on and to hand over.
    #[must_use]
    pub fn socket(&self) -> &Arc<OwnedFd> {
        &self.socket
    }

    /// Waits for messages and passes each on, for as long as `pass_on` wants more.
    pub async fn listen(
        socket: Arc<OwnedFd>,
        worker_uid: Option<u32>,
        mut pass_on: impl FnMut(Notice) -> bool,
    ) {
        let trusted = |uid| user::is_trusted(uid) || Some(uid) == worker_uid;
        let Ok(socket) = Watched::for_input(socket) else {
            return;
        };
        while let Ok((uid, notice)) = socket.read(receive).await {
            if uid.is_some_and(trusted) && !pass_on(notice) {
                return;
            }
        }
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn receive(socket: BorrowedFd<'_>) -> io::Result<(Option<u32>, Notice)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut buffer = [0; 4096];
    let message = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut buffer)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut uid = None;
    for part in control.drain() {
        // Descriptors that come along (FDSTORE=1) are closed by being dropped.
        if let RecvAncillaryMessage::ScmCredentials(credentials) = part {
            uid = Some(credentials.uid.as_raw());
        }
    }
    Ok((uid, Notice::parse(&buffer[..message.bytes])))
}
