//! Listeners that a program made, of whose socket we hold a copy.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{Listener, Place, Spot, identity};
use crate::core::WorkerId;
use crate::sys::fds;
use crate::sys::socket::{self, Type};
use crate::wire::held::{HeldAdopted, HeldListener};
use crate::wire::uri::{Address, Carries, Family, ListenUri};

/// Connections that may wait, at least: a program asks for what it needs while it runs, and does not know of the time
/// from one generation to the next.
const LEAST_BACKLOG: i32 = 4096;

/// The worker of a listener that came from none, but from a process that was taken over: workers count from 1.
pub const TAKEN: WorkerId = WorkerId(0);

impl Listener {
    /// Takes charge of a copy of a socket that a program has bound at this place, and makes it listen if it is of that
    /// kind. `file` is the path of a unix socket, from the root on. [`TAKEN`] stands for a process that was no worker.
    ///
    /// # Errors
    /// What listen(2) says: another socket listens there, say. The socket is as it was then.
    pub fn adopt(
        socket: OwnedFd,
        place: Place,
        file: Option<&Path>,
        backlog: i32,
        worker: WorkerId,
    ) -> io::Result<Self> {
        let backlog = backlog.max(LEAST_BACKLOG);
        if place.kind != Type::Datagram {
            socket::listen(socket.as_fd(), backlog)?;
        }
        let path = file.and_then(|file| identity(file).ok());
        let uri = listen_uri(&place, file, backlog);
        let this = Self::new(&uri, socket, path)?;
        Ok(Self {
            place: Some(place),
            adopted: Some(worker),
            ..this
        })
    }

    /// Whether this address of a configuration is the one that the program has bound, however it is written. Host names
    /// are not looked up.
    pub fn is_asked_by(&self, uri: &ListenUri) -> bool {
        let shown = self.actual().parse::<ListenUri>();
        shown.is_ok_and(|shown| in_full(&shown.address) == in_full(&uri.address))
    }

    /// The socket file, if it was made by a process that was taken over, whose calls nobody answers.
    pub fn taken_file(&self) -> Option<&Path> {
        match (&self.uri.address, self.adopted) {
            (Address::UnixPath(_, path), Some(TAKEN)) => Some(path),
            _ => None,
        }
    }

    pub(super) fn held_adopted(&self) -> Option<HeldAdopted> {
        let file = match &self.uri.address {
            // It has no path for us if it is not from the root on.
            Address::UnixPath(_, path) if path.is_absolute() => Some(path.clone().into()),
            _ => None,
        };
        self.adopted.map(|worker| HeldAdopted {
            worker: worker.0,
            backlog: self.uri.backlog,
            file,
        })
    }

    /// Takes an adopted listener over from the previous image, and makes the descriptor close-on-exec again.
    ///
    /// # Errors
    /// `ENOTSOCK` if `fd` is no socket, else what fcntl(2) says.
    pub fn from_held_adopted(
        held: &HeldListener,
        adopted: &HeldAdopted,
        place: Option<Place>,
        fd: OwnedFd,
    ) -> io::Result<Self> {
        fds::set_close_on_exec(fd.as_fd(), true)?;
        let file = adopted.file.as_ref().map(PathBuf::from);
        // A program before us may not have handed it over.
        let mut place = place.or_else(|| Place::of(fd.as_fd()).unwrap_or_default());
        if let (None, Some(file)) = (&place, &file) {
            // It was bound by a path that is no path from the root on.
            place = Place::of_file(fd.as_fd(), file).ok();
        }
        let place = place.ok_or(io::ErrorKind::NotFound)?;
        let uri = listen_uri(&place, file.as_deref(), adopted.backlog);
        let this = Self::new(&uri, fd, held.path)?;
        Ok(Self {
            key: held.key,
            place: Some(place),
            adopted: Some(WorkerId(adopted.worker)),
            ..this
        })
    }
}

/// The same address with its host written in one way, and the family only where the host does not say it.
fn in_full(address: &Address) -> Address {
    let mut full = address.clone();
    if let Address::Tcp { family, host, .. } | Address::Udp { family, host, .. } = &mut full {
        let every = host.is_empty() || host == "0.0.0.0" || host == "::";
        if every {
            *host = if *family == Family::V4 {
                "0.0.0.0"
            } else {
                "::"
            }
            .into();
        } else if host.parse::<IpAddr>().is_ok() {
            *family = Family::Any;
        }
    }
    full
}

/// The place as if somebody had asked for it.
fn listen_uri(place: &Place, file: Option<&Path>, backlog: i32) -> ListenUri {
    let carries = match place.kind {
        Type::Stream => Carries::Stream,
        Type::Datagram => Carries::Datagrams,
        Type::Packets => Carries::Packets,
    };
    let address = match &place.spot {
        Spot::Inet { address, .. } => {
            let (family, host, port) = (Family::Any, address.ip().to_string(), address.port());
            match place.kind {
                Type::Datagram => Address::Udp { family, host, port },
                Type::Stream | Type::Packets => Address::Tcp { family, host, port },
            }
        }
        Spot::Entry(entry) => {
            Address::UnixPath(carries, file.unwrap_or(Path::new(&entry.name)).into())
        }
        Spot::Abstract(name) => Address::UnixAbstract(carries, name.clone()),
    };
    ListenUri {
        text: place.uri(file),
        name: None,
        address,
        backlog,
        mode: None,
        owner: None,
        group: None,
    }
}
