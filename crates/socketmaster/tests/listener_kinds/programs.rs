//! The programs, and how they are asked.

use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;

use testbed::{PATIENCE, Setup, Supervisor, program, setup};

pub(crate) const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/listener_kinds/apps");

/// What an app of ours is called.
pub(crate) fn app(name: &str) -> String {
    format!("{APPS}/{name}")
}

/// A supervisor to be, of one of our apps in Python.
pub(crate) fn python(name: &str, words: &[&str]) -> Option<Setup> {
    let python = program("python3")?;
    let app = app(name);
    let words = [&[&*app], words].concat();
    Some(setup!().flag("-settle=50ms").command(python, &words))
}

/// Compiles one of our apps.
pub(crate) fn compiled(
    compiler: &str,
    words: &[&str],
    source: &str,
    folder: &Path,
) -> Option<PathBuf> {
    let binary = folder.join("program");
    let status = Command::new(program(compiler)?)
        .args(words)
        .arg("-o")
        .arg(&binary)
        .arg(Path::new(APPS).join(source))
        .env("GO111MODULE", "off")
        .status()
        .unwrap();
    assert!(status.success(), "{compiler}: {status}");
    Some(binary)
}

/// Where it says that it listens for datagrams, on a port that the system chose.
pub(crate) fn udp_port(supervisor: &Supervisor) -> SocketAddr {
    let line = supervisor.wait_for_nth_line("Listening on udp://", 2);
    let (_, address) = line.text.split_once("udp://").unwrap();
    address.parse().unwrap()
}

/// A client of a UDP server.
pub(crate) fn client(server: SocketAddr) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(server).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

/// The pid of who answers, and what it says.
pub(crate) fn ask(client: &UdpSocket, text: &str) -> (i32, String) {
    client.send(text.as_bytes()).unwrap();
    read(client)
}

/// The next answer.
pub(crate) fn read(client: &UdpSocket) -> (i32, String) {
    let mut buffer = [0; 2000];
    let count = client.recv(&mut buffer).unwrap();
    parse(&buffer[..count])
}

/// The pid and the rest.
pub(crate) fn parse(answer: &[u8]) -> (i32, String) {
    let text = std::str::from_utf8(answer).unwrap();
    let (pid, text) = text.split_once(' ').unwrap();
    (pid.parse().unwrap(), text.into())
}

/// Reloads, and waits until the old worker has ended.
pub(crate) fn reload(supervisor: &Supervisor) {
    let done = supervisor.log().count("Reload done");
    let old = supervisor.workers();
    supervisor.hup();
    supervisor.wait_for_nth_line("Reload done", done + 1);
    testbed::until("the old worker has ended", || {
        let workers = supervisor.workers();
        old.iter().all(|pid| !workers.contains(pid))
    });
}
