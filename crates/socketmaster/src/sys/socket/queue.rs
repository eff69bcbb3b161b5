//! What waits in the queue of a socket, and what found no room there.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Family, Type, family, is_listening, socket_type};

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

/// How many bytes of datagrams wait to be read, and how many may, as the kernel counts them: with what it needs for
/// each of them besides. `None` for sockets that take connections, and for unix sockets, which charge the sender.
#[must_use]
pub fn waiting_bytes(socket: BorrowedFd<'_>) -> Option<(u32, u32)> {
    let is_datagram = socket_type(socket).is_ok_and(|carries| carries == Type::Datagram);
    let info = memory(socket).filter(|_| is_datagram)?;
    Some((info[0], info[1]))
}

/// How often the kernel dropped what came for this socket, for want of room in its queue mostly: connections of a socket
/// that listens, datagrams of another (the last number of `SO_MEMINFO`; `tcp_listendrop` counts it up). A client that
/// tries again counts again. `None` where the kernel does not say; a unix socket drops nothing.
#[must_use]
pub fn drops(socket: BorrowedFd<'_>) -> Option<u32> {
    Some(memory(socket)?[8])
}

/// `SO_MEMINFO` (Linux 4.12) of an IP socket: the `SK_MEMINFO_VARS` numbers of linux/sock_diag.h, first those of the
/// bytes received and their limit, last the drops.
fn memory(socket: BorrowedFd<'_>) -> Option<[u32; 9]> {
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
    let is_ip = family(socket).is_ok_and(|family| family != Family::Unix);
    let is_all = usize::try_from(length) == Ok(size_of_val(&info));
    (result == 0 && is_all && is_ip).then_some(info)
}

#[cfg(test)]
mod tests {
    use super::super::{Local, bind_tcp, bind_udp, listen, local, unix};
    use super::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    #[test]
    fn connections_beyond_a_full_queue_are_counted() {
        let listener = bind_tcp(([127, 0, 0, 1], 0).into(), false).unwrap();
        listen(listener.as_fd(), 1).unwrap();
        assert_eq!(drops(listener.as_fd()), Some(0));
        let Ok(Local::Inet { address, .. }) = local(listener.as_fd()) else {
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
        assert_eq!(drops(unix(Type::Stream).unwrap().as_fd()), None);
    }

    #[test]
    fn datagrams_that_wait_and_those_that_found_no_room_are_counted() {
        let socket = bind_udp(([127, 0, 0, 1], 0).into(), false).unwrap();
        let Ok(Local::Inet { address, .. }) = local(socket.as_fd()) else {
            panic!()
        };
        let (empty, limit) = waiting_bytes(socket.as_fd()).unwrap();
        assert_eq!((empty, drops(socket.as_fd())), (0, Some(0)));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        let send = || client.send_to(&[0; 1000], address).unwrap();
        send();
        let (one, _) = waiting_bytes(socket.as_fd()).unwrap();
        assert!((1000..limit).contains(&one), "{one} of {limit}");
        for _ in 0..limit / one + 10 {
            send();
        }
        assert!(drops(socket.as_fd()) > Some(0));
        let none = [
            bind_tcp(([127, 0, 0, 1], 0).into(), false).unwrap(),
            unix(Type::Datagram).unwrap(),
        ];
        none.iter()
            .for_each(|socket| assert_eq!(waiting_bytes(socket.as_fd()), None));
    }
}
