//! The listeners as clients, operators and careless workers meet them. What the app gets is in `app_side.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{self, UnixListener, UnixStream};
use std::process;

use rustix::process::Signal;
use testbed::{Address, App, PATIENCE, Setup, Supervisor, get, is_root, processes, setup, until};

fn serving(setup: Setup) -> Supervisor {
    let supervisor = setup.start();
    supervisor.wait_for_line("is ready");
    supervisor
}

/// Waits until it has failed to start, as it should: before it started anything, and with status 1. Returns its log.
#[track_caller]
fn refused(setup: Setup) -> String {
    let mut supervisor = setup.spawn();
    assert_eq!(supervisor.wait().code(), Some(1));
    let text = supervisor.log().text();
    assert!(!text.contains("Starting"), "{text}");
    assert!(supervisor.processes().is_empty());
    text
}

/// The listener is on descriptor 7 of whoever starts the supervisor, which hands it down.
fn inheriting(listener: TcpListener) -> Setup {
    let hand_down = "exec 7<&0 </dev/null; exec \"$@\"";
    let setup = setup!().under(&["sh", "-c", hand_down, "sh"]);
    setup.stdin(OwnedFd::from(listener))
}

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_unix_socket_has_the_mode_and_the_owner_that_were_asked_for() {
    let app = App::new("version 1");
    let path = app.path("socket");
    let (query, uid) = if is_root() {
        ("mode=0620&owner=nobody&group=nogroup", 65_534)
    } else {
        ("mode=0620", rustix::process::getuid().as_raw())
    };
    let supervisor = serving(
        setup!()
            .app(&app)
            .listen(format!("unix://{}?{query}", path.display())),
    );
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o620, uid));
    assert_eq!(supervisor.get("/").version(), "1");
}

/// F13: somebody else has taken the path in the meantime.
#[test]
fn a_socket_file_that_is_no_longer_ours_is_left_alone() {
    let app = App::new("version 1");
    let path = app.path("socket");
    let mut supervisor = serving(
        setup!()
            .app(&app)
            .listen(format!("unix://{}", path.display())),
    );
    supervisor.upgrade();
    fs::remove_file(&path).unwrap();
    let _theirs = UnixListener::bind(&path).unwrap();
    assert!(supervisor.stop().success());
    assert!(UnixStream::connect(&path).is_ok());
}

/// F14.
#[test]
fn all_listeners_are_opened_or_none() {
    let app = App::new("version 1");
    let path = app.path("socket");
    let (_held, address) = bound();
    let setup = setup!()
        .app(&app)
        .listen(format!("unix://{}", path.display()));
    let text = refused(setup.listen(format!("tcp://{address}")));
    let expected = format!("Unable to open socket tcp://{address}: Address already in use");
    assert!(text.contains(&expected), "{text}");
    // The command is the test's own, cut.
    let held = format!("held by pid {} (", process::id());
    assert!(text.contains(&held), "{text}");
    assert!(!path.exists());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let app = App::new("version 1");
    let uri = format!("unix://{}", app.script().display());
    let text = refused(setup!().app(&app).listen(uri));
    assert!(text.contains("is not a socket"), "{text}");
    assert_eq!(fs::read_to_string(app.script()).unwrap(), "version 1");
}

#[test]
fn an_abstract_socket_serves() {
    let app = App::new("version 1");
    let name = format!("socketmaster test {}", process::id());
    let mut supervisor = serving(
        setup!()
            .app(&app)
            .listen(format!("unix://@{}", name.replace(' ', "-"))),
    );
    let address = net::SocketAddr::from_abstract_name(name.replace(' ', "-")).unwrap();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(supervisor.stop().success());
    assert!(UnixStream::connect_addr(&address).is_err());
}

#[test]
fn a_listener_is_inherited_by_its_number() {
    let app = App::new("version 1");
    let (listener, address) = bound();
    let supervisor = inheriting(listener).app(&app).listen("web=fd://7").spawn();
    supervisor.wait_for_line("is ready");
    let answer = get(&Address::Tcp(address), "/").unwrap();
    assert_eq!(answer.version(), "1");
    supervisor.upgrade();
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    assert_eq!(get(&Address::Tcp(address), "/").unwrap().version(), "1");
    let text = refused(setup!().app(&app).listen("fd://77"));
    assert!(text.contains("descriptor 77 is not open"), "{text}");
}

/// As the original has it: the variable decides, and the log names the flag.
#[test]
fn a_listener_is_inherited_by_the_originals_variable() {
    let app = App::new("version 1");
    let (listener, address) = bound();
    let setup = inheriting(listener)
        .app(&app)
        .variable("SOCKETMASTER_FD", "7");
    let supervisor = serving(setup.listen("tcp://127.0.0.1:1"));
    supervisor.wait_for_line("Listening on tcp://127.0.0.1:1");
    assert_eq!(get(&Address::Tcp(address), "/").unwrap().version(), "1");
    supervisor.upgrade();
    assert_eq!(get(&Address::Tcp(address), "/").unwrap().version(), "1");
}

/// F19: with a backlog of 5 only six clients would be taken while nobody accepts; the next ones would wait for ever.
#[test]
fn a_backlog_that_an_app_made_small_is_restored() {
    let app = App::new("version 1\nbacklog 5");
    let supervisor = serving(setup!().app(&app));
    let worker = supervisor.get("/").pid();
    processes::signal(worker, Signal::STOP);
    until("it is stopped", || {
        processes::status(worker, "State").unwrap().starts_with('T')
    });
    let Address::Tcp(address) = supervisor.address() else {
        panic!()
    };
    let connect = |_| TcpStream::connect_timeout(address, PATIENCE / 2);
    let clients: Result<Vec<_>, _> = (0..64).map(connect).collect();
    assert_eq!(clients.unwrap().len(), 64);
}

/// F16.
#[test]
fn a_tcp_listener_that_an_app_shut_down_listens_again() {
    let app = App::new("version 1\nafter 800 shutdown-listener\nafter 1200 shutdown-listener");
    let supervisor = serving(setup!().app(&app));
    let worker = supervisor.get("/").pid();
    for n in 1..=2 {
        supervisor.wait_for_nth_line("it listens again", n);
        assert_eq!(supervisor.get("/").pid(), worker);
    }
    // By the next program too.
    app.deploy("version 2\nafter 800 shutdown-listener");
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    supervisor.upgrade();
    supervisor.wait_for_nth_line("it listens again", 3);
    assert_eq!(supervisor.wait_for_version("2").version(), "2");
}

/// F16: the kernel never revives these.
#[test]
fn a_unix_listener_that_an_app_shut_down_is_replaced_with_its_workers() {
    let app = App::new("version 1\nafter 800 shutdown-listener");
    let path = app.path("socket");
    let mut supervisor = serving(
        setup!()
            .app(&app)
            .listen(format!("unix://{}", path.display())),
    );
    let before = fs::metadata(&path).unwrap().ino();
    app.deploy("version 2");
    supervisor.wait_for_line("there is a new socket");
    supervisor.wait_for_line("Reload done");
    assert_eq!(supervisor.get("/").version(), "2");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    supervisor.wait_for_line("(generation 1) to stop");
    assert!(supervisor.stop().success());
    assert!(!path.exists());
}

/// F15, D8.
#[test]
fn a_change_of_blocking_mode_under_a_live_event_loop_is_reported() {
    let app = App::new("version 1");
    let supervisor = serving(setup!().app(&app));
    let flags = |pid: i32| {
        let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/3")).unwrap();
        let flags = text
            .lines()
            .find_map(|line| line.strip_prefix("flags:"))
            .unwrap();
        i32::from_str_radix(flags.trim(), 8).unwrap()
    };
    const NONBLOCKING: i32 = 0o4000;
    let worker = supervisor.get("/").pid();
    assert_ne!(flags(worker) & NONBLOCKING, 0);
    // A start alone changes nothing for the worker that serves.
    app.deploy("version 2\nsleep 500\nmake-blocking\nblocking");
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting", 2);
    testbed::pause(std::time::Duration::from_millis(200));
    assert_ne!(flags(worker) & NONBLOCKING, 0);
    supervisor
        .wait_for_line("blocking for all its holders: the event loop of an older worker may hang");
    supervisor.wait_for_version("2");
}

#[test]
fn a_thousand_listeners_serve() {
    let app = App::new("version 1");
    let setup = (0..1000).fold(setup!().app(&app), |setup, _| {
        setup.listen("tcp://127.0.0.1:0")
    });
    let mut supervisor = serving(setup);
    let all_serve = |version: &str| {
        let some = supervisor.addresses().iter().step_by(37);
        some.for_each(|address| assert_eq!(get(address, "/").unwrap().version(), version));
    };
    assert_eq!(supervisor.addresses().len(), 1000);
    all_serve("1");
    supervisor.upgrade();
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_line("exit status 0");
    all_serve("2");
    assert!(supervisor.stop().success());
}
