//! Sockets from somebody else.

use std::net::TcpListener;

use testbed::{get, until};

use crate::chain::{Setup, example, shell_status};

fn activated(socket: TcpListener, variables: &[(&str, &str)], args: &[&str]) -> Setup {
    let address = socket.local_addr().unwrap();
    let mut setup = Setup::activated("lame-duck 200", socket, args);
    setup.command.envs(variables.iter().copied());
    setup.at(address)
}

fn bound() -> (TcpListener, String) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[test]
fn systemd_by_address_and_through_upgrades() {
    let (socket, address) = bound();
    // A holder of the socket, as systemd is.
    let held = socket.try_clone().unwrap();
    let chain = activated(socket, &[("LISTEN_FDS", "1")], &[&address]).start();
    assert_eq!(chain.pid(), chain.first());
    let next = chain.upgrade();
    chain.until_alone(next);
    assert_eq!(chain.pid(), next);
    drop(held);
}

#[test]
fn systemd_by_name() {
    let (socket, _) = bound();
    let variables = [("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "web")];
    // The address in the program is another: the name decides.
    let chain = activated(socket, &variables, &["web=127.0.0.1:1"]).start();
    assert_eq!(chain.pid(), chain.first());
}

#[test]
fn einhorn_and_the_original_socketmaster() {
    let (socket, address) = bound();
    let chain = activated(socket, &[("EINHORN_FDS", "3")], &[&address]).start();
    assert_eq!(chain.pid(), chain.first());
    let answer = chain.ask();
    assert!(answer.contains("send it HUP"), "{answer}");
}

#[track_caller]
fn fails(setup: Setup, words: &str) {
    let mut chain = setup.spawn();
    assert_eq!(shell_status(chain.wait()), 1);
    assert!(chain.log().contains(words), "{}", chain.log());
}

#[test]
fn what_was_not_asked_for_is_no_reason_to_bind() {
    let (socket, _) = bound();
    let setup = activated(socket, &[("LISTEN_FDS", "1")], &["127.0.0.1:1"]);
    fails(setup, "and the server asks for 127.0.0.1:1");
}

#[test]
fn a_descriptor_that_is_no_socket() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut setup = Setup::activated("", file, &["127.0.0.1:1"]);
    setup.command.env("EINHORN_FDS", "3");
    fails(setup, "descriptor 3 is no listening socket");
}

#[test]
fn what_nobody_asks_for_is_closed_and_told() {
    let (socket, address) = bound();
    let setup = activated(
        socket,
        &[("LISTEN_FDS", "1"), ("LISTEN_FDNAMES", "old")],
        &[],
    );
    setup.deploy("pause");
    let chain = setup.spawn();
    chain.wait_for_line(&format!(
        "handed over and not asked for, so closed: {address} (old)"
    ));
    until("it is closed", || {
        std::net::TcpStream::connect(&address).is_err()
    });
}

#[test]
fn the_same_socket_twice() {
    let address = crate::chain::free_port().to_string();
    let mut setup = Setup::new(example("upgradable_fixture"));
    setup.command.args([&address, &address]);
    fails(setup, "is listened on already");
}

#[test]
fn an_address_that_is_taken() {
    let (_socket, address) = bound();
    let mut setup = Setup::new(example("upgradable_fixture"));
    setup.command.arg(address);
    fails(setup, "Address already in use");
}

/// A variable that was meant for an ancestor means nothing.
#[test]
fn a_stale_channel() {
    let mut setup = Setup::fixture("lame-duck 200");
    setup.command.env("UPGRADABLE_CHANNEL", "0:1:1");
    let chain = setup.start();
    assert_eq!(chain.pid(), chain.first());
}

#[test]
fn a_systemd_that_speaks_to_another() {
    let mut setup = Setup::fixture("lame-duck 200");
    setup.command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let chain = setup.start();
    assert_eq!(chain.pid(), chain.first());
}

#[test]
fn several_sockets_go_from_version_to_version() {
    let addresses = [crate::chain::free_port(), crate::chain::free_port()];
    let mut setup = Setup::new(example("upgradable_fixture"));
    setup.deploy("lame-duck 200");
    setup
        .command
        .args(addresses.map(|address| address.to_string()));
    let chain = setup.at(addresses[0]).start();
    let next = chain.upgrade();
    chain.until_alone(next);
    for address in addresses {
        until("both answer", || {
            get(&testbed::Address::Tcp(address), "/").is_ok_and(|answer| answer.pid() == next)
        });
    }
}

#[test]
fn datagrams_go_to_the_next_version() {
    let (tcp, udp) = (crate::chain::free_port(), crate::chain::free_port());
    let mut setup = Setup::new(example("upgradable_fixture"));
    setup.deploy("lame-duck 200");
    setup.command.args([tcp.to_string(), format!("udp:{udp}")]);
    let chain = setup.at(tcp).start();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    let ask = || {
        client.send_to(b"?", udp).unwrap();
        let mut buffer = [0; 16];
        let length = client.recv(&mut buffer).unwrap();
        std::str::from_utf8(&buffer[..length])
            .unwrap()
            .parse::<i32>()
            .unwrap()
    };
    assert_eq!(ask(), chain.first());
    let next = chain.upgrade();
    chain.until_alone(next);
    assert_eq!(ask(), next);
}

/// `script` gives it a terminal, whose foreground it is.
#[test]
fn in_the_foreground_it_does_not_replace_itself() {
    let mut setup = Setup::new("/usr/bin/script");
    setup.deploy("lame-duck 200");
    let address = crate::chain::free_port();
    let program = example("upgradable_fixture");
    let command = format!("exec {} {address}", program.display());
    setup
        .command
        .args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let chain = setup.at(address).start();
    let answer = chain.ask();
    assert!(
        answer.contains("in the foreground of a terminal"),
        "{answer}"
    );
}

/// What a program may expect: no signal blocked, none ignored but the one that std itself ignores.
#[test]
fn the_next_version_gets_the_same_signals() {
    let chain = crate::chain::Chain::fixture("lame-duck 200");
    let signals =
        |pid| ["SigBlk", "SigIgn"].map(|name| testbed::processes::status(pid, name).unwrap());
    let before = signals(chain.first());
    assert_eq!(before[0], "0000000000000000");
    let next = chain.upgrade();
    assert_eq!(signals(next), before);
}

/// In a pid namespace of its own, where the rights allow one.
#[test]
fn process_1_does_not_replace_itself() {
    let mut setup = Setup::new("/usr/bin/unshare");
    setup.deploy("lame-duck 200");
    let address = crate::chain::free_port();
    setup
        .command
        .args(["--user", "--map-root-user", "--pid", "--fork"]);
    setup
        .command
        .arg(example("upgradable_fixture"))
        .arg(address.to_string());
    let chain = setup.at(address).spawn();
    let up = testbed::poll(std::time::Duration::from_secs(5), || {
        get(&chain.url(), "/").ok()
    });
    match up {
        Some(answer) => {
            assert_eq!(answer.pid(), 1);
            assert!(chain.ask().contains("run it under socketmaster"));
        }
        None => assert!(chain.log().contains("unshare"), "{}", chain.log()),
    }
}
