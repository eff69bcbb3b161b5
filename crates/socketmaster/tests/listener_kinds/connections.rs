//! Unix packets and vsock: connections, only of another kind.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use testbed::cannot_run;

use crate::programs::{parse, python, reload};

fn ask(path: &Path) -> (i32, String) {
    let flags = SocketFlags::CLOEXEC;
    let client = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    connect(&client, &SocketAddrUnix::new(path).unwrap()).unwrap();
    talk(&client)
}

fn talk(client: &OwnedFd) -> (i32, String) {
    rustix::io::write(client, b"hello").unwrap();
    let mut buffer = [0; 2000];
    let count = rustix::io::read(client.as_fd(), &mut buffer).unwrap();
    parse(&buffer[..count])
}

#[test]
fn packets() {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packets");
    let uri = format!("talk=unixpacket://{}?backlog=7", path.display());
    let mut supervisor = setup.listen(uri).spawn();
    // It listens from here on.
    supervisor.wait_for_line("Starting");
    let (first, text) = ask(&path);
    assert_eq!(text, "talk hello");
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.upgrade();
    reload(&supervisor);
    assert_ne!(ask(&path).0, first);
    assert!(supervisor.stop().success());
    assert!(!path.exists());
}

/// Clients need a transport: within one machine, the module vsock_loopback (Linux 5.6).
#[test]
fn vsock() {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let mut supervisor = setup.listen("vm=vsock://:0").flag("-env=systemd").spawn();
    let kernel_has_it = socket_with(
        AddressFamily::VSOCK,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    if kernel_has_it.is_err() {
        supervisor.wait_for_line("has no vsock: load the module `vsock`");
        assert_eq!(supervisor.wait().code(), Some(1));
        cannot_run("this kernel has no vsock");
        return;
    }
    let line = supervisor.wait_for_nth_line("Listening on vsock://:", 2);
    let port = line.text.rsplit_once(':').unwrap().1.to_owned();
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.upgrade();
    reload(&supervisor);
    let ask = format!(
        "import socket as s\nc = s.socket(s.AF_VSOCK)\nc.connect((1, {port}))\nc.send(b'hi')\nprint(c.recv(99).decode())"
    );
    let python = testbed::program("python3").unwrap();
    let answer = std::process::Command::new(python)
        .args(["-c", &ask])
        .output()
        .unwrap();
    if answer.status.success() {
        let (pid, text) = parse(&answer.stdout);
        assert_eq!((supervisor.workers(), text.trim()), (vec![pid], "vm hi"));
    } else {
        eprintln!("no client: this machine has no vsock transport to itself");
    }
    assert!(supervisor.stop().success());
}
