//! Which sockets are connections to a listener, as the kernel tells all at once (sock_diag(7)): many times faster than
//! to read `/proc/net/tcp`.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// `SOCK_DIAG_BY_FAMILY` of linux/sock_diag.h.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP` of linux/netlink.h.
const DUMP: u16 = 0x1 | 0x300;
/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// The kernel fills what there is, up to 32 KiB (`netlink_dump`).
const BUFFER: usize = 32 * 1024;

/// TCP_LISTEN of net/tcp_states.h.
const LISTEN: u8 = 10;

/// All states in which a program may still hold its end: established, both FIN-WAITs, CLOSE-WAIT, LAST-ACK, closing
/// (net/tcp_states.h).
const OPEN: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// The inodes, in rising order, of the TCP sockets that are connected, are of the family of one of these listening
/// sockets' addresses and have its port. An accepted socket is of its listener's family, also where an IPv6 one takes
/// IPv4.
///
/// # Errors
/// The kernel has no sock_diag for TCP, or may not load it (`ENOENT`).
pub fn tcp(listeners: &[SocketAddr]) -> io::Result<Vec<u64>> {
    let mut inodes = Vec::new();
    for (family, v6) in [(libc::AF_INET, false), (libc::AF_INET6, true)] {
        let of_family = listeners.iter().filter(|address| address.is_ipv6() == v6);
        let mut ports: Vec<_> = of_family.map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let asked = match ports[..] {
            // Half the cost is the walk over all connections of the host.
            [] => continue,
            // The kernel leaves out the others by itself.
            [port] => port,
            _ => 0,
        };
        // struct inet_diag_req_v2 of linux/inet_diag.h.
        let mut request = [0; 56];
        request[0] = u8::try_from(family).unwrap_or_default();
        request[1] = u8::try_from(libc::IPPROTO_TCP).unwrap_or_default();
        request[4..8].copy_from_slice(&OPEN.to_ne_bytes());
        request[8..10].copy_from_slice(&asked.to_be_bytes());
        dump(&request, |answer| {
            // struct inet_diag_msg.
            let port = answer.get(4..6).map(|port| [port[0], port[1]]);
            if port.is_some_and(|port| ports.binary_search(&u16::from_be_bytes(port)).is_ok()) {
                inodes.extend(number(answer, 68).map(u64::from));
            }
        })?;
    }
    inodes.sort_unstable();
    Ok(inodes)
}

/// The inodes, in rising order, of the unix sockets that are connected and have one of these names, as bind(2) was given
/// them: an accepted socket has its listener's. Abstract names begin with a zero byte.
///
/// # Errors
/// As for [`tcp`].
pub fn unix(names: &[Vec<u8>]) -> io::Result<Vec<u64>> {
    let mut inodes = Vec::new();
    if names.is_empty() {
        return Ok(inodes);
    }
    // struct unix_diag_req of linux/unix_diag.h: established, with UDIAG_SHOW_NAME.
    let mut request = [0; 24];
    request[0] = u8::try_from(libc::AF_UNIX).unwrap_or_default();
    request[4..8].copy_from_slice(&(1u32 << 1).to_ne_bytes());
    request[12..16].copy_from_slice(&1u32.to_ne_bytes());
    dump(&request, |answer| {
        // struct unix_diag_msg, then one attribute: its length, its type UNIX_DIAG_NAME, the name.
        let length = answer.get(16..18).map(|n| u16::from_ne_bytes([n[0], n[1]]));
        let name = length.and_then(|length| answer.get(20..16 + usize::from(length)));
        let name = name.map(|name| match name {
            [first, path @ .., 0] if *first != 0 => &name[..=path.len()],
            name => name,
        });
        if name.is_some_and(|name| names.iter().any(|wanted| wanted == name)) {
            inodes.extend(number(answer, 4).map(u64::from));
        }
    })?;
    inodes.sort_unstable();
    Ok(inodes)
}

/// The inode of the socket at the other end of a connection within this host, which is the one that accept(2) returns;
/// `None` if nobody has accepted the connection yet, it is closed, or the kernel has no sock_diag for TCP.
///
/// # Errors
/// The kernel refuses the question.
pub fn accepted(server: SocketAddr, client: SocketAddr) -> io::Result<Option<u64>> {
    // struct inet_diag_req_v2: any state and any cookie.
    let mut request = [0; 56];
    let family = if server.is_ipv6() {
        libc::AF_INET6
    } else {
        libc::AF_INET
    };
    request[0] = u8::try_from(family).unwrap_or_default();
    request[1] = u8::try_from(libc::IPPROTO_TCP).unwrap_or_default();
    request[4..8].copy_from_slice(&u32::MAX.to_ne_bytes());
    request[48..56].fill(0xff);
    for (address, port, ip) in [(server, 8, 12), (client, 10, 28)] {
        request[port..port + 2].copy_from_slice(&address.port().to_be_bytes());
        match address.ip() {
            IpAddr::V4(address) => request[ip..ip + 4].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => request[ip..ip + 16].copy_from_slice(&address.octets()),
        }
    }
    let socket = ask(&request, 1)?;
    let mut buffer = [0; 1024];
    let (count, _) = recv(&socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
    let message = &buffer[..count];
    let answer = match message
        .get(4..6)
        .map(|kind| u16::from_ne_bytes([kind[0], kind[1]]))
    {
        Some(BY_FAMILY) => &message[16..],
        Some(ERROR) => match number(message, 16).unwrap_or_default().cast_signed() {
            // There is no such connection, or nobody to ask: who must know asks for their own end.
            errno if errno == -libc::ENOENT => return Ok(None),
            errno => return Err(io::Error::from_raw_os_error(-errno)),
        },
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    // Where there is no such connection, the kernel names the listening socket.
    let listens = answer.get(1) == Some(&LISTEN);
    let inode = number(answer, 68).map(u64::from);
    Ok(inode.filter(|inode| *inode != 0 && !listens))
}

/// Asks, with these flags.
fn ask(request: &[u8], flags: u16) -> io::Result<OwnedFd> {
    let socket: OwnedFd = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    // struct nlmsghdr: length, type, flags, sequence, port.
    let mut message = Vec::with_capacity(16 + request.len());
    let length = u32::try_from(16 + request.len()).unwrap_or_default();
    message.extend_from_slice(&length.to_ne_bytes());
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(request);
    send(&socket, &message, SendFlags::empty())?;
    Ok(socket)
}

/// Asks, and hands out each answer's message.
fn dump(request: &[u8], mut each: impl FnMut(&[u8])) -> io::Result<()> {
    let socket = ask(request, DUMP)?;
    let mut buffer = vec![0; BUFFER];
    loop {
        // Never a wait: the kernel makes the next part in this very call (netlink(7)).
        let (count, _) = recv(&socket, &mut buffer, RecvFlags::DONTWAIT)?;
        let mut rest = &buffer[..count];
        while let Some(length) = number(rest, 0).map(|length| length as usize) {
            let Some(message) = rest.get(..length).filter(|_| length >= 16) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            match u16::from_ne_bytes([message[4], message[5]]) {
                DONE => return Ok(()),
                ERROR => {
                    let errno = number(message, 16).unwrap_or_default().cast_signed();
                    return Err(io::Error::from_raw_os_error(-errno));
                }
                BY_FAMILY => each(&message[16..]),
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::inode;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn accepted_tcp_sockets_are_found_by_their_port_in_both_families() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            assert_eq!(tcp(&[address]).unwrap(), [0; 0]);
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (served, _) = listener.accept().unwrap();
            let wanted = [inode(served.as_fd()).unwrap()];
            assert_eq!(tcp(&[address]).unwrap(), wanted);
            let both = [other.local_addr().unwrap(), address];
            assert_eq!(tcp(&both).unwrap(), wanted);
            // Whose client has gone is still open.
            drop(client);
            assert_eq!(tcp(&[address]).unwrap(), wanted);
        }
    }

    #[test]
    fn the_other_end_of_a_connection_is_found_once_it_is_accepted() {
        for (address, to) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("[::]:0", "127.0.0.1"),
        ] {
            let Ok(listener) = TcpListener::bind(address) else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect((to, port)).unwrap();
            let ends = (client.peer_addr().unwrap(), client.local_addr().unwrap());
            assert_eq!(accepted(ends.0, ends.1).unwrap(), None, "{address}");
            let (served, _) = listener.accept().unwrap();
            let inode = inode(served.as_fd()).unwrap();
            assert_eq!(accepted(ends.0, ends.1).unwrap(), Some(inode), "{address}");
            drop(served);
            assert_eq!(accepted(ends.0, ends.1).unwrap(), None, "{address}");
            drop(client);
            assert_eq!(accepted(ends.0, ends.1).unwrap(), None, "{address}");
        }
    }

    #[test]
    fn what_an_ipv6_listener_accepts_by_ipv4_is_found_too() {
        let Ok(listener) = TcpListener::bind("[::]:0") else {
            return;
        };
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(("127.0.0.1", address.port())).unwrap();
        let (served, _) = listener.accept().unwrap();
        assert_eq!(tcp(&[address]).unwrap(), [inode(served.as_fd()).unwrap()]);
    }

    #[test]
    fn accepted_unix_sockets_are_found_by_the_name_of_their_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let name = path.to_str().unwrap().as_bytes().to_vec();
        let _client = UnixStream::connect(&path).unwrap();
        let (served, _) = listener.accept().unwrap();
        assert_eq!(unix(&[name]).unwrap(), [inode(served.as_fd()).unwrap()]);
        assert_eq!(unix(&[b"/other".to_vec()]).unwrap(), [0; 0]);
    }
}
