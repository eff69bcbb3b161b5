//! The listeners as clients, operators and careless workers meet them. What the app gets is in `app_side.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{self, UnixListener, UnixStream};
use std::process;

use testbed::{Address, App, Setup, Supervisor, get, is_root, setup};

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

/// A reload cannot bring back a socket file that somebody removed, but it says so.
#[test]
fn a_socket_file_that_was_removed_is_missed() {
    let app = App::new("version one\nnotify");
    let path = app.path("socket");
    let supervisor = setup!()
        .listen(format!("unix://{}", path.display()))
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    fs::remove_file(&path).unwrap();
    supervisor.hup();
    supervisor.wait_for_line("no client finds the socket");
}
