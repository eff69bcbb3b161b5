//! Stream sockets that listen: make, bind, listen, look at (socket(7), ip(7), ipv6(7), unix(7)).
//!
//! All of them are close-on-exec and blocking: `O_NONBLOCK` belongs to the open file description, so whoever shares
//! the socket shares the flag (fcntl(2)).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};
use serde::{Deserialize, Serialize};

/// A TCP socket bound to `address`, not yet listening. With `v6only` an IPv6 socket takes no IPv4 connections; the
/// option is always set, so the sysctl `net.ipv6.bindv6only` changes nothing. `SO_REUSEADDR` is on: connections in
/// TIME_WAIT don't keep the port busy, a listening socket still does.
///
/// # Errors
/// What socket(2), setsockopt(2) or bind(2) says.
pub fn bind_tcp(address: SocketAddr, v6only: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = stream(family)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, v6only)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

/// A unix stream socket without an address.
///
/// # Errors
/// What socket(2) says: out of descriptors, mostly.
pub fn unix() -> io::Result<OwnedFd> {
    stream(AddressFamily::UNIX)
}

/// A unix stream socket bound to an abstract name, given without the leading zero byte.
///
/// # Errors
/// What socket(2) or bind(2) says; `ENAMETOOLONG` above 107 bytes.
pub fn bind_abstract(name: &[u8]) -> io::Result<OwnedFd> {
    let socket = unix()?;
    rustix::net::bind(&socket, &SocketAddrUnix::new_abstract_name(name)?)?;
    Ok(socket)
}

fn stream(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        family,
        SocketType::STREAM,
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

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Local {
    /// A TCP address.
    Tcp {
        /// Address and real port.
        address: SocketAddr,
        /// Whether an IPv6 socket refuses IPv4.
        v6only: bool,
    },
    /// The path of a unix socket as it was given to bind(2).
    Path(PathBuf),
    /// The abstract name of a unix socket, without the leading zero byte.
    Abstract(Vec<u8>),
    /// Nowhere, or in an address family that this module doesn't know.
    Other,
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

/// How many connections wait to be accepted from a TCP socket that listens, and how many may (`TCP_INFO`, tcp(7): of such
/// a socket `tcpi_unacked` and `tcpi_sacked` mean this, `tcp_get_info`). `None` for other sockets.
#[must_use]
pub fn queue(socket: BorrowedFd<'_>) -> Option<(u32, u32)> {
    // The two stand behind 8 bytes of flags and four numbers.
    let mut info = [0u32; 8];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    (result == 0 && is_listening(socket).unwrap_or(false)).then_some((info[6], info[7]))
}

/// How often the kernel dropped what came for this socket, for want of room in its queue mostly: connections of a socket
/// that listens, datagrams of another (`SO_MEMINFO`, Linux 4.12, the last of its numbers; `tcp_listendrop` counts it
/// up). A client that tries again counts again. `None` where the kernel does not say; a unix socket drops nothing.
#[must_use]
pub fn drops(socket: BorrowedFd<'_>) -> Option<u32> {
    // SK_MEMINFO_VARS numbers, of linux/sock_diag.h.
    let mut info = [0u32; 9];
    let mut length = libc::socklen_t::try_from(size_of_val(&info)).ok()?;
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let family = family(socket).ok()?;
    let is_all = usize::try_from(length) == Ok(size_of_val(&info));
    (result == 0 && is_all && family != Family::Unix).then_some(info[8])
}

/// Asks where a socket is bound (getsockname(2)).
///
/// # Errors
/// What getsockname(2) says.
pub fn local(socket: BorrowedFd<'_>) -> io::Result<Local> {
    let any = rustix::net::getsockname(socket)?;
    let family = any.address_family();
    Ok(match family {
        AddressFamily::INET | AddressFamily::INET6 => Local::Tcp {
            address: SocketAddr::try_from(any)?,
            v6only: family == AddressFamily::INET6 && sockopt::ipv6_v6only(socket)?,
        },
        AddressFamily::UNIX => unix_local(socket)?,
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

/// A close-on-exec descriptor of our own for what the inherited descriptor `number` refers to. The number itself
/// becomes close-on-exec too and stays open: closing it could pull it from under another owner.
///
/// # Errors
/// `EBADF` if it is not open.
pub fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl with these commands and an integer argument touches no memory; a number that is not open is EBADF.
    let copy = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    // SAFETY: as above; 0 to 2 stay, because every program expects to inherit them.
    if number > 2 && unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(copy)
}

/// What a descriptor refers to, as far as it matters for listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A stream socket that listens.
    Listening,
    /// A stream socket with an address that does not listen yet.
    Bound,
    /// A stream socket without an address.
    Unbound,
    /// A stream socket with a peer.
    Connected,
    /// A socket that knows no connections.
    Datagram,
    /// Any other socket.
    OtherSocket,
    /// A pipe or FIFO.
    Pipe,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A terminal, /dev/null, a disk, …
    Device,
    /// Something else: an epoll descriptor, a memfd, …
    Other,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listening => "a listening socket",
            Self::Bound => "a socket that is bound but doesn't listen",
            Self::Unbound => "a socket without an address",
            Self::Connected => "a connection",
            Self::Datagram => "a datagram socket",
            Self::OtherSocket => "a socket, but not a stream socket",
            Self::Pipe => "a pipe",
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Device => "a terminal or other device",
            Self::Other => "no socket",
        })
    }
}

/// Asks what a descriptor refers to.
///
/// # Errors
/// What fstat(2), getsockopt(2) or getsockname(2) says.
pub fn kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    Ok(
        match FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode) {
            FileType::Socket => match sockopt::socket_type(fd)? {
                SocketType::STREAM => stream_kind(fd)?,
                SocketType::DGRAM => Kind::Datagram,
                _ => Kind::OtherSocket,
            },
            FileType::Fifo => Kind::Pipe,
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            _ => Kind::Other,
        },
    )
}

fn stream_kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    if is_listening(fd)? {
        return Ok(Kind::Listening);
    }
    if rustix::net::getpeername(fd).is_ok() {
        return Ok(Kind::Connected);
    }
    Ok(match local(fd)? {
        Local::Tcp { address, .. } if address.port() != 0 => Kind::Bound,
        Local::Path(_) | Local::Abstract(_) => Kind::Bound,
        Local::Tcp { .. } | Local::Other => Kind::Unbound,
    })
}

/// Whether connecting to the unix socket `address` reaches somebody, and the error if not.
pub(super) fn connect_unix(address: &SocketAddrUnix) -> rustix::io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let probe = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(probe.as_fd(), address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_beyond_a_full_queue_are_counted() {
        let listener = bind_tcp(([127, 0, 0, 1], 0).into(), false).unwrap();
        listen(listener.as_fd(), 1).unwrap();
        assert_eq!(drops(listener.as_fd()), Some(0));
        let Ok(Local::Tcp { address, .. }) = local(listener.as_fd()) else {
            panic!()
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let _clients = [(); 8].map(|()| {
            let client =
                rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
                    .unwrap();
            // In progress, or at once.
            let _ = rustix::net::connect(&client, &address);
            client
        });
        assert!(drops(listener.as_fd()) > Some(0));
        assert_eq!(drops(unix().unwrap().as_fd()), None);
    }
}
