//! Made, bound, listening.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use super::Type;

/// A TCP socket bound to `address`, not yet listening. With `v6only` an IPv6 socket takes no IPv4 connections; the
/// option is always set, so the sysctl `net.ipv6.bindv6only` changes nothing. `SO_REUSEADDR` is on: connections in
/// TIME_WAIT don't keep the port busy, a listening socket still does.
///
/// # Errors
/// What socket(2), setsockopt(2) or bind(2) says.
pub fn bind_tcp(address: SocketAddr, v6only: bool) -> io::Result<OwnedFd> {
    let socket = inet(address, v6only, Type::Stream)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// A UDP socket bound to `address`; `v6only` as for TCP. Without `SO_REUSEADDR`, which would let another program share
/// the port and take what comes (socket(7)).
///
/// # Errors
/// What socket(2), setsockopt(2) or bind(2) says.
pub fn bind_udp(address: SocketAddr, v6only: bool) -> io::Result<OwnedFd> {
    let socket = inet(address, v6only, Type::Datagram)?;
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

fn inet(address: SocketAddr, v6only: bool, carries: Type) -> io::Result<OwnedFd> {
    if address.is_ipv4() {
        return make(AddressFamily::INET, carries);
    }
    let socket = make(AddressFamily::INET6, carries)?;
    sockopt::set_ipv6_v6only(&socket, v6only)?;
    Ok(socket)
}

/// A unix socket without an address.
///
/// # Errors
/// What socket(2) says: out of descriptors, mostly.
pub fn unix(carries: Type) -> io::Result<OwnedFd> {
    make(AddressFamily::UNIX, carries)
}

/// A unix socket bound to an abstract name, given without the leading zero byte.
///
/// # Errors
/// What socket(2) or bind(2) says; `ENAMETOOLONG` above 107 bytes.
pub fn bind_abstract(name: &[u8], carries: Type) -> io::Result<OwnedFd> {
    let socket = unix(carries)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
    Ok(socket)
}

pub(super) fn make(family: AddressFamily, carries: Type) -> io::Result<OwnedFd> {
    let number = match carries {
        Type::Stream => SocketType::STREAM,
        Type::Datagram => SocketType::DGRAM,
        Type::Packets => SocketType::SEQPACKET,
    };
    Ok(rustix::net::socket_with(
        family,
        number,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// listen(2), which may also be called again to change the backlog. The kernel caps it at `net.core.somaxconn`.
///
/// # Errors
/// What listen(2) says.
pub fn listen(socket: BorrowedFd<'_>, backlog: i32) -> io::Result<()> {
    Ok(rustix::net::listen(socket, backlog)?)
}

/// Makes a socket listen as it did before, whatever another holder did to it: a smaller backlog grows again, a TCP
/// socket that was `shutdown()` is revived.
///
/// A TCP socket that was bound to port 0 gives its port back at a `shutdown()`, and a mere listen() would move it to
/// another one (Linux, `tcp_set_state`); so a socket that has stopped listening is first bound to `local` again.
/// Where the port was never given back the kernel answers that with EINVAL, which is as good.
///
/// # Errors
/// `ESHUTDOWN` for a unix socket that was `shutdown()`: the kernel never takes that back (`unix_listen`). `EADDRINUSE`
/// if somebody took the port meanwhile. Else what bind(2) or listen(2) says.
pub fn listen_again(
    socket: BorrowedFd<'_>,
    local: Option<SocketAddr>,
    backlog: i32,
) -> io::Result<()> {
    if let Some(local) = local
        && !is_listening(socket)?
    {
        match rustix::net::bind(socket, &local) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    listen(socket, backlog)?;
    if is_shut_down(socket)? {
        return Err(rustix::io::Errno::SHUTDOWN.into());
    }
    Ok(())
}

/// Whether a listening socket hangs up: nobody can connect to it any more.
fn is_shut_down(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let now = rustix::event::Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut poll = [PollFd::from_borrowed_fd(socket, PollFlags::RDHUP)];
    rustix::event::poll(&mut poll, Some(&now))?;
    Ok(poll[0]
        .revents()
        .intersects(PollFlags::HUP | PollFlags::RDHUP))
}

/// Whether the socket accepts connections (`SO_ACCEPTCONN`).
///
/// # Errors
/// `ENOTSOCK` if it is none.
pub fn is_listening(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sockopt::socket_acceptconn(socket)?)
}

/// Whether connecting to the unix socket `address` reaches somebody, and the error if not.
pub(in crate::sys) fn connect_unix(address: &SocketAddrUnix) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(probe.as_fd(), address)
}
