//! The article's test: `examples/upgradable` under load for a while, and for another while with a few upgrades in
//! between.
//!
//! In pairs, whose order alternates, so that a machine that gets slower or faster favours none. Beside the requests a
//! second it compares the requests per second of processor time, server and clients together, which a busy neighbour
//! disturbs less.

use std::thread::sleep;
use std::time::{Duration, Instant};

use testbed::Load;

use crate::served::{Program, Served};

const CLIENTS: usize = 8;

struct Half {
    /// Requests a second.
    rate: f64,
    /// Requests per second of processor time.
    thrift: f64,
    failed: usize,
    processes: usize,
}

pub(crate) fn measure(seconds: u32, pairs: u32, upgrades: u32) {
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
    let server = Served::start(Program::Article);
    let load = Load::start(&server.url(), CLIENTS, "/");
    let begin = Instant::now();
    let step = Duration::from_secs(seconds.into()) / (upgrades + 1);
    for n in 1..=upgrades {
        sleep((step * n).saturating_sub(begin.elapsed()));
        server.upgrade();
    }
    sleep(Duration::from_secs(seconds.into()).saturating_sub(begin.elapsed()));
    let report = load.stop();
    let span = begin.elapsed().as_secs_f64();
    server.stop();
    let requests = f64::from(u32::try_from(report.ok).unwrap());
    Half {
        rate: requests / span,
        thrift: requests / (processor_seconds() - before),
        failed: report.failed,
        processes: report.by_pid.len(),
    }
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
