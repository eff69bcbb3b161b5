//! Real sockets.

use super::*;
use crate::sys::socket;
use rustix::net::{AddressFamily, SocketType, sockopt};

fn new(family: AddressFamily, kind: SocketType) -> OwnedFd {
    rustix::net::socket(family, kind, None).unwrap()
}

/// A socket that listens, as a held one does.
fn held() -> OwnedFd {
    let held = socket::bind_tcp(([127, 0, 0, 1], 0).into(), false).unwrap();
    socket::listen(held.as_fd(), 16).unwrap();
    held
}

fn entry(name: &str) -> &'static Entry {
    OPTIONS.iter().find(|option| option.0 == name).unwrap()
}

fn number(socket: &OwnedFd, name: &str) -> i32 {
    match get(socket.as_fd(), entry(name)).unwrap() {
        Value::Number(number) => number,
        Value::Text(text) => panic!("{text}"),
    }
}

fn put(socket: &OwnedFd, name: &str, value: i32) {
    set(socket.as_fd(), entry(name), &Value::Number(value)).unwrap();
}

fn carried(from: &OwnedFd, to: &OwnedFd) -> Vec<(&'static str, String, String)> {
    let changes = carry_over(from.as_fd(), to.as_fd());
    let told = changes.into_iter().map(|change| {
        assert!(change.refused.is_none(), "{change:?}");
        (change.name, change.old.to_string(), change.new.to_string())
    });
    told.collect()
}

#[test]
fn what_was_set_is_carried_over_once_and_told() {
    let (from, to) = (new(AddressFamily::INET, SocketType::STREAM), held());
    assert_eq!(carried(&from, &to), []);
    let wanted = [
        ("SO_RCVBUF", 12345),
        ("SO_SNDBUF", 23456),
        ("SO_RCVLOWAT", 3),
        ("SO_KEEPALIVE", 1),
        ("TCP_NODELAY", 1),
        // In the kernel's steps: 1, 3, 7, 15, … seconds.
        ("TCP_DEFER_ACCEPT", 7),
        ("TCP_FASTOPEN", 5),
        ("TCP_KEEPIDLE", 77),
        ("TCP_KEEPINTVL", 7),
        ("TCP_KEEPCNT", 4),
        ("TCP_USER_TIMEOUT", 4567),
        ("TCP_NOTSENT_LOWAT", 16384),
        ("TCP_MAXSEG", 1000),
        ("IP_FREEBIND", 1),
        ("IP_TTL", 33),
        ("IP_TOS", 0x10),
    ];
    for (name, value) in wanted {
        put(&from, name, value);
    }
    let before: Vec<_> = wanted.map(|(name, _)| number(&to, name)).into();
    let told = carried(&from, &to);
    for ((name, value), old) in wanted.into_iter().zip(before) {
        assert_eq!(number(&to, name), value, "{name}");
        let change = (name, old.to_string(), value.to_string());
        assert!(told.contains(&change), "{change:?} in {told:?}");
    }
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    assert_eq!(carried(&from, &to), []);
}

/// What connections get, they get from the listening socket.
#[test]
fn the_connections_of_the_held_socket_have_them() {
    let (from, to) = (new(AddressFamily::INET, SocketType::STREAM), held());
    put(&from, "SO_KEEPALIVE", 1);
    put(&from, "TCP_NODELAY", 1);
    put(&from, "TCP_KEEPIDLE", 77);
    assert_eq!(carried(&from, &to).len(), 3);
    let listener = std::net::TcpListener::from(to);
    let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let connection = OwnedFd::from(listener.accept().unwrap().0);
    assert!(sockopt::socket_keepalive(&connection).unwrap());
    assert!(sockopt::tcp_nodelay(&connection).unwrap());
    assert_eq!(number(&connection, "TCP_KEEPIDLE"), 77);
}

#[test]
fn what_was_not_set_stays_as_the_held_socket_has_it() {
    let (from, to) = (new(AddressFamily::INET, SocketType::STREAM), held());
    put(&to, "SO_RCVBUF", 12345);
    put(&to, "TCP_NODELAY", 1);
    assert_eq!(carried(&from, &to), []);
    assert_eq!(number(&to, "SO_RCVBUF"), 12345);
    assert_eq!(number(&to, "TCP_NODELAY"), 1);
}

#[test]
fn who_may_bind_is_never_touched() {
    let from = new(AddressFamily::INET6, SocketType::STREAM);
    let to = new(AddressFamily::INET6, SocketType::STREAM);
    sockopt::set_socket_reuseaddr(&from, true).unwrap();
    sockopt::set_socket_reuseport(&from, true).unwrap();
    sockopt::set_ipv6_v6only(&from, true).unwrap();
    assert_eq!(carried(&from, &to), []);
    assert!(!sockopt::socket_reuseaddr(&to).unwrap());
    assert!(!sockopt::socket_reuseport(&to).unwrap());
    assert!(!sockopt::ipv6_v6only(&to).unwrap());
}

#[test]
fn each_family_has_its_own() {
    let pair = |family, kind| (new(family, kind), new(family, kind));
    let (from, to) = pair(AddressFamily::INET6, SocketType::STREAM);
    put(&from, "IPV6_TCLASS", 0x20);
    put(&from, "IPV6_UNICAST_HOPS", 9);
    assert_eq!(carried(&from, &to).len(), 2);
    assert_eq!(number(&to, "IPV6_TCLASS"), 0x20);
    let (from, to) = pair(AddressFamily::INET, SocketType::DGRAM);
    put(&from, "IP_PKTINFO", 1);
    put(&from, "SO_BROADCAST", 1);
    assert_eq!(carried(&from, &to).len(), 2);
    assert_eq!(number(&to, "IP_PKTINFO"), 1);
    let (from, to) = pair(AddressFamily::UNIX, SocketType::STREAM);
    put(&from, "SO_PASSCRED", 1);
    put(&from, "SO_SNDBUF", 12345);
    assert_eq!(carried(&from, &to).len(), 2);
    assert_eq!(number(&to, "SO_SNDBUF"), 12345);
}

/// reno is what every kernel has (tcp(7)), and what few start with.
#[test]
fn a_name_is_carried_over() {
    let (from, to) = (new(AddressFamily::INET, SocketType::STREAM), held());
    let reno = Value::Text("reno".into());
    let option = entry("TCP_CONGESTION");
    let is_default = get(to.as_fd(), option).unwrap() == reno;
    set(from.as_fd(), option, &reno).unwrap();
    assert_eq!(carried(&from, &to).len(), usize::from(!is_default));
    assert_eq!(get(to.as_fd(), option).unwrap(), reno);
}

#[test]
fn what_is_refused_is_told() {
    let from = new(AddressFamily::INET, SocketType::STREAM);
    put(&from, "TCP_FASTOPEN", 5);
    put(&from, "TCP_NODELAY", 1);
    let device = set_bytes(from.as_fd(), SOL_SOCKET, libc::SO_BINDTODEVICE, b"lo");
    device.unwrap();
    // The kernel takes no TCP_FASTOPEN from a connection.
    let listener = std::net::TcpListener::from(held());
    let to = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let changes = carry_over(from.as_fd(), to.as_fd());
    let told: Vec<_> = changes
        .iter()
        .map(|c| (c.name, c.refused.is_some()))
        .collect();
    let wanted = [
        ("SO_BINDTODEVICE", true),
        ("TCP_NODELAY", false),
        ("TCP_FASTOPEN", true),
    ];
    assert_eq!(told, wanted);
    assert_eq!(changes[0].old, Value::Text(String::new()));
    assert_eq!(changes[0].new, Value::Text("lo".into()));
    let invalid = changes[2].refused.as_ref().unwrap();
    assert_eq!(invalid.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn what_the_other_does_not_have_is_left_alone() {
    let from = new(AddressFamily::INET, SocketType::STREAM);
    put(&from, "TCP_NODELAY", 1);
    let unix = new(AddressFamily::UNIX, SocketType::STREAM);
    assert!(carry_over(from.as_fd(), unix.as_fd()).is_empty());
    let none = std::fs::File::open("/dev/null").unwrap();
    assert!(carry_over(none.as_fd(), from.as_fd()).is_empty());
}
