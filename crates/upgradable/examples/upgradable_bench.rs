//! What upgrades cost: `cargo run --release -p upgradable --example upgradable_bench`.
//!
//! The article's test: `examples/upgradable` under load for a while, and for another while with a few upgrades in
//! between. In pairs, whose order alternates, so that a machine that gets slower or faster favours none. Beside the
//! requests a second it compares the requests per second of processor time, server and clients together, which a
//! busy neighbour disturbs less. Arguments: the seconds of each half (20), the pairs (5), the upgrades (4).

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it measures real time, and one that cannot go on has failed"
)]

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, set_child_subreaper, wait};
use testbed::{Address, Load, PATIENCE, get, poll, processes};

const CLIENTS: usize = 8;

struct Half {
    /// Requests a second.
    rate: f64,
    /// Requests per second of processor time.
    thrift: f64,
    failed: usize,
    processes: usize,
}

fn main() {
    let mut numbers = std::env::args()
        .skip(1)
        .map(|word| word.parse::<u32>().unwrap());
    let seconds = numbers.next().unwrap_or(20);
    let pairs = numbers.next().unwrap_or(5);
    let upgrades = numbers.next().unwrap_or(4);
    // So that we wait for all of a chain, and their processor time is known.
    set_child_subreaper(Pid::from_raw(1)).unwrap();

    let (mut rates, mut thrifts, mut lost) = (Vec::new(), Vec::new(), 0);
    for pair in 0..pairs {
        let turned = pair % 2 == 1;
        let (without, with) = if turned {
            let with = half(seconds, upgrades);
            (half(seconds, 0), with)
        } else {
            (half(seconds, 0), half(seconds, upgrades))
        };
        rates.push(100.0 * with.rate / without.rate);
        thrifts.push(100.0 * with.thrift / without.thrift);
        println!(
            "{:6.0} requests/s without, {:6.0} with {} upgrades: {:.2} %; per processor second {:6.0}, {:6.0}: \
             {:.2} %; {} failed",
            without.rate,
            with.rate,
            with.processes - 1,
            rates[rates.len() - 1],
            without.thrift,
            with.thrift,
            thrifts[thrifts.len() - 1],
            without.failed + with.failed,
        );
        lost += without.failed + with.failed;
    }
    println!(
        "median {:.2} %; per processor second {:.2} %; {lost} failed",
        median(rates),
        median(thrifts)
    );
    assert_eq!(lost, 0);
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// A server from its start to its end.
fn half(seconds: u32, upgrades: u32) -> Half {
    let before = processor_seconds();
    let url = start();
    let load = Load::start(&url, CLIENTS, "/");
    let begin = Instant::now();
    let step = Duration::from_secs(seconds.into()) / (upgrades + 1);
    for n in 1..=upgrades {
        sleep((step * n).saturating_sub(begin.elapsed()));
        // Refused as long as the one before is there.
        let done = poll(PATIENCE, || {
            get(&url, "/upgrade").ok().filter(|said| said.status == 200)
        });
        done.expect("an upgrade");
    }
    sleep(Duration::from_secs(seconds.into()).saturating_sub(begin.elapsed()));
    let report = load.stop();
    let span = begin.elapsed().as_secs_f64();

    processes::signal(get(&url, "/").unwrap().pid(), Signal::TERM);
    while wait(WaitOptions::empty()).is_ok() {}
    let requests = f64::from(u32::try_from(report.ok).unwrap());
    Half {
        rate: requests / span,
        thrift: requests / (processor_seconds() - before),
        failed: report.failed,
        processes: report.by_pid.len(),
    }
}

fn start() -> Address {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
    let address: SocketAddr = free.unwrap();
    let program = std::env::current_exe()
        .unwrap()
        .with_file_name("upgradable");
    let mut command = Command::new(program);
    command
        .arg(address.to_string())
        .stdin(Stdio::null())
        .process_group(0);
    // Reaped with all that come of it.
    drop(command.spawn().unwrap());
    let url = Address::Tcp(address);
    poll(PATIENCE, || get(&url, "/").ok()).expect("it answers");
    url
}

/// Of this process and of those that it has waited for: proc_pid_stat(5), in ticks of 10 ms.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(4)
        .map(|n| n.parse::<u32>().unwrap());
    f64::from(ticks.sum::<u32>()) / 100.0
}
