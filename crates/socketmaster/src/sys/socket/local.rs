//! Where a socket is bound.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::net::{AddressFamily, sockopt};

use super::vsock;

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// An IP address, of TCP or UDP mostly.
    Inet {
        /// Address and real port.
        address: SocketAddr,
        /// Whether an IPv6 socket refuses IPv4.
        v6only: bool,
    },
    /// An address of a virtual machine.
    Vsock {
        /// Its number; `None` for all that the machine has.
        cid: Option<u32>,
        /// The real port.
        port: u32,
    },
    /// The path of a unix socket as it was given to bind(2).
    Path(PathBuf),
    /// The abstract name of a unix socket, without the leading zero byte.
    Abstract(Vec<u8>),
    /// Nowhere, or in an address family that this module doesn't know.
    Other,
}

/// Asks where a socket is bound (getsockname(2)).
///
/// # Errors
/// What getsockname(2) says.
pub fn local(socket: BorrowedFd<'_>) -> io::Result<Local> {
    let any = rustix::net::getsockname(socket)?;
    let family = any.address_family();
    Ok(match family {
        AddressFamily::INET | AddressFamily::INET6 => Local::Inet {
            address: SocketAddr::try_from(any)?,
            v6only: family == AddressFamily::INET6 && sockopt::ipv6_v6only(socket)?,
        },
        AddressFamily::UNIX => unix_local(socket)?,
        AddressFamily::VSOCK => {
            let (cid, port) = vsock::local(socket)?;
            Local::Vsock { cid, port }
        }
        _ => Local::Other,
    })
}

fn unix_local(socket: BorrowedFd<'_>) -> io::Result<Local> {
    // The standard library's reading also copes with no address at all and with a path of all 108 bytes.
    let address = UnixListener::from(socket.try_clone_to_owned()?).local_addr()?;
    Ok(match (address.as_pathname(), address.as_abstract_name()) {
        (Some(path), _) => Local::Path(path.into()),
        (None, Some(name)) => Local::Abstract(name.to_vec()),
        (None, None) => Local::Other,
    })
}
