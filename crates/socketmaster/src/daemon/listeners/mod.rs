//! The listeners: sockets that the supervisor holds from its start to its end, whatever the workers do to them.
//!
//! One socket per listener, shared with the workers by description: its queue lives as long as one holder does, so
//! nothing that waits in it is lost when a worker ends. The price is that a worker can change the socket for all:
//!
//! | a worker calls | all holders see | the supervisor's answer |
//! | --- | --- | --- |
//! | `listen(fd, 5)` | a backlog of 5 | [`Listener::restore_backlog`] when a worker is ready, or has ended before it was |
//! | `shutdown(fd)` | clients are refused | a [`HangupWatch`](crate::sys::hangup::HangupWatch) tells, then [`Listener::restore_backlog`] revives TCP; a unix path takes [`Listener::reopen`] and new workers |
//! | `fcntl(fd, F_SETFL, …)` | blocking or not | [`Listener::is_nonblocking`] before each start |
//!
//! Of a datagram socket only the last is true: it has no backlog, and is not watched.

mod adopted;
mod error;
mod file;
mod open;
mod place;
mod received;
#[cfg(test)]
mod tests;
mod upkeep;

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

pub use adopted::TAKEN;
pub use error::{OpenError, Reason};
use file::identity;
pub use place::{Place, Spot};
pub use received::left_over;

use crate::core::WorkerId;
use crate::sys::fds;
use crate::sys::socket::{self, Local, Type};
use crate::wire::held::{HeldListener, PathIdentity};
use crate::wire::protocol::{Bound, Passed};
use crate::wire::uri::{Address, ListenUri};

/// A socket that the supervisor holds: it listens, or takes datagrams.
#[derive(Debug)]
pub struct Listener {
    key: u64,
    uri: ListenUri,
    socket: OwnedFd,
    inode: u64,
    carries: Type,
    local: Local,
    place: Option<Place>,
    path: Option<PathIdentity>,
    given: String,
    further: bool,
    adopted: Option<WorkerId>,
}

/// Opens all listeners or none: after an error nothing is left open, and no socket file is left behind.
///
/// May block: host names are looked up, and a locked directory is waited for (2 s at most).
///
/// # Errors
/// The first listener that can't be opened, and why.
pub fn open_all(uris: &[ListenUri]) -> Result<Vec<Listener>, OpenError> {
    let mut opened: Vec<Listener> = Vec::with_capacity(uris.len());
    for uri in uris {
        let new = match &uri.address {
            Address::Systemd(name) => received::open(uri, name.as_deref()),
            _ => open::open(uri).map(|listener| vec![listener]),
        };
        match new.and_then(|new| new_ones(&opened, new)) {
            Ok(new) => opened.extend(new),
            Err(reason) => {
                opened.iter().for_each(Listener::remove_path);
                return Err(OpenError {
                    uri: uri.text.clone(),
                    reason,
                });
            }
        }
    }
    Ok(opened)
}

/// Refuses a socket received that is there already, by another of its names.
fn new_ones(opened: &[Listener], new: Vec<Listener>) -> Result<Vec<Listener>, Reason> {
    let twice = |l: &&Listener| new.iter().any(|new| new.inode == l.inode);
    match opened.iter().find(twice) {
        Some(first) => Err(Reason::Twice(first.uri.text.clone())),
        None => Ok(new),
    }
}

/// What would keep these from being opened, as far as can be said without opening them: hosts, directories, users.
///
/// May block: host names are looked up.
#[must_use]
pub fn rehearse_all(uris: &[ListenUri]) -> Vec<OpenError> {
    let wrong = uris.iter().filter_map(|uri| {
        let reason = open::rehearse(uri).err()?;
        let uri = uri.text.clone();
        Some(OpenError { uri, reason })
    });
    wrong.collect()
}

impl Listener {
    fn new(uri: &ListenUri, socket: OwnedFd, path: Option<PathIdentity>) -> io::Result<Self> {
        Ok(Self {
            key: 0,
            uri: uri.clone(),
            inode: socket::inode(socket.as_fd())?,
            carries: socket::socket_type(socket.as_fd())?,
            local: socket::local(socket.as_fd())?,
            // What cannot be named is never what a program binds.
            place: Place::of(socket.as_fd()).unwrap_or_default(),
            socket,
            path,
            given: String::new(),
            further: false,
            adopted: None,
        })
    }

    /// By what the configurations know it, whatever becomes of the socket; 0 until it is held.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Gives it the name by which the configurations know it.
    pub fn set_key(&mut self, key: u64) {
        self.key = key;
    }

    /// Whether it came by the same `-listen` as the one before it.
    pub fn is_further(&self) -> bool {
        self.further
    }

    /// What was asked for.
    pub fn uri(&self) -> &ListenUri {
        &self.uri
    }

    /// The socket: blocking when opened, close-on-exec.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The socket's inode, by which /proc shows who else has it.
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// The name given with `NAME=`, else by the service manager, else empty.
    pub fn name(&self) -> String {
        self.uri.name.as_ref().unwrap_or(&self.given).clone()
    }

    /// Whether clients connect to it: a datagram socket has no queue of connections, and never hangs up.
    pub fn takes_connections(&self) -> bool {
        self.carries != Type::Datagram
    }

    /// What a program is told of it that has it as this descriptor.
    pub fn passed(&self, fd: i32) -> Passed {
        Passed {
            fd,
            name: self.name(),
            asked: self.uri.address.clone(),
            datagrams: !self.takes_connections(),
            bound: match &self.local {
                Local::Inet { address, .. } => Some(Bound::Inet(*address)),
                Local::Path(path) => Some(Bound::Unix(path.clone())),
                Local::Abstract(name) => {
                    let name = [b"@", &**name].concat();
                    Some(Bound::Unix(OsString::from_vec(name).into()))
                }
                Local::Vsock { .. } | Local::Other => None,
            },
        }
    }

    /// Where it is bound; `None` if only its maker knows.
    pub fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// The worker whose socket this was before it was adopted; `None` for one that we opened.
    pub fn adopted(&self) -> Option<WorkerId> {
        self.adopted
    }

    /// What it really listens on, as a listen URI: the real port where 0 was asked for, the address of an `fd://`.
    pub fn actual(&self) -> String {
        match (&self.place, &self.local) {
            (Some(place), Local::Path(path)) => place.uri(Some(path)),
            (Some(place), _) => place.uri(None),
            (None, Local::Vsock { cid, port }) => {
                let cid = cid.map_or_else(String::new, |cid| cid.to_string());
                format!("vsock://{cid}:{port}")
            }
            (None, _) => self.uri.text.clone(),
        }
    }

    /// Says that it belongs to the program from now on, as if this worker had opened it.
    pub fn leave_to(&mut self, worker: WorkerId) {
        self.adopted = Some(worker);
    }

    /// What the next image of the supervisor needs to know, beside the descriptor under the same number.
    pub fn to_held(&self) -> HeldListener {
        HeldListener {
            fd: self.socket.as_raw_fd(),
            uri: self.uri.text.clone(),
            path: self.path,
            given: self.given.clone(),
            further: self.further,
            key: self.key,
            name: self.uri.name.clone(),
            adopted: self.held_adopted(),
        }
    }

    /// Takes a listener over from the previous image, and makes the descriptor close-on-exec again.
    ///
    /// # Errors
    /// `ENOTSOCK` if `fd` is no socket, else what fcntl(2) says.
    pub fn from_held(uri: &ListenUri, held: &HeldListener, fd: OwnedFd) -> io::Result<Self> {
        fds::set_close_on_exec(fd.as_fd(), true)?;
        Ok(Self {
            key: held.key,
            given: held.given.clone(),
            further: held.further,
            ..Self::new(uri, fd, held.path)?
        })
    }
}
