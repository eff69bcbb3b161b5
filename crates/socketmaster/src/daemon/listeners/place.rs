//! Where a socket is bound, as far as one that takes its place must match it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sys::peer::Entry;
use crate::sys::socket::{self, Local, Type};

/// The place of a socket. Two sockets with the same place cannot be told apart by who connects to them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Connections or datagrams.
    pub kind: Type,
    /// Where.
    pub spot: Spot,
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Spot {
    /// An address and a port.
    Inet {
        /// Both of them.
        address: SocketAddr,
        /// Whether an IPv6 socket refuses IPv4.
        v6only: bool,
    },
    /// A name in a directory, whatever path led there.
    Entry(Entry),
    /// An abstract name of unix sockets.
    Abstract(Vec<u8>),
}

impl Place {
    /// Where this socket of ours is bound; `None` if it is not, or where only its maker knows.
    ///
    /// # Errors
    /// What getsockname(2) or stat(2) says.
    pub fn of(socket: BorrowedFd<'_>) -> io::Result<Option<Self>> {
        let spot = match socket::local(socket)? {
            Local::Tcp { address, .. } if address.port() == 0 => None,
            Local::Tcp { address, v6only } => Some(Spot::Inet { address, v6only }),
            Local::Path(path) if path.is_absolute() => Some(Spot::Entry(Entry::of(&path)?)),
            Local::Abstract(name) => Some(Spot::Abstract(name)),
            Local::Path(_) | Local::Other => None,
        };
        let kind = socket::socket_type(socket)?;
        Ok(spot.map(|spot| Self { kind, spot }))
    }

    /// Where this unix socket is, whose file has this path from the root on.
    ///
    /// # Errors
    /// What getsockopt(2) or stat(2) says.
    pub fn of_file(socket: BorrowedFd<'_>, file: &Path) -> io::Result<Self> {
        Ok(Self {
            kind: socket::socket_type(socket)?,
            spot: Spot::Entry(Entry::of(file)?),
        })
    }

    /// Whether whoever wrote the one may have meant the other: they share a port, and only the address, the family or
    /// dual stack tells them apart.
    #[must_use]
    pub fn nearly(&self, other: &Self) -> bool {
        let (Spot::Inet { address: a, .. }, Spot::Inet { address: b, .. }) =
            (&self.spot, &other.spot)
        else {
            return false;
        };
        let (ip, other_ip) = (a.ip().to_canonical(), b.ip().to_canonical());
        let overlap = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
        self != other && self.kind == other.kind && a.port() == b.port() && overlap
    }

    /// It as a listen URI, or nearly one; a unix path by its name alone.
    #[must_use]
    pub fn uri(&self, path: Option<&Path>) -> String {
        match &self.spot {
            Spot::Inet { address, v6only } => {
                // A wildcard without a family would be dual-stack.
                let family = match (address.ip().is_unspecified(), address.is_ipv4(), v6only) {
                    (true, true, _) => "4",
                    (true, false, true) => "6",
                    _ => "",
                };
                let scheme = match self.kind {
                    Type::Datagram => "udp",
                    Type::Stream | Type::Packets => "tcp",
                };
                format!("{scheme}{family}://{address}")
            }
            Spot::Entry(entry) => {
                let path = path.unwrap_or(Path::new(&entry.name));
                format!("{}://{}", self.unix(), path.display())
            }
            Spot::Abstract(name) => {
                format!("{}://@{}", self.unix(), String::from_utf8_lossy(name))
            }
        }
    }

    fn unix(&self) -> &'static str {
        match self.kind {
            Type::Stream => "unix",
            Type::Datagram => "unixgram",
            Type::Packets => "seqpacket",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri(None))
    }
}
