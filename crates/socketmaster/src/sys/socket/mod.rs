//! Sockets that clients find: make, bind, listen, look at (socket(7), ip(7), ipv6(7), unix(7), vsock(7)).
//!
//! All of them are close-on-exec and blocking: `O_NONBLOCK` belongs to the open file description, so whoever shares
//! the socket shares the flag (fcntl(2)).

mod kind;
mod local;
mod make;
mod queue;
mod vsock;

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::OFlags;
use rustix::net::{AddressFamily, SocketType, sockopt};
use serde::{Deserialize, Serialize};

pub use kind::{Kind, inherit, kind};
pub use local::{Local, local};
pub(super) use make::connect_unix;
pub use make::{bind_abstract, bind_tcp, bind_udp, is_listening, listen, listen_again, unix};
pub use queue::{drops, queue, waiting_bytes};
pub use vsock::bind_vsock;

/// Whether `O_NONBLOCK` is set on the description.
///
/// # Errors
/// What fcntl(2) says.
pub fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

/// Sets or clears `O_NONBLOCK` on the description, for every process that shares it.
///
/// # Errors
/// What fcntl(2) says.
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let mut flags = rustix::fs::fcntl_getfl(fd)?;
    flags.set(OFlags::NONBLOCK, on);
    Ok(rustix::fs::fcntl_setfl(fd, flags)?)
}

/// The inode of the socket, as /proc shows it in `socket:[N]` and in its tables.
///
/// # Errors
/// What fstat(2) says.
pub fn inode(socket: BorrowedFd<'_>) -> io::Result<u64> {
    Ok(rustix::fs::fstat(socket)?.st_ino)
}

/// What a socket carries (`SO_TYPE`, socket(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    /// A stream of bytes.
    Stream,
    /// Datagrams, without connections.
    Datagram,
    /// Connections that keep the bounds of messages.
    Packets,
}

/// Asks what a socket carries.
///
/// # Errors
/// `ENOTSOCK` if it is none, `Unsupported` for other types.
pub fn socket_type(socket: BorrowedFd<'_>) -> io::Result<Type> {
    match sockopt::socket_type(socket)? {
        SocketType::STREAM => Ok(Type::Stream),
        SocketType::DGRAM => Ok(Type::Datagram),
        SocketType::SEQPACKET => Ok(Type::Packets),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The address families that this module knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// Unix sockets.
    Unix,
}

/// Asks of which family a socket is (`SO_DOMAIN`, socket(7)).
///
/// # Errors
/// `ENOTSOCK` if it is none, `Unsupported` for other families.
pub fn family(socket: BorrowedFd<'_>) -> io::Result<Family> {
    match sockopt::socket_domain(socket)? {
        AddressFamily::INET => Ok(Family::V4),
        AddressFamily::INET6 => Ok(Family::V6),
        AddressFamily::UNIX => Ok(Family::Unix),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The number of a socket's protocol (`SO_PROTOCOL`, socket(7)). Multipath TCP counts as TCP: who wants the one is
/// served by the other.
///
/// # Errors
/// What getsockopt(2) says.
pub fn protocol(socket: BorrowedFd<'_>) -> io::Result<i32> {
    let protocol = sockopt::socket_protocol(socket)?;
    let number = protocol.map_or(0, |protocol| protocol.as_raw().get().cast_signed());
    Ok(if number == libc::IPPROTO_MPTCP {
        libc::IPPROTO_TCP
    } else {
        number
    })
}

/// What tells one network namespace from another (`SO_NETNS_COOKIE`, Linux 5.14); 0 where the kernel does not say.
#[must_use]
pub fn network(socket: BorrowedFd<'_>) -> u64 {
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).unwrap_or_default();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the cookie.
    unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    cookie
}

/// Whether several sockets of one user may be bound to one port at once (`SO_REUSEPORT`, socket(7)).
///
/// # Errors
/// What getsockopt(2) says; unix sockets have no such option.
pub fn is_port_shared(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_reuseport(socket)?)
}

/// Whether an IPv6 socket refuses IPv4 (`IPV6_V6ONLY`, ipv6(7)).
///
/// # Errors
/// What getsockopt(2) says; others have no such option.
pub fn is_v6only(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::ipv6_v6only(socket)?)
}
