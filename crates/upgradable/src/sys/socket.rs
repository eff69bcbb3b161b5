//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::Path;

use rustix::net::{SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::fds;
use crate::address::Address;

/// The length of the queue of connections that wait to be accepted; the kernel cuts it to `net.core.somaxconn`, which
/// is 4096 since Linux 5.4 (listen(2)).
const BACKLOG: i32 = 4096;

/// What sort of socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Connections are accepted from it.
    Listener,
    /// It takes datagrams.
    Datagram,
}

/// What sort of socket this is and where it is bound; `None` for anything that is neither kind.
pub(crate) fn describe(fd: impl AsFd) -> Option<(Kind, Address)> {
    let fd = fd.as_fd();
    let kind = match sockopt::socket_type(fd).ok()? {
        SocketType::DGRAM => Kind::Datagram,
        SocketType::STREAM if sockopt::socket_acceptconn(fd).ok()? => Kind::Listener,
        _ => return None,
    };
    Some((kind, address(rustix::net::getsockname(fd).ok()?)?))
}

/// An address as the system says it.
pub(crate) fn address(any: SocketAddrAny) -> Option<Address> {
    if let Ok(ip) = SocketAddr::try_from(any.clone()) {
        return Some(Address::Ip(ip));
    }
    let unix = SocketAddrUnix::try_from(any).ok()?;
    if let Some(name) = unix.abstract_name() {
        return Some(Address::Abstract(name.into()));
    }
    match unix.path_bytes() {
        Some(path) if !path.is_empty() => Some(Address::Unix(crate::address::path(path))),
        _ => Some(Address::Unnamed),
    }
}

/// Binds and listens. The socket is non-blocking: a connection that is gone again before it is accepted must not hold
/// up its accepter.
pub(crate) fn listen(address: &Address) -> io::Result<OwnedFd> {
    let socket: OwnedFd = match address {
        // With SO_REUSEADDR, as std does it.
        Address::Ip(address) => TcpListener::bind(address)?.into(),
        Address::Unix(path) => bind_path(path)?.into(),
        Address::Abstract(name) => {
            UnixListener::bind_addr(&UnixAddr::from_abstract_name(name)?)?.into()
        }
        Address::Unnamed => return Err(io::ErrorKind::InvalidInput.into()),
    };
    relisten(&socket)?;
    Ok(socket)
}

/// Whether the system cannot do what was asked for because it has no such addresses: IPv6 is switched off (ipv6(7),
/// `RestrictAddressFamilies=` of systemd.exec(5)).
pub(crate) fn lacks_family(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    matches!(
        errno,
        Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL)
    )
}

/// Takes the place of a socket file that nobody listens on any more.
fn bind_path(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}

fn is_stale(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// Binds a datagram socket.
pub(crate) fn datagram(address: SocketAddr) -> io::Result<OwnedFd> {
    Ok(UdpSocket::bind(address)?.into())
}

/// Makes it non-blocking, with a full backlog, and a listener again if somebody who shares it has shut it down.
pub(crate) fn relisten(fd: impl AsFd) -> io::Result<()> {
    let fd = fd.as_fd();
    rustix::net::listen(fd, BACKLOG)?;
    set_nonblocking(fd)
}

/// Makes no call on it wait.
pub(crate) fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, true)?)
}

/// Accepts one connection, without waiting. The connection itself is blocking.
pub(crate) fn accept(fd: impl AsFd) -> io::Result<(OwnedFd, Address)> {
    let (stream, peer) = rustix::net::acceptfrom_with(fd, SocketFlags::CLOEXEC)?;
    Ok((stream, peer.and_then(address).unwrap_or(Address::Unnamed)))
}

/// Removes a socket file, if it is still the one that is meant.
pub(crate) fn unlink(path: &Path, file: fds::Identity) {
    if fds::identity_at(path) == Some(file) {
        // Who else could remove it meanwhile meant the same file.
        let _ = std::fs::remove_file(path);
    }
}
