//! Where a socket is bound, as far as one that takes its place must match it.

use std::fmt::{self, Write};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::sys::peer::Entry;
use crate::sys::socket::{self, Local, Type};

/// The place of a socket. Two sockets with the same place cannot be told apart by who connects to them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Connections or datagrams.
    pub kind: Type,
    /// The number of the protocol, which tells SCTP from TCP.
    #[serde(default)]
    pub protocol: i32,
    /// The network namespace; 0 for files, which have none.
    #[serde(default)]
    pub network: u64,
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
            Local::Inet { address, .. } if address.port() == 0 => None,
            Local::Inet { address, v6only } => Some(Spot::Inet { address, v6only }),
            Local::Path(path) if path.is_absolute() => Some(Spot::Entry(Entry::of(&path)?)),
            Local::Abstract(name) => Some(Spot::Abstract(name)),
            Local::Path(_) | Local::Vsock { .. } | Local::Other => None,
        };
        spot.map(|spot| Self::to_be(socket, spot)).transpose()
    }

    /// Where this socket will be when it is bound to that spot.
    ///
    /// # Errors
    /// What getsockopt(2) says.
    pub fn to_be(socket: BorrowedFd<'_>, spot: Spot) -> io::Result<Self> {
        Ok(Self {
            kind: socket::socket_type(socket)?,
            protocol: socket::protocol(socket)?,
            network: match spot {
                Spot::Entry(_) => 0,
                Spot::Inet { .. } | Spot::Abstract(_) => socket::network(socket),
            },
            spot,
        })
    }

    /// Where this unix socket is, whose file has this path from the root on.
    ///
    /// # Errors
    /// What getsockopt(2) or stat(2) says.
    pub fn of_file(socket: BorrowedFd<'_>, file: &Path) -> io::Result<Self> {
        Self::to_be(socket, Spot::Entry(Entry::of(file)?))
    }

    /// Whether whoever wrote the one may have meant the other: they share a port, and only the address, the family or
    /// dual stack tells them apart.
    #[must_use]
    pub fn nearly(&self, other: &Self) -> bool {
        let (
            Spot::Inet {
                address: a,
                v6only: a_alone,
            },
            Spot::Inet {
                address: b,
                v6only: b_alone,
            },
        ) = (&self.spot, &other.spot)
        else {
            return false;
        };
        // One that takes IPv6 alone leaves all IPv4 free.
        if a.is_ipv4() && *b_alone || b.is_ipv4() && *a_alone {
            return false;
        }
        let (ip, other_ip) = (a.ip().to_canonical(), b.ip().to_canonical());
        let overlap = ip == other_ip || ip.is_unspecified() || other_ip.is_unspecified();
        let comparable =
            (self.kind, self.protocol, self.network) == (other.kind, other.protocol, other.network);
        self != other && comparable && a.port() == b.port() && overlap
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
                let path = path.as_os_str().as_bytes();
                format!("{}://{}", self.unix(), escaped(path))
            }
            Spot::Abstract(name) => {
                format!("{}://@{}", self.unix(), escaped(name))
            }
        }
    }

    fn unix(&self) -> &'static str {
        match self.kind {
            Type::Stream => "unix",
            Type::Datagram => "unixgram",
            Type::Packets => "unixpacket",
        }
    }
}

/// With `%XX`, as a listen URI has it, for what a program could put on with a line of its own or hide in one of ours.
fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(text, "%{byte:02X}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() || "%?".contains(char) {
                escape(&mut text, char.encode_utf8(&mut [0; 4]).as_bytes());
            } else {
                text.push(char);
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::AsFd;

    fn inet(address: &str, v6only: bool) -> Place {
        Place {
            kind: Type::Stream,
            protocol: 6,
            network: 1,
            spot: Spot::Inet {
                address: address.parse().unwrap(),
                v6only,
            },
        }
    }

    #[test]
    fn near_is_not_the_same() {
        let held = inet("[::]:80", false);
        for near in [
            inet("0.0.0.0:80", false),
            inet("[::]:80", true),
            inet("127.0.0.1:80", false),
        ] {
            assert!(held.nearly(&near) && near.nearly(&held), "{near}");
        }
        let elsewhere = Place {
            network: 2,
            ..held.clone()
        };
        let four = inet("127.0.0.1:80", false);
        for other in [held.clone(), inet("[::]:81", false), elsewhere] {
            assert!(!held.nearly(&other), "{other}");
        }
        assert!(!four.nearly(&inet("127.0.0.2:80", false)));
        // As Redis binds both.
        let (all_four, six_alone) = (inet("0.0.0.0:80", false), inet("[::]:80", true));
        assert!(!all_four.nearly(&six_alone) && !six_alone.nearly(&all_four));
        assert!(four.nearly(&inet("[::ffff:127.0.0.1]:80", false)));
    }

    #[test]
    fn sockets_of_one_address_are_told_apart() {
        let stream = TcpListener::bind("127.0.0.1:0").unwrap();
        let datagrams = UdpSocket::bind(stream.local_addr().unwrap()).unwrap();
        let (stream, datagrams) = (
            Place::of(stream.as_fd()).unwrap().unwrap(),
            Place::of(datagrams.as_fd()).unwrap().unwrap(),
        );
        assert_ne!(stream, datagrams);
        assert!(
            stream.to_string().starts_with("tcp://127.0.0.1:"),
            "{stream}"
        );
        assert!(
            datagrams.to_string().starts_with("udp://127.0.0.1:"),
            "{datagrams}"
        );
    }

    #[test]
    fn a_name_does_not_become_a_line_of_its_own() {
        let spot = Spot::Abstract(b"a\n%\xff\xc3\xa4".to_vec());
        let place = Place {
            spot,
            ..inet("[::]:80", false)
        };
        assert_eq!(place.to_string(), "unix://@a%0A%25%FF\u{e4}");
    }
}
