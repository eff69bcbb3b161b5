//! Programs that bind datagram sockets themselves, and get the one that is held.

use std::os::unix::net::UnixDatagram;

use testbed::{PATIENCE, free_port};

use crate::activation::activated;
use crate::programs::{ask, client, parse, python, reload};

/// Held from the start, before the program is there.
#[test]
fn a_udp_listener_is_what_the_program_binds() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let Some(setup) = python("datagrams.py", &["asyncio", "bind", &address]) else {
        return;
    };
    let mut supervisor = setup.listen(format!("udp://{address}")).run(&[]).start();
    supervisor.wait_for_line("Starting");
    let client = client(address.parse().unwrap());
    let (first, text) = ask(&client, "early");
    assert_eq!(text, "early");
    supervisor.wait_for_line("Generation 1 is ready");
    reload(&supervisor);
    assert_ne!(ask(&client, "late").0, first);
    assert!(supervisor.stop().success());
}

/// The service manager has it, and the program knows nothing of that.
#[test]
fn a_received_socket_is_what_the_program_binds() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let Some(setup) = python("datagrams.py", &["asyncio", "bind", &address]) else {
        return;
    };
    let setup = setup.listen("systemd:dns").run(&[]);
    let supervisor = activated(setup, &[&format!("dns=udp:{port}")]).start();
    supervisor.wait_for_line("Generation 1 is ready");
    let client = client(address.parse().unwrap());
    let (first, _) = ask(&client, "one");
    reload(&supervisor);
    assert_ne!(ask(&client, "two").0, first);
}

#[test]
fn a_unix_datagram_socket_is_adopted_where_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let text = path.to_str().unwrap();
    let Some(setup) = python("datagrams.py", &["recvfrom", "bind", text]) else {
        return;
    };
    let setup = setup.flag(format!("-adopt=unixgram://{text}"));
    let mut supervisor = setup.run(&[]).start();
    supervisor.wait_for_line(&format!("Adopted unixgram://{text}"));
    supervisor.wait_for_line("Generation 1 is ready");
    let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = || {
        client.send_to(b"hello", &path).unwrap();
        let mut buffer = [0; 100];
        let count = client.recv(&mut buffer).unwrap();
        parse(&buffer[..count]).0
    };
    let first = ask();
    reload(&supervisor);
    assert_ne!(ask(), first);
    assert!(supervisor.stop().success());
    assert!(!path.exists());
}
