mod kinds;

use super::*;
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Barrier;
use std::time::Duration;

use crate::sys::socket_path;
use crate::wire::uri::{Carries, Family};

fn uri(text: &str, address: Address) -> ListenUri {
    ListenUri {
        text: text.into(),
        name: None,
        address,
        backlog: 4096,
        mode: None,
        owner: None,
        group: None,
    }
}

fn tcp(family: Family, host: &str, port: u16) -> ListenUri {
    uri(
        &format!("{family:?} {host} {port}"),
        Address::Tcp {
            family,
            host: host.into(),
            port,
        },
    )
}

fn unix(path: &Path) -> ListenUri {
    uri(
        &format!("unix://{}", path.display()),
        Address::UnixPath(Carries::Stream, path.into()),
    )
}

fn open(uri: &ListenUri) -> Result<Listener, OpenError> {
    open_all(std::slice::from_ref(uri)).map(|mut opened| opened.remove(0))
}

fn error(uri: &ListenUri) -> String {
    open(uri).unwrap_err().to_string()
}

fn address(listener: &Listener) -> SocketAddr {
    match listener.local {
        Local::Inet { address, .. } => address,
        _ => panic!("{listener:?} is not TCP"),
    }
}

fn reaches(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(900)).is_ok()
}

/// A process that holds a socket as its stdin, until it is dropped. It is named among the holders, not always alone:
/// a process that another test starts has copies of all our descriptors between its fork and its exec.
struct Keeper(Child);

impl Keeper {
    fn of(socket: impl Into<OwnedFd>) -> Self {
        Self(
            Command::new("sleep")
                .arg("1000")
                .stdin(socket.into())
                .spawn()
                .unwrap(),
        )
    }

    fn shown(&self) -> String {
        format!("pid {} (sleep 1000)", self.0.id())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Whether this machine has IPv6 at all: not every container does.
fn has_ipv6() -> bool {
    let has = TcpListener::bind("[::1]:0").is_ok();
    if !has {
        eprintln!("not tested: there is no IPv6 here");
    }
    has
}

/// A socket file that nobody listens on.
fn make_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[test]
fn every_address_is_dual_stack_as_in_go() {
    if !has_ipv6() {
        return;
    }
    for host in ["", "0.0.0.0", "::"] {
        let listener = open(&tcp(Family::Any, host, 0)).unwrap();
        let port = address(&listener).port();
        assert_ne!(port, 0);
        assert_eq!(listener.actual(), format!("tcp://[::]:{port}"), "{host:?}");
        assert!(reaches(([127, 0, 0, 1], port).into()));
        assert!(reaches((Ipv6Addr::LOCALHOST, port).into()));
    }
}

#[test]
fn a_forced_family_is_that_family_alone() {
    // A stranger may hold the same port of the other family: then another port tells.
    let alone = |try_one: &dyn Fn() -> bool| (0..5).any(|_| try_one());
    for host in ["", "0.0.0.0", "::"] {
        assert!(alone(&|| {
            let listener = open(&tcp(Family::V4, host, 0)).unwrap();
            let port = address(&listener).port();
            let expected = format!("tcp4://0.0.0.0:{port}");
            assert_eq!(listener.actual(), expected, "{host:?}");
            !reaches((Ipv6Addr::LOCALHOST, port).into())
        }));
    }
    let text = error(&tcp(Family::V6, "127.0.0.1", 0));
    assert!(
        text.ends_with("the host 127.0.0.1 has no IPv6 address"),
        "{text}"
    );
    if !has_ipv6() {
        return;
    }
    for host in ["", "::"] {
        assert!(alone(&|| {
            let listener = open(&tcp(Family::V6, host, 0)).unwrap();
            let port = address(&listener).port();
            assert_eq!(listener.actual(), format!("tcp6://[::]:{port}"), "{host:?}");
            assert!(reaches((Ipv6Addr::LOCALHOST, port).into()));
            !reaches(([127, 0, 0, 1], port).into())
        }));
    }
    let text = error(&tcp(Family::V6, "127.0.0.1", 0));
    assert!(
        text.ends_with("the host 127.0.0.1 has no IPv6 address"),
        "{text}"
    );
}

#[test]
fn hosts_are_looked_up_and_ipv4_comes_first() {
    for (host, expected) in [
        ("localhost", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ] {
        let listener = open(&tcp(Family::Any, host, 0)).unwrap();
        assert_eq!(address(&listener).ip().to_string(), expected, "{host}");
    }
    if has_ipv6() {
        assert!(address(&open(&tcp(Family::Any, "::1", 0)).unwrap()).is_ipv6());
    }
    let text = error(&tcp(Family::Any, "nobody.invalid", 0));
    assert!(
        text.contains("the host nobody.invalid can't be found: "),
        "{text}"
    );
}

#[test]
fn a_new_listener_blocks_is_close_on_exec_and_has_an_inode() {
    let listener = open(&tcp(Family::Any, "127.0.0.1", 0)).unwrap();
    assert!(!listener.is_nonblocking().unwrap());
    assert!(
        rustix::io::fcntl_getfd(listener.fd())
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    let link = std::fs::read_link(format!("/proc/self/fd/{}", listener.fd().as_raw_fd())).unwrap();
    assert_eq!(
        link,
        PathBuf::from(format!("socket:[{}]", listener.inode()))
    );

    let other = TcpListener::from(listener.fd().try_clone_to_owned().unwrap());
    other.set_nonblocking(true).unwrap();
    assert!(listener.is_nonblocking().unwrap());
    listener.set_blocking().unwrap();
    assert!(!listener.is_nonblocking().unwrap());
}

#[test]
fn a_busy_port_names_its_holder() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let keeper = Keeper::of(socket);
    for host in ["", "127.0.0.1"] {
        let text = error(&tcp(Family::Any, host, port));
        assert!(
            text.contains("Address already in use (os error 98); held by pid "),
            "{text}"
        );
        assert!(text.contains(&keeper.shown()), "{text}");
    }
}

#[test]
fn an_address_given_twice_is_said_to_be() {
    let listener = open(&tcp(Family::Any, "127.0.0.1", 0)).unwrap();
    // The second form if another process is between fork and exec just now.
    let text = error(&tcp(Family::Any, "127.0.0.1", address(&listener).port()));
    assert!(
        text.contains("given twice") || text.contains("held by"),
        "{text}"
    );
}

#[test]
fn a_foreign_address_is_explained() {
    let text = error(&tcp(Family::Any, "192.0.2.1", 0));
    assert!(
        text.contains("192.0.2.1 is not an address of this machine"),
        "{text}"
    );
}

#[test]
fn a_privileged_port_is_explained() {
    let start = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if start.trim().parse::<u16>().unwrap() < 2 {
        eprintln!("not tested: every port is free for everyone in this network namespace");
        return;
    }
    // Capabilities belong to a thread.
    let text = std::thread::spawn(|| {
        let mut sets = rustix::thread::capabilities(None).unwrap();
        sets.effective
            .remove(rustix::thread::CapabilitySet::NET_BIND_SERVICE);
        rustix::thread::set_capabilities(None, sets).unwrap();
        error(&tcp(Family::Any, "127.0.0.1", 1))
    })
    .join()
    .unwrap();
    assert!(
        text.starts_with("Unable to open socket Any 127.0.0.1 1: Permission denied"),
        "{text}"
    );
    assert!(text.contains("CAP_NET_BIND_SERVICE"), "{text}");
}

#[test]
fn all_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("first");
    let bad = tcp(Family::Any, "192.0.2.1", 80);
    let uris = [unix(&path), tcp(Family::Any, "127.0.0.1", 0), bad.clone()];
    assert_eq!(open_all(&uris).unwrap_err().uri, bad.text);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(open_all(&uris[..2]).unwrap().len(), 2);
}

#[test]
fn the_backlog_is_restored() {
    for host in ["127.0.0.1", ""] {
        let listener = open(&tcp(Family::Any, host, 0)).unwrap();
        let address = ([127, 0, 0, 1], address(&listener).port()).into();
        rustix::net::listen(listener.fd(), 1).unwrap();
        listener.restore_backlog().unwrap();
        let queued: Vec<_> = (0..20)
            .map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900)))
            .collect();
        assert!(queued.iter().all(Result::is_ok), "{queued:?}");
    }
}

#[test]
fn a_port_that_the_kernel_chose_outlives_a_shutdown() {
    let listener = open(&tcp(Family::Any, "", 0)).unwrap();
    for _ in 0..3 {
        rustix::net::shutdown(listener.fd(), rustix::net::Shutdown::Both).unwrap();
        assert!(!reaches(([127, 0, 0, 1], address(&listener).port()).into()));
        listener.restore_backlog().unwrap();
        assert!(reaches(([127, 0, 0, 1], address(&listener).port()).into()));
    }
}

#[test]
fn a_unix_path_that_was_shut_down_is_reopened() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let mut listener = open(&unix(&path)).unwrap();
    for _ in 0..2 {
        // A worker has it too.
        let _copy = listener.fd().try_clone_to_owned().unwrap();
        rustix::net::shutdown(listener.fd(), rustix::net::Shutdown::Both).unwrap();
        assert!(UnixStream::connect(&path).is_err());
        assert_eq!(
            listener.restore_backlog().unwrap_err().raw_os_error(),
            Some(libc::ESHUTDOWN)
        );
        listener.reopen().unwrap();
        UnixStream::connect(&path).unwrap();
    }
    listener.remove_path();
    assert!(!path.exists());
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    make_stale(&path);
    let listener = open(&unix(&path)).unwrap();
    UnixStream::connect(&path).unwrap();
    assert_eq!(listener.actual(), format!("unix://{}", path.display()));
}

#[test]
fn a_live_unix_socket_is_refused_and_names_its_holder() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let keeper = Keeper::of(UnixListener::bind(&path).unwrap());
    let text = error(&unix(&path));
    assert!(text.contains(&keeper.shown()), "{text}");
    UnixStream::connect(&path).unwrap();
    drop(keeper);

    std::fs::remove_file(&path).unwrap();
    let _datagram = UnixDatagram::bind(&path).unwrap();
    let text = error(&unix(&path));
    assert!(text.contains("Address already in use"), "{text}");
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let folder = directory.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    for path in [&file, &link, &folder] {
        let text = error(&unix(path));
        assert!(text.ends_with("choose another path"), "{text}");
        assert!(path.symlink_metadata().is_ok());
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
}

#[test]
fn unusable_paths_say_why() {
    let directory = tempfile::tempdir().unwrap();
    let text = error(&unix(&directory.path().join("missing/app.sock")));
    assert!(
        text.contains("missing can't be used: No such file or directory"),
        "{text}"
    );
    let text = error(&unix(&directory.path().join("x".repeat(120))));
    assert!(text.contains("File name too long"), "{text}");
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let text = error(&unix(&file.join("app.sock")));
    assert!(text.contains("Not a directory"), "{text}");
    for (owner, group, expected) in [
        (Some("no-such-login"), None, "user"),
        (None, Some("no-such-group"), "group"),
    ] {
        let path = directory.path().join("app.sock");
        let uri = ListenUri {
            owner: owner.map(Into::into),
            group: group.map(Into::into),
            ..unix(&path)
        };
        let text = error(&uri);
        assert!(
            text.contains(&format!("there is no {expected} no-such-")),
            "{text}"
        );
        assert!(!path.exists());
    }
}

#[test]
fn missing_rights_are_explained() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root can make a directory of somebody else's");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let given_away = ListenUri {
        owner: Some("root".into()),
        ..unix(&path)
    };
    // The ids of a thread are its own, below the C library.
    let open_as_nobody = |uri: &ListenUri| {
        std::thread::scope(|scope| {
            let nobody = rustix::process::Uid::from_raw(65534);
            let thread = scope.spawn(move || {
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
                open(uri)
            });
            thread.join().unwrap()
        })
    };
    let allow = |mode| {
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };

    for mode in [0o700, 0o755] {
        allow(mode);
        let text = open_as_nobody(&unix(&path)).unwrap_err().to_string();
        assert!(
            text.contains("can't be used: Permission denied"),
            "{mode:o}: {text}"
        );
    }
    allow(0o777);
    let text = open_as_nobody(&given_away).unwrap_err().to_string();
    assert!(
        text.contains("only root may give the socket to another owner"),
        "{text}"
    );
    assert!(!path.exists());
    // Writable, but not readable: no lock can be had, and the listener opens all the same.
    allow(0o733);
    open_as_nobody(&unix(&path)).unwrap();
}

#[test]
fn a_locked_directory_is_not_waited_for_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let lock = socket_path::lock_directory(directory.path()).unwrap();
    let text = error(&unix(&path));
    assert!(text.contains("has held a lock on the directory"), "{text}");
    drop(lock);
    open(&unix(&path)).unwrap();
}

#[test]
fn mode_owner_and_group_are_set() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    for mode in [0o600, 0o660, 0o666, 0o777, 0o200] {
        let uri = ListenUri {
            mode: Some(mode),
            ..unix(&path)
        };
        let _listener = open(&uri).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode);
    }
    let root = rustix::process::geteuid().is_root();
    let ids = if root {
        (4242, 4243)
    } else {
        (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        )
    };
    let uri = ListenUri {
        owner: Some(ids.0.to_string()),
        group: Some(ids.1.to_string()),
        ..unix(&path)
    };
    let _listener = open(&uri).unwrap();
    let file = path.metadata().unwrap();
    assert_eq!((file.uid(), file.gid()), ids);
}

#[test]
fn a_socket_file_is_removed_only_if_it_is_ours() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let ours = open(&unix(&path)).unwrap();
    std::fs::remove_file(&path).unwrap();
    let theirs = UnixListener::bind(&path).unwrap();
    ours.remove_path();
    UnixStream::connect(&path).unwrap();
    drop((ours, theirs));

    let ours = open(&unix(&path)).unwrap();
    ours.remove_path();
    assert!(!path.exists());
    ours.remove_path();
}

#[test]
fn of_two_that_start_at_once_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    for round in 0..200 {
        // Dropped without removal at the end of the round, so each but the first starts from a stale file.
        let start = Barrier::new(2);
        let results = std::thread::scope(|scope| {
            let contend = || {
                start.wait();
                open(&unix(&path))
            };
            let threads = [scope.spawn(contend), scope.spawn(contend)];
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "round {round}: {results:?}"
        );
        UnixStream::connect(&path).unwrap();
    }
}

#[test]
fn an_abstract_name_is_held_once() {
    let name = format!("socketmaster listeners {}", std::process::id());
    let uri = uri(
        "unix://@…",
        Address::UnixAbstract(Carries::Stream, name.clone().into_bytes()),
    );
    let listener = open(&uri).unwrap();
    assert_eq!(listener.actual(), format!("unix://@{name}"));
    assert!(error(&uri).contains("Address already in use"));
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    UnixStream::connect_addr(&address).unwrap();
}

#[test]
fn an_inherited_socket_is_taken_over() {
    let fd = |number: i32| uri(&format!("fd://{number}"), Address::Fd(number));
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::empty()).unwrap();
    let listener = open(&fd(socket.as_raw_fd())).unwrap();
    assert_eq!(
        listener.actual(),
        format!("tcp://{}", socket.local_addr().unwrap())
    );
    for fd in [socket.as_fd(), listener.fd()] {
        assert!(
            rustix::io::fcntl_getfd(fd)
                .unwrap()
                .contains(rustix::io::FdFlags::CLOEXEC)
        );
    }

    let bound = socket::bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let listener = open(&fd(bound.as_raw_fd())).unwrap();
    assert!(reaches(address(&listener)));

    assert!(
        error(&fd(987_654))
            .starts_with("Unable to open socket fd://987654: descriptor 987654 is not open")
    );
    let (pipe, _write) = rustix::pipe::pipe().unwrap();
    let file = tempfile::tempfile().unwrap();
    let datagram = UnixDatagram::unbound().unwrap();
    let (connected, _peer) = UnixStream::pair().unwrap();
    let unbound = socket::unix(Type::Stream).unwrap();
    for (other, kind) in [
        (pipe.as_fd(), "a pipe"),
        (file.as_fd(), "a file"),
        (datagram.as_fd(), "a socket without an address"),
        (connected.as_fd(), "a connection"),
        (unbound.as_fd(), "a socket without an address"),
    ] {
        let text = error(&fd(other.as_raw_fd()));
        assert!(
            text.contains(&format!("is {kind}, but must be a socket with an address")),
            "{text}"
        );
    }
}

#[test]
fn a_listener_is_handed_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.sock");
    let uri = ListenUri {
        name: Some("web".into()),
        ..unix(&path)
    };
    let before = open(&uri).unwrap();
    let held = before.to_held();
    assert_eq!((held.fd, &held.uri), (before.fd().as_raw_fd(), &uri.text));
    let fd = rustix::io::dup(before.fd()).unwrap();
    let after = Listener::from_held(&uri, &held, fd).unwrap();
    assert!(
        rustix::io::fcntl_getfd(after.fd())
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    assert_eq!(
        (after.inode(), after.actual(), after.name()),
        (before.inode(), before.actual(), "web".into())
    );
    drop(before);
    UnixStream::connect(&path).unwrap();
    after.remove_path();
    assert!(!path.exists());
}
