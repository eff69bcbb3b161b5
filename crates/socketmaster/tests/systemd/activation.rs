//! Socket units: systemd opens the sockets, and has them also while the service is away.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::machine::{Machine, until};

const SERVICE: &str = include_str!("../../../../packaging/systemd/activated.service");
const SOCKET: &str = include_str!("../../../../packaging/systemd/activated.socket");
const APP: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/listener_kinds/apps/connections.py"
);

/// The units as they are shipped, but for the places of things; and a socket for datagrams.
fn start() -> Option<Machine> {
    let machine = Machine::start()?;
    machine.put(APP, "apps/kinds");
    machine.deploy("kinds");
    let port = machine.address.port();
    let service = SERVICE
        .replace("/usr/bin/socketmaster", "/run/test/socketmaster")
        .replace("/path/app", "/run/test/current")
        .replace(
            "-listen systemd:web",
            "-listen systemd:web -listen systemd:dns",
        )
        .replace(
            "[Service]",
            "[Service]\nRestart=on-failure\nRestartSec=10ms\n",
        );
    let socket = SOCKET.replace("=7008", &format!("=127.0.0.1:{port}"));
    assert_ne!(socket, SOCKET);
    machine.install("activated.service", &service);
    machine.install("activated.socket", &socket);
    machine.install(
        "dns.socket",
        &format!(
            "[Socket]\nListenDatagram=127.0.0.1:{port}\nFileDescriptorName=dns\nService=activated.service\n"
        ),
    );
    machine.order(&["start", "activated.socket", "dns.socket"]);
    Some(machine)
}

/// A connection with its question.
fn connect(machine: &Machine) -> TcpStream {
    let mut stream = TcpStream::connect(machine.address).unwrap();
    stream.write_all(b"hello").unwrap();
    stream
}

/// The pid of who answers, and what it was told.
fn parse(answer: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(answer);
    let (pid, told) = text.split_once(' ').expect("an answer");
    (pid.into(), told.into())
}

fn answer(mut stream: TcpStream) -> (String, String) {
    let mut answer = Vec::new();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

fn datagrams(machine: &Machine) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(machine.address).unwrap();
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    client
}

fn read(client: &UdpSocket) -> (String, String) {
    let mut buffer = [0; 1000];
    let count = client.recv(&mut buffer).expect("an answer");
    parse(&buffer[..count])
}

#[test]
fn a_reload_and_a_restart_lose_no_connection() {
    let Some(machine) = start() else { return };
    let (first, told) = answer(connect(&machine));
    assert_eq!(told, "web:dns hello");
    machine.wait_for("activated", "ActiveState", |state| state == "active");
    let over = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut served = Vec::new();
            while !over.load(Ordering::Relaxed) {
                served.push(answer(connect(&machine)).0);
            }
            served
        });
        machine.order(&["reload", "activated"]);
        machine.wait_for("activated", "StatusText", |status| {
            status.starts_with("generation 2 serves")
        });
        machine.order(&["restart", "activated"]);
        over.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    let mut pids = served.clone();
    pids.dedup();
    assert!(pids.len() >= 2, "{pids:?}");
    assert_ne!(answer(connect(&machine)).0, first);
    assert!(
        !machine.log().contains("was received by"),
        "{}",
        machine.log()
    );
    machine.order(&["stop", "activated.socket", "dns.socket", "activated"]);
    machine.finish();
}

#[test]
fn what_waits_outlives_the_death_of_supervisor_and_workers() {
    let Some(machine) = start() else { return };
    let (worker, _) = answer(connect(&machine));
    machine.wait_for("activated", "ActiveState", |state| state == "active");
    machine.order(&["kill", "--kill-whom=all", "--signal=STOP", "activated"]);
    let stopped = || {
        let mut status = String::new();
        File::open(format!("/proc/{worker}/status"))
            .and_then(|mut file| file.read_to_string(&mut status))
            .unwrap();
        status.contains("State:\tT").then_some(())
    };
    until(stopped).expect("the worker stops");
    let waiting: Vec<_> = (0..20).map(|_| connect(&machine)).collect();
    let client = datagrams(&machine);
    for _ in 0..20 {
        client.send(b"hello").unwrap();
    }
    machine.order(&["kill", "--kill-whom=all", "--signal=KILL", "activated"]);
    for stream in waiting {
        let (pid, told) = answer(stream);
        assert_ne!(pid, worker);
        assert_eq!(told, "web:dns hello");
    }
    for _ in 0..20 {
        let (pid, told) = read(&client);
        assert_ne!(pid, worker);
        assert_eq!(told, "web:dns hello");
    }
    machine.order(&["stop", "activated.socket", "dns.socket", "activated"]);
    machine.finish();
}
