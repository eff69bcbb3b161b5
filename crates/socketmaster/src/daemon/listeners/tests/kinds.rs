//! Sockets that are no TCP and no unix stream sockets.

use super::*;
use std::net::UdpSocket;
use std::os::fd::RawFd;
use std::os::unix::net::SocketAddr as UnixAddr;

fn parsed(text: &str) -> ListenUri {
    text.parse().unwrap()
}

fn opened(text: &str) -> Listener {
    open(&parsed(text)).unwrap()
}

/// What is read of it next.
fn next(listener: &Listener) -> Vec<u8> {
    let mut buffer = [0; 100];
    let count = rustix::io::read(listener.fd(), &mut buffer).unwrap();
    buffer[..count].to_vec()
}

#[test]
fn udp_takes_datagrams_and_no_second_binder() {
    let listener = opened("udp://127.0.0.1:0");
    let address = address(&listener);
    assert_eq!(listener.actual(), format!("udp://{address}"));
    assert!(!listener.takes_connections());
    listener.restore_backlog().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"one", address).unwrap();
    assert_eq!(next(&listener), b"one");
    let keeper = Keeper::of(listener.fd().try_clone_to_owned().unwrap());
    let text = error(&parsed(&format!("udp://{address}")));
    assert!(text.contains("Address already in use"), "{text}");
    assert!(text.contains(&keeper.shown()), "{text}");
    // TCP has ports of its own.
    drop(opened(&format!("tcp://{address}")));
}

#[test]
fn every_udp_address_is_dual_stack_unless_a_family_is_forced() {
    if !has_ipv6() {
        return;
    }
    for (scheme, v4) in [("udp", true), ("udp6", false)] {
        let listener = opened(&format!("{scheme}://:0"));
        let Local::Inet { address, v6only } = listener.local else {
            panic!("{listener:?}")
        };
        assert_eq!((address.is_ipv6(), v6only), (true, !v4));
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        if v4 {
            client
                .send_to(b"four", ("127.0.0.1", address.port()))
                .unwrap();
            assert_eq!(next(&listener), b"four");
        }
    }
}

#[test]
fn a_unix_datagram_socket_is_a_file_like_any_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    // Left by somebody who was killed.
    drop(UnixDatagram::bind(&path).unwrap());
    let text = format!("unixgram://{}?mode=0620", path.display());
    let listener = opened(&text);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o620);
    assert_eq!(listener.actual(), format!("unixgram://{}", path.display()));
    listener.restore_backlog().unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"line", &path).unwrap();
    assert_eq!(next(&listener), b"line");
    // In use, for any kind of socket.
    for scheme in ["unixgram", "unix", "unixpacket"] {
        let text = error(&parsed(&format!("{scheme}://{}", path.display())));
        assert!(text.contains("Address already in use"), "{text}");
    }
    listener.remove_path();
    assert!(!path.exists());
}

#[test]
fn abstract_names_are_of_every_kind() {
    let name = format!("kinds-{}", std::process::id());
    let address = UnixAddr::from_abstract_name(&name).unwrap();
    let datagrams = opened(&format!("unixgram://@{name}"));
    let client = UnixDatagram::unbound().unwrap();
    client.send_to_addr(b"here", &address).unwrap();
    assert_eq!(next(&datagrams), b"here");
    let text = error(&parsed(&format!("unixgram://@{name}")));
    assert!(text.contains("Address already in use"), "{text}");
    // Each kind has names of its own (Linux, `unix_abstract_hash`).
    let packets = opened(&format!("unixpacket://@{name}"));
    assert!(packets.takes_connections());
    assert_eq!(packets.actual(), format!("unixpacket://@{name}"));
}

#[test]
fn packets_keep_their_bounds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("packets");
    let listener = opened(&format!("unixpacket://{}", path.display()));
    let client = socket::unix(Type::Packets).unwrap();
    rustix::net::connect(&client, &rustix::net::SocketAddrUnix::new(&path).unwrap()).unwrap();
    for packet in [b"one", b"two"] {
        rustix::io::write(&client, packet).unwrap();
    }
    let served = rustix::net::accept(listener.fd()).unwrap();
    let mut buffer = [0; 100];
    assert_eq!(rustix::io::read(&served, &mut buffer), Ok(3));
}

#[test]
fn vsock_listens_where_the_kernel_has_it() {
    let listener = match open(&parsed("vsock://:0")) {
        Ok(listener) => listener,
        Err(error) => {
            let text = error.to_string();
            assert!(
                text.contains("this kernel has no vsock: load the module"),
                "{text}"
            );
            return;
        }
    };
    let actual = listener.actual();
    let port = actual.strip_prefix("vsock://:").unwrap();
    assert!(port.parse::<u32>().unwrap() >= 1024);
    assert!(listener.takes_connections() && socket::is_listening(listener.fd()).unwrap());
    listener.restore_backlog().unwrap();
    assert_eq!(listener.passed(3).bound, None);
    let text = error(&parsed(&actual));
    assert!(text.contains("Address already in use"), "{text}");
    let text = error(&parsed("vsock://77777:5000"));
    assert!(
        text.contains("77777 is no vsock address of this machine"),
        "{text}"
    );
}

/// A descriptor is what it is, whatever kind that may be.
#[test]
fn an_inherited_socket_may_be_of_any_kind() {
    let fd = |number: RawFd| uri(&format!("fd://{number}"), Address::Fd(number));
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = open(&fd(datagrams.as_raw_fd())).unwrap();
    assert!(!listener.takes_connections());
    let expected = format!("udp://{}", datagrams.local_addr().unwrap());
    assert_eq!(listener.actual(), expected);

    let name = format!("inherited-{}", std::process::id());
    let packets = socket::bind_abstract(name.as_bytes(), Type::Packets).unwrap();
    let listener = open(&fd(packets.as_raw_fd())).unwrap();
    assert!(socket::is_listening(listener.fd()).unwrap());
    assert_eq!(listener.actual(), format!("unixpacket://@{name}"));
    if let Ok(virtual_machine) = socket::bind_vsock(None, 0) {
        let listener = open(&fd(virtual_machine.as_raw_fd())).unwrap();
        assert!(socket::is_listening(listener.fd()).unwrap());
    }

    // Under two names it would be one queue with two numbers.
    let copy = rustix::io::dup(&packets).unwrap();
    let twice = [fd(packets.as_raw_fd()), fd(copy.as_raw_fd())];
    let text = open_all(&twice).unwrap_err().to_string();
    assert!(
        text.contains("this socket is there already, as fd://"),
        "{text}"
    );
}
