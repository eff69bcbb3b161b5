//! How long the control socket takes to answer while the app's lines flow, beside the same in quiet.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread;
use std::time::Duration;

use testbed::Supervisor;

use crate::figure::{Figure, Target, ratio};
use crate::http::{Control, with_control};
use crate::logs::{fifo, logging};
use crate::options::Options;
use crate::report::{millis, now};
use crate::subject::{Place, Subject};

/// What the app prints in a second.
const RATE: usize = 300_000_000;

/// From a look to the next, so that the looks themselves are no load.
const PAUSE: Duration = Duration::from_millis(2);

/// Milliseconds of each.
#[derive(Debug)]
struct Times {
    status: Vec<f64>,
    accepted: Vec<f64>,
    /// MB/s that the app printed.
    flow: f64,
}

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let [quiet, busy] = [0, RATE].map(|rate| times(subject, options, rate));
    let info = |name, unit, value| Figure::new(name, unit, value, Target::None, "");
    let [middle, most] =
        [0.5, 0.99].map(|part| [&quiet.status, &busy.status].map(|times| percentile(times, part)));
    vec![
        info("logs that flow meanwhile, of 300 MB/s", "MB/s", busy.flow),
        info("GET /v1/status, p50, no logs", "ms", middle[0]),
        info("GET /v1/status, p50, logs flow", "ms", middle[1]),
        info("GET /v1/status, p99, no logs", "ms", most[0]),
        info("GET /v1/status, p99, logs flow", "ms", most[1]),
        info(
            "GET /v1/status, slowest, no logs",
            "ms",
            percentile(&quiet.status, 1.0),
        ),
        info(
            "GET /v1/status, slowest, logs flow",
            "ms",
            percentile(&busy.status, 1.0),
        ),
        info(
            "a reload accepted, p50, no logs",
            "ms",
            percentile(&quiet.accepted, 0.5),
        ),
        info(
            "a reload accepted, p50, logs flow",
            "ms",
            percentile(&busy.accepted, 0.5),
        ),
        info(
            "a reload accepted, slowest, no logs",
            "ms",
            percentile(&quiet.accepted, 1.0),
        ),
        info(
            "a reload accepted, slowest, logs flow",
            "ms",
            percentile(&busy.accepted, 1.0),
        ),
        info(
            "GET /v1/status, p50, logs flow ÷ no logs",
            "×",
            ratio(&middle[1..], &middle[..1]),
        ),
    ]
}

fn times(subject: &Subject, options: &Options, rate: usize) -> Times {
    let mut place = Place::new();
    let fifo = fifo(&place);
    thread::scope(|scope| {
        let reader = scope.spawn(|| swallow(&fifo));
        let setup = with_control(&place, logging(subject, &place, &fifo));
        let mut supervisor = place.app(setup, &["flow", &rate.to_string()]).start();
        place.reports.wait("flows");
        // The first lines have come through, and what the start has stirred up comes to rest.
        testbed::pause(Duration::from_secs(1));
        let mut control = Control::connect(&place, &supervisor);
        let (begun, before) = (now(), flowed(&supervisor));
        let mut status = Vec::new();
        for _ in 0..options.count(3_000, 100) {
            status.push(control.get("/v1/status").1);
            testbed::pause(PAUSE);
        }
        let flow = (flowed(&supervisor) - before) as f64 / 1e3 / millis(begun, now());
        let mut accepted = Vec::new();
        for _ in 0..options.count(100, 3) {
            accepted.push(control.reload().0);
            place.reports.wait("flows");
        }
        supervisor.stop();
        reader.join().expect("a reader");
        Times {
            status,
            accepted,
            flow,
        }
    })
}

/// Bytes that the app has got rid of so far.
fn flowed(supervisor: &Supervisor) -> u64 {
    let workers = supervisor.workers();
    workers.into_iter().map(testbed::processes::written).sum()
}

/// Reads to the end.
fn swallow(path: &Path) {
    let mut input = File::open(path).expect("a named pipe");
    let mut bytes = vec![0; 1 << 20];
    while let Ok(1..) = input.read(&mut bytes) {}
}

fn percentile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part) as usize]
}
