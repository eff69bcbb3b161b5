//! What an inherited descriptor is.

use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::FileType;
use rustix::net::{SocketType, sockopt};

use super::{Local, is_listening, local};

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
    /// A socket that takes connections and listens.
    Listening,
    /// A socket that takes connections, with an address, that does not listen yet.
    Bound,
    /// A socket without an address.
    Unbound,
    /// A socket with a peer.
    Connected,
    /// A socket for datagrams, with an address and without a peer.
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
            Self::OtherSocket => "a socket of another kind",
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
            FileType::Socket => socket_kind(fd)?,
            FileType::Fifo => Kind::Pipe,
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device,
            _ => Kind::Other,
        },
    )
}

fn socket_kind(fd: BorrowedFd<'_>) -> io::Result<Kind> {
    let bound = match sockopt::socket_type(fd)? {
        SocketType::STREAM | SocketType::SEQPACKET if is_listening(fd)? => {
            return Ok(Kind::Listening);
        }
        SocketType::STREAM | SocketType::SEQPACKET => Kind::Bound,
        SocketType::DGRAM => Kind::Datagram,
        _ => return Ok(Kind::OtherSocket),
    };
    if rustix::net::getpeername(fd).is_ok() {
        return Ok(Kind::Connected);
    }
    Ok(match local(fd)? {
        Local::Inet { address, .. } if address.port() == 0 => Kind::Unbound,
        // vsock(7): a socket that was never bound has no port.
        Local::Vsock { port, .. } if port == libc::VMADDR_PORT_ANY => Kind::Unbound,
        Local::Inet { .. } | Local::Vsock { .. } | Local::Path(_) | Local::Abstract(_) => bound,
        Local::Other => Kind::Unbound,
    })
}
