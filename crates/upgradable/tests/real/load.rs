//! Upgrades under load.

use std::time::Duration;

use testbed::{Careless, Load, processes};

use crate::chain::Chain;

const UPGRADES: usize = 100;

#[test]
fn a_hundred_upgrades_lose_no_new_connection() {
    let chain = Chain::fixture("lame-duck 500");
    let before = processes::descriptors(chain.pid()).len();
    let load = Load::start(&chain.url(), 8, "/");
    let mut last = 0;
    for _ in 0..UPGRADES {
        last = chain.upgrade();
    }
    let report = load.stop();
    assert_eq!(report.failed, 0, "{:?}", report.errors);
    assert!(
        report.by_pid.len() > UPGRADES / 2,
        "{} processes answered",
        report.by_pid.len()
    );
    chain.until_alone(last);
    println!("{} requests over {UPGRADES} upgrades, none lost", report.ok);
    // The connections of the load are gone, and of a hundred upgrades nothing is left.
    testbed::until("the descriptors are those of the first", || {
        processes::descriptors(last).len() <= before
    });
    assert!(processes::zombies(last).is_empty());
}

#[test]
fn a_hundred_upgrades_lose_no_request_of_careless_clients() {
    let chain = Chain::fixture("lame-duck 2000");
    let clients = Careless::start(chain.address, 16, Duration::from_millis(20));
    for _ in 0..UPGRADES {
        chain.upgrade();
    }
    let tally = clients.stop();
    println!(
        "{} requests over {UPGRADES} upgrades, {} connections",
        tally.ok, tally.connections
    );
    assert_eq!(tally.failed, 0, "{:?}", tally.first_error);
    // They were asked to go each time, and not cut.
    assert!(tally.connections > UPGRADES);
}

#[test]
fn the_socket_stays_non_blocking_from_version_to_version() {
    let chain = Chain::fixture("lame-duck 200");
    for _ in 0..3 {
        let pid = chain.upgrade();
        let sockets = processes::descriptors(pid)
            .into_iter()
            .filter(|(_, what)| what.starts_with("socket:"));
        let flags = sockets
            .map(|(fd, _)| std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).unwrap());
        // O_NONBLOCK is 04000; the channel to the process before may be there too.
        let non_blocking = |info: &String| {
            let line = info
                .lines()
                .find_map(|line| line.strip_prefix("flags:\t"))
                .unwrap();
            u32::from_str_radix(line, 8).unwrap() & 0o4000 != 0
        };
        assert!(flags.filter(non_blocking).count() >= 1);
    }
}
