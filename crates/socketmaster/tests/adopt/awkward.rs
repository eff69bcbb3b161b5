//! A program that does the awkward things; see `awkward.c` for the words.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use testbed::{Address, App, Report, Setup, free_port, is_root, setup};

use crate::service::{leaves_nothing, reload, reload_under_load, serve, tcp};

/// The program, compiled once. Rust links by a C compiler, so there is one.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("awkward");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adopt/awkward.c");
        let mut command = Command::new("cc");
        command.args(["-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-o"]);
        let status = command.arg(&path).arg(source).status();
        assert!(status.unwrap().success());
        path
    })
}

/// The program with a file of words.
pub(crate) fn setup(app: &App) -> Setup {
    setup!().command(program(), &[app.script().to_str().unwrap()])
}

fn v6(port: u16) -> Address {
    Address::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], port).into())
}

/// It serves at these addresses, and reloads lose nothing.
fn is_reloaded(words: &str, addresses: &[Address]) -> Report {
    let app = App::new(words);
    let mut supervisor = serve(setup(&app), addresses);
    let report = reload_under_load(&supervisor);
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.by_pid.len() > crate::service::RELOADS, "{report:?}");
    leaves_nothing(&mut supervisor);
    report
}

#[test]
fn sockets_of_every_kind() {
    let (place, one, other) = (tempfile::tempdir().unwrap(), free_port(), free_port());
    let unix = place.path().join("socket");
    let words = format!(
        "client tcp:127.0.0.1:{one} tcp6:{one} dual:{other} unix:{}",
        unix.display()
    );
    let addresses = [
        tcp(one),
        v6(one),
        tcp(other),
        v6(other),
        Address::Unix(unix),
    ];
    is_reloaded(&words, &addresses);
}

#[test]
fn an_abstract_socket() {
    let name = format!("awkward-{}", free_port());
    let app = App::new(&format!("abstract:{name}"));
    let mut supervisor = serve(setup(&app), &[]);
    let ask = || {
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        std::io::Write::write_all(&mut stream, b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let first = ask();
    reload(&supervisor);
    assert_ne!(ask(), first);
    leaves_nothing(&mut supervisor);
}

/// Who binds a datagram port may be a client, so it is adopted only where the operator says so.
#[test]
fn a_datagram_socket_that_is_asked_for() {
    let (port, datagrams) = (free_port(), free_port());
    let app = App::new(&format!("tcp:127.0.0.1:{port} udp:{datagrams}"));
    let setup = setup(&app)
        .flag(format!("-adopt=tcp://127.0.0.1:{port}"))
        .flag(format!("-adopt=udp://127.0.0.1:{datagrams}"));
    let mut supervisor = serve(setup, &[tcp(port)]);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    let ask = || {
        client.send_to(b"?", ("127.0.0.1", datagrams)).unwrap();
        let mut answer = [0; 64];
        let length = client.recv(&mut answer).unwrap();
        answer[..length].to_vec()
    };
    let first = ask();
    reload(&supervisor);
    assert_ne!(ask(), first);
    leaves_nothing(&mut supervisor);
}

#[test]
fn bound_in_a_thread() {
    let port = free_port();
    is_reloaded(&format!("thread tcp:127.0.0.1:{port}"), &[tcp(port)]);
}

#[test]
fn bound_in_a_child() {
    let port = free_port();
    is_reloaded(&format!("fork tcp:127.0.0.1:{port}"), &[tcp(port)]);
}

#[test]
fn bound_by_another_user() {
    if !is_root() {
        return;
    }
    let port = free_port();
    is_reloaded(&format!("nobody tcp:127.0.0.1:{port}"), &[tcp(port)]);
}

#[test]
fn served_through_a_duplicate_made_before_the_bind() {
    let port = free_port();
    is_reloaded(&format!("dup tcp:127.0.0.1:{port}"), &[tcp(port)]);
}

/// Its epoll instance watches the socket that was replaced: it would never hear of a connection, and must not pass.
#[test]
fn registered_with_epoll_before_the_bind() {
    let port = free_port();
    let app = App::new(&format!("epoll tcp:127.0.0.1:{port}"));
    let supervisor = serve(setup(&app).flag("-ready-timeout=1s"), &[tcp(port)]);
    supervisor.hup();
    supervisor.wait_for_line("has registered the socket with epoll before it binds it");
    supervisor.wait_for_line("it is not seen waiting on what it has bound");
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    assert_eq!(supervisor.get("/").status, 200);
}

#[test]
fn a_hundred_listeners() {
    let port = free_port();
    let at = |n| Address::Tcp(([127, 0, 1, n], port).into());
    is_reloaded(&format!("hundred:{port}"), &[at(1), at(50), at(100)]);
}

/// The first generation's socket has them, and the later ones get that socket.
#[test]
fn options_set_before_the_bind() {
    let port = free_port();
    let app = App::new(&format!("options tcp:127.0.0.1:{port}"));
    let supervisor = serve(setup(&app), &[tcp(port)]);
    reload(&supervisor);
    let log = supervisor.log().text();
    let told = log.lines().filter_map(|line| line.split_once("options "));
    let told: Vec<_> = told.map(|(_, options)| options).collect();
    assert_eq!(told, ["246912 1 1", "246912 1 1"]);
}

/// A version that binds with options which the one before did not set.
#[test]
fn options_that_a_new_version_sets() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let supervisor = serve(setup(&app), &[tcp(port)]);
    app.deploy(&format!("options tcp:127.0.0.1:{port}"));
    reload(&supervisor);
    supervisor.wait_for_line("options 246912 1 1");
}

/// It must be told to stay in the foreground, and the log says so.
#[test]
fn a_program_that_goes_into_the_background() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let supervisor = serve(setup(&app), &[tcp(port)]);
    let pid = supervisor.get("/").pid();
    app.deploy(&format!("daemon tcp:127.0.0.1:{port}"));
    supervisor.hup();
    supervisor.wait_for_line("must be told to stay in the foreground");
    supervisor.wait_for_line("Reload failed");
    assert_eq!(supervisor.get("/").pid(), pid);
}
