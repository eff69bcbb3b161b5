//! Bytes and descriptors over a unix socket (`SCM_RIGHTS`, unix(7)).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// The most descriptors one message carries: the kernel's `SCM_MAX_FD`.
pub const MAX_FDS: usize = 253;

/// A pair of connected, close-on-exec `SOCK_SEQPACKET` sockets: messages keep their bounds, and the end of either
/// side is seen by the other.
///
/// # Errors
/// What socketpair(2) says: out of descriptors, mostly.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one message with at most [`MAX_FDS`] descriptors, without waiting and without SIGPIPE.
///
/// # Errors
/// `WouldBlock` if the socket is full, `BrokenPipe` if the other side has gone, else what sendmsg(2) says.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)?;
    Ok(())
}

/// Receives one message and its descriptors, which are close-on-exec. Waits only if the socket is blocking.
/// Zero bytes are the end: the other side has gone.
///
/// # Errors
/// `InvalidData` if the message was longer than `buffer`, else what recvmsg(2) says.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(buffer)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    if message.flags.contains(rustix::net::ReturnFlags::TRUNC) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((message.bytes, fds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn carries_bytes_and_descriptors() {
        let (a, b) = pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        send(a.as_fd(), b"two", &[read.as_fd(), write.as_fd()]).unwrap();
        drop((read, write));
        let mut buffer = [0; 16];
        let (n, fds) = receive(b.as_fd(), &mut buffer).unwrap();
        assert_eq!(&buffer[..n], b"two");
        rustix::io::write(&fds[1], b"x").unwrap();
        assert_eq!(rustix::io::read(&fds[0], &mut buffer).unwrap(), 1);
        drop(a);
        assert_eq!(receive(b.as_fd(), &mut buffer).unwrap().0, 0);
    }

    #[test]
    fn a_full_socket_does_not_block() {
        let (a, _b) = pair().unwrap();
        let error = loop {
            if let Err(error) = send(a.as_fd(), &[0; 1000], &[]) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
