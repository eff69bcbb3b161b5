//! What clients lose: with this library, and, as the control that gives its zero a meaning, with axum's own goodbye.

use std::thread::sleep;
use std::time::Duration;

use testbed::{Careless, Load};

use crate::served::{Program, Served};

const CLIENTS: usize = 64;
const UPGRADES: u32 = 50;
/// From one upgrade to the next: the more requests in between, the smaller the share that each can cost.
const APART: Duration = Duration::from_millis(25);
/// How long the clients that keep their connection let it rest, at most: these hurry.
const GAP: Duration = Duration::from_millis(2);

/// How many requests were answered, and how many were not.
type Sum = (usize, usize);

pub(crate) fn measure() {
    println!("{UPGRADES} upgrades, {CLIENTS} clients:");
    compare("a connection per request", |server| {
        let load = Load::start(&server.url(), CLIENTS, "/");
        upgrade(server);
        let report = load.stop();
        (report.ok, report.failed)
    });
    compare("keep-alive, careless", |server| {
        let clients = Careless::start(server.address, CLIENTS, GAP);
        upgrade(server);
        let tally = clients.stop();
        (tally.ok, tally.failed)
    });
}

fn compare(clients: &str, run: impl Fn(&Served) -> Sum) {
    let of = |program| {
        let server = Served::start(program);
        let sum = run(&server);
        server.stop();
        sum
    };
    let (ours, stock) = (of(Program::Article), of(Program::Stock));
    println!(
        "{clients}: lost {}; with axum's own serve: lost {}",
        share(ours),
        share(stock)
    );
    assert_eq!(ours.1, 0);
    assert!(stock.1 > 0, "these clients could not have lost anything");
}

fn upgrade(server: &Served) {
    for _ in 0..UPGRADES {
        sleep(APART);
        server.upgrade();
    }
}

fn share((ok, lost): Sum) -> String {
    let of = ok + lost;
    let float = |n| f64::from(u32::try_from(n).unwrap());
    format!(
        "{lost} of {of} ({:.1} %, {:.0} an upgrade)",
        100.0 * float(lost) / float(of),
        float(lost) / f64::from(UPGRADES)
    )
}
