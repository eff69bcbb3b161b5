//! Stops: at any moment, with what is queued, with what is open.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Address, get, poll, processes, until};

use crate::chain::{Chain, Setup, example, read_all, send, shell_status};

#[test]
fn at_any_moment_of_an_upgrade() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut taken_over, mut stopped) = (0, 0);
    let whole = {
        let chain = Chain::fixture("warm 10");
        let begin = testbed::now();
        chain.upgrade();
        begin.elapsed()
    };
    let whole = u64::try_from(whole.as_micros()).unwrap();
    for round in 0..40 {
        let mut chain = Chain::fixture("lame-duck 100\nwarm 10");
        processes::signal(chain.first(), Signal::HUP);
        thread::sleep(Duration::from_micros(random.u64(0..whole * 2)));
        let status = chain.stop();
        assert_eq!(status, 0, "round {round}");
        // Either the new one had taken over and serves, or there is nobody.
        let left = chain.alive();
        match left.as_slice() {
            [] => stopped += 1,
            [one] => {
                assert_eq!(chain.pid(), *one, "round {round}");
                taken_over += 1;
            }
            more => panic!("round {round}: {more:?} are left"),
        }
    }
    println!("{stopped} stopped, {taken_over} taken over");
    assert!(stopped > 0 && taken_over > 0, "always at the same moment");
}

/// Clients whose connections wait in the queue, their requests sent.
fn queue(chain: &Chain, clients: usize) -> Vec<TcpStream> {
    let client = |_| {
        let mut stream = TcpStream::connect(chain.address).unwrap();
        stream.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
        send(&mut stream, "/", false).unwrap();
        stream
    };
    (0..clients).map(client).collect()
}

#[test]
fn fifty_in_the_queue_are_served_by_the_next_version() {
    let chain = Setup::fixture("pause\nlame-duck 200").spawn();
    until("it listens", || TcpStream::connect(chain.address).is_ok());
    let clients = queue(&chain, 50);
    chain.deploy("version 2");
    chain.wait_for_hup_handler();
    until("there is a successor", || {
        // Refused before it is ready.
        processes::signal(chain.first(), Signal::HUP);
        chain.alive().len() == 2
    });
    for client in clients {
        let answer = read_all(client);
        assert!(answer.contains("\"version\":\"2\""), "{answer}");
    }
}

#[test]
fn fifty_in_the_queue_are_served_before_a_stop() {
    for program in ["upgradable_fixture", "hello_std"] {
        let mut setup = Setup::new(example(program));
        let address = crate::chain::free_port();
        setup.command.arg(address.to_string());
        let mut chain = setup.at(address).start();
        processes::signal(chain.first(), Signal::STOP);
        let clients = queue(&chain, 50);
        processes::signal(chain.first(), Signal::TERM);
        processes::signal(chain.first(), Signal::CONT);
        for client in clients {
            let mut first = [0; 5];
            (&client)
                .read_exact(&mut first)
                .unwrap_or_else(|error| panic!("{program}: {error}"));
        }
        assert_eq!(shell_status(chain.wait()), 0);
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn at_the_deadline_what_is_open_is_cut_and_counted() {
    let mut chain = Chain::fixture("lame-duck 100\ndrain 400");
    let mut stuck = TcpStream::connect(chain.address).unwrap();
    // A request that never ends: not idle, and nothing to wait for.
    stuck
        .write_all(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    let mut other = TcpStream::connect(chain.address).unwrap();
    send(&mut other, "/ws", true).unwrap();
    let _ = other.read(&mut [0; 512]).unwrap();
    let mut silent = websocket(&chain);
    silent.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    assert_eq!(chain.stop(), 1);
    chain.wait_for_line("still open at the end of the drain timeout");
    let _ = silent.read(&mut [0; 1]);
}

fn websocket(chain: &Chain) -> TcpStream {
    crate::finish::open_websocket(chain)
}

/// Serves one connection after the other, and hangs in the first.
#[test]
fn at_the_deadline_a_main_that_is_stuck_is_ended() {
    let mut chain = {
        let mut setup = Setup::new(example("upgradable_stuck"));
        let address = crate::chain::free_port();
        setup.command.arg(address.to_string());
        setup.at(address).spawn()
    };
    until("it listens", || TcpStream::connect(chain.address).is_ok());
    chain.wait_for_line("stuck");
    assert_eq!(chain.stop(), 1);
    chain.wait_for_line("1 connections were still open");
}

#[test]
fn a_stop_does_not_wait_for_a_server_that_warms_up() {
    let setup = Setup::new(example("upgradable_fixture"));
    let path = setup.path("socket");
    setup.deploy("warm 30000");
    let mut setup = setup;
    setup.command.arg(format!("unix:{}", path.display()));
    let mut chain = setup.spawn();
    until("it has bound", || path.exists());
    assert_eq!(chain.stop(), 143);
    assert!(!path.exists());
}

#[test]
fn a_second_stop_ends_it_at_once() {
    let mut chain = Chain::fixture("lame-duck 20000\ndrain 30000");
    let _open = websocket(&chain);
    processes::signal(chain.first(), Signal::TERM);
    until("it does not listen any more", || {
        TcpStream::connect(chain.address).is_err()
    });
    processes::signal(chain.first(), Signal::TERM);
    assert_eq!(shell_status(chain.wait()), 143);
}

#[test]
fn with_nothing_open_it_does_not_wait_for_the_lame_duck() {
    let mut chain = Chain::fixture("lame-duck 20000");
    chain.pid();
    let begin = testbed::now();
    assert_eq!(chain.stop(), 0);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_socket_file_goes_with_the_last_and_not_before() {
    let setup = Setup::new(example("upgradable_fixture"));
    let path = setup.path("socket");
    // A file that a crash has left.
    drop(UnixListener::bind(&path).unwrap());
    setup.deploy("lame-duck 200");
    let mut setup = setup;
    setup.command.arg(format!("unix:{}", path.display()));
    let chain = setup.spawn();
    until("it answers", || UnixStream::connect(&path).is_ok());
    let url = Address::Unix(path.clone());
    for _ in 0..3 {
        let before = get(&url, "/").unwrap().pid();
        let done = poll(testbed::PATIENCE, || {
            get(&url, "/upgrade")
                .unwrap()
                .body
                .strip_prefix("upgraded ")
                .map(str::to_owned)
        });
        let next: i32 = done.unwrap().parse().unwrap();
        assert_ne!(next, before);
        chain.until_alone(next);
        assert!(path.exists(), "the one that left has removed it");
    }
    let last = get(&url, "/").unwrap().pid();
    processes::signal(last, Signal::TERM);
    until("all have gone", || chain.alive().is_empty());
    assert!(!path.exists(), "it is left behind");
}

#[test]
fn out_of_descriptors_it_waits_and_goes_on() {
    let mut setup = Setup::new("/bin/sh");
    setup.deploy("lame-duck 200");
    let address = crate::chain::free_port();
    setup
        .command
        .args(["-c", "ulimit -n 30; exec \"$0\" \"$@\""]);
    setup
        .command
        .arg(example("upgradable_fixture"))
        .arg(address.to_string());
    let mut chain = setup.at(address).start();
    let many: Vec<_> = (0..60)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    chain.wait_for_line("cannot accept on");
    drop(many);
    assert_eq!(chain.pid(), chain.first());
    assert_eq!(
        chain.log().matches("cannot accept on").count(),
        1,
        "{}",
        chain.log()
    );
    assert_eq!(chain.stop(), 0);
}

impl Chain {
    /// Waits until SIGHUP is caught (`SigCgt` of proc_pid_status(5)).
    fn wait_for_hup_handler(&self) {
        until("SIGHUP is caught", || {
            let caught = processes::status(self.first(), "SigCgt").unwrap_or_default();
            u64::from_str_radix(&caught, 16).is_ok_and(|mask| mask & 1 != 0)
        });
    }
}
