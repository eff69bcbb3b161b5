//! From a listen URI to a socket that clients find.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::{Listener, Reason};
use crate::sys::holder::{self, Holder};
use crate::sys::names;
use crate::sys::socket::{self, Kind, Type};
use crate::sys::socket_path::{self, Occupant, Permissions};
use crate::wire::activation::NotReceived;
use crate::wire::held::PathIdentity;
use crate::wire::uri::{Address, Carries, Family, ListenUri};

pub(super) fn open(uri: &ListenUri) -> Result<Listener, Reason> {
    let (socket, path) = match &uri.address {
        Address::Tcp { family, host, port } => {
            let listen = |address, v6only| listen_tcp(address, v6only, uri.backlog);
            let holders = |address, v6only| holder::of_tcp(address, v6only);
            (inet(*family, host, *port, listen, holders)?, None)
        }
        Address::Udp { family, host, port } => {
            let socket = inet(*family, host, *port, socket::bind_udp, holder::of_udp)?;
            (socket, None)
        }
        Address::UnixPath(carries, path) => {
            let (socket, identity) = unix_path(uri, type_of(*carries), path)?;
            (socket, Some(identity))
        }
        Address::UnixAbstract(carries, name) => {
            (unix_abstract(name, type_of(*carries), uri.backlog)?, None)
        }
        Address::Vsock { cid, port } => (vsock(*cid, *port, uri.backlog)?, None),
        Address::Fd(number) => (inherited(*number, uri.backlog)?, None),
        // One of these may be several.
        Address::Systemd(_) => return Err(NotReceived::Nothing.into()),
    };
    Ok(Listener::new(uri, socket, path)?)
}

/// As far as it goes without opening anything.
pub(super) fn rehearse(uri: &ListenUri) -> Result<(), Reason> {
    match &uri.address {
        Address::Tcp { family, host, .. } | Address::Udp { family, host, .. } => {
            resolve(*family, host)?;
        }
        Address::UnixPath(_, path) => {
            let directory = path.parent().unwrap_or(Path::new("/"));
            std::fs::metadata(directory).map_err(|error| Reason::Directory {
                directory: directory.into(),
                error,
            })?;
            permissions(uri)?;
        }
        _ => {}
    }
    Ok(())
}

fn inet(
    family: Family,
    host: &str,
    port: u16,
    open: impl Fn(SocketAddr, bool) -> io::Result<OwnedFd>,
    holders: impl Fn(SocketAddr, bool) -> Vec<Holder>,
) -> Result<OwnedFd, Reason> {
    let (ip, v6only) = resolve(family, host)?;
    let dual_stack = ip.is_unspecified() && ip.is_ipv6() && !v6only;
    match open(SocketAddr::new(ip, port), v6only) {
        // Without IPv6 in the kernel every address means every IPv4 address.
        Err(error) if dual_stack && is(&error, &[libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL]) => {
            let ip = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            open(SocketAddr::new(ip, port), false).map_err(|error| (error, ip))
        }
        result => result.map_err(|error| (error, ip)),
    }
    .map_err(|(error, ip)| match error.raw_os_error() {
        Some(libc::EADDRINUSE) => Reason::Busy {
            error,
            holders: holders(SocketAddr::new(ip, port), v6only),
        },
        Some(libc::EACCES) if port < 1024 => Reason::Privileged(error),
        Some(libc::EADDRNOTAVAIL) => Reason::NotHere { error, address: ip },
        _ => Reason::System(error),
    })
}

fn listen_tcp(address: SocketAddr, v6only: bool, backlog: i32) -> io::Result<OwnedFd> {
    let socket = socket::bind_tcp(address, v6only)?;
    socket::listen(socket.as_fd(), backlog)?;
    Ok(socket)
}

fn is(error: &io::Error, numbers: &[i32]) -> bool {
    error
        .raw_os_error()
        .is_some_and(|number| numbers.contains(&number))
}

/// The address for a host and whether IPv4 is kept out, exactly as Go's net.Listen has it: an empty host or either
/// wildcard is one dual-stack IPv6 socket unless a family is forced, and of a name's addresses IPv4 comes first.
fn resolve(family: Family, host: &str) -> Result<(IpAddr, bool), Reason> {
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if host.is_empty() {
        return Ok(if family == Family::V4 {
            (v4, false)
        } else {
            (v6, family == Family::V6)
        });
    }
    let found = (host, 0)
        .to_socket_addrs()
        .map_err(|error| Reason::Lookup {
            host: host.into(),
            error,
        })?;
    let found: Vec<_> = found.map(|address| address.ip().to_canonical()).collect();
    let first = |is_family: fn(&IpAddr) -> bool| found.iter().copied().find(is_family);
    let lacks = |family| Reason::NoSuitableAddress {
        host: host.into(),
        family,
    };
    match family {
        Family::Any => match first(IpAddr::is_ipv4).or_else(|| first(IpAddr::is_ipv6)) {
            Some(ip) if ip.is_unspecified() => Ok((v6, false)),
            Some(ip) => Ok((ip, false)),
            None => Err(lacks("IPv4 or IPv6")),
        },
        // `tcp4://[::]` is every IPv4 address; `tcp6://0.0.0.0` is nothing.
        Family::V4 if found == [v6] => Ok((v4, false)),
        Family::V4 => first(IpAddr::is_ipv4)
            .map(|ip| (ip, false))
            .ok_or_else(|| lacks("IPv4")),
        Family::V6 => first(IpAddr::is_ipv6)
            .map(|ip| (ip, true))
            .ok_or_else(|| lacks("IPv6")),
    }
}

fn unix_path(
    uri: &ListenUri,
    carries: Type,
    path: &Path,
) -> Result<(OwnedFd, PathIdentity), Reason> {
    let permissions = permissions(uri)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    // Held until we listen: till then our own file looks stale to others.
    let _lock = socket_path::lock_directory(directory).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Reason::Locked(directory.into()),
        _ => Reason::Directory {
            directory: directory.into(),
            error,
        },
    })?;
    match socket_path::occupant(path)? {
        Occupant::Nobody => {}
        Occupant::StaleSocket => socket_path::unlink(path)?,
        Occupant::LiveSocket => {
            let error = io::Error::from_raw_os_error(libc::EADDRINUSE);
            return Err(Reason::Busy {
                error,
                holders: holder::of_unix_path(path),
            });
        }
        Occupant::NotASocket => return Err(Reason::NotASocket(path.into())),
    }
    let socket = socket::unix(carries)?;
    let (device, inode) =
        socket_path::bind(socket.as_fd(), path, permissions).map_err(|error| {
            match error.raw_os_error() {
                Some(libc::EACCES | libc::EROFS) => Reason::Directory {
                    directory: directory.into(),
                    error,
                },
                Some(libc::EPERM) if uri.owner.is_some() || uri.group.is_some() => {
                    Reason::Ownership(error)
                }
                _ => Reason::System(error),
            }
        })?;
    if carries != Type::Datagram {
        socket::listen(socket.as_fd(), uri.backlog)
            .inspect_err(|_| drop(socket_path::unlink(path)))?;
    }
    Ok((socket, PathIdentity { device, inode }))
}

/// Gives our socket file the owner and the mode that are asked for.
pub(super) fn permit(uri: &ListenUri, path: &Path) -> Result<(), Reason> {
    socket_path::permit(path, permissions(uri)?)?;
    Ok(())
}

fn permissions(uri: &ListenUri) -> Result<Permissions, Reason> {
    let uid = match &uri.owner {
        Some(login) => Some(names::uid(login)?.ok_or_else(|| Reason::NoSuchUser(login.clone()))?),
        None => None,
    };
    let gid = match &uri.group {
        Some(name) => Some(names::gid(name)?.ok_or_else(|| Reason::NoSuchGroup(name.clone()))?),
        None => None,
    };
    Ok(Permissions {
        mode: uri.mode,
        uid,
        gid,
    })
}

fn unix_abstract(name: &[u8], carries: Type, backlog: i32) -> Result<OwnedFd, Reason> {
    let socket = socket::bind_abstract(name, carries).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Reason::Busy {
            error,
            holders: holder::of_unix_abstract(name),
        },
        _ => Reason::System(error),
    })?;
    if carries != Type::Datagram {
        socket::listen(socket.as_fd(), backlog)?;
    }
    Ok(socket)
}

fn vsock(cid: Option<u32>, port: u32, backlog: i32) -> Result<OwnedFd, Reason> {
    let socket =
        socket::bind_vsock(cid, port).map_err(|error| match (error.raw_os_error(), cid) {
            (Some(libc::EAFNOSUPPORT), _) => Reason::NoVsock(error),
            (Some(libc::EADDRNOTAVAIL), Some(cid)) => Reason::VsockNotHere(error, cid),
            (Some(libc::EACCES), _) if port < 1024 => Reason::Privileged(error),
            _ => Reason::System(error),
        })?;
    socket::listen(socket.as_fd(), backlog)?;
    Ok(socket)
}

/// A copy of a descriptor that somebody has opened for us, of whatever kind it is.
pub(super) fn inherited(number: i32, backlog: i32) -> Result<OwnedFd, Reason> {
    let socket = socket::inherit(number).map_err(|error| match error.raw_os_error() {
        Some(libc::EBADF) => Reason::NotOpen(number),
        _ => Reason::System(error),
    })?;
    match socket::kind(socket.as_fd())? {
        Kind::Listening | Kind::Bound => socket::listen(socket.as_fd(), backlog)?,
        Kind::Datagram => {}
        kind => return Err(Reason::NotListening { number, kind }),
    }
    Ok(socket)
}

/// What a unix socket of this kind carries.
fn type_of(carries: Carries) -> Type {
    match carries {
        Carries::Stream => Type::Stream,
        Carries::Datagrams => Type::Datagram,
        Carries::Packets => Type::Packets,
    }
}
