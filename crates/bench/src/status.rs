//! What a look at ten thousand connections costs that drain, and what they cost while nobody looks.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testbed::{Supervisor, processes, until};

use crate::figure::{Figure, Target, Target::AtMost, median};
use crate::http::{Control, runs, with_control};
use crate::options::Options;
use crate::process::{processor_micros, waits};
use crate::report::{millis, now};
use crate::subject::{Place, Subject, free_address};

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    lift_limit();
    let mut place = Place::new();
    let address = free_address();
    let setup = subject.setup().listen(format!("tcp://{address}"));
    let setup = with_control(&place, setup);
    let supervisor = place
        .app(setup, &["serve", "notify", "hold", "keep"])
        .start();
    supervisor.wait_for_line("is ready");
    let connections: Vec<TcpStream> = (0..options.count(10_000, 500))
        .map(|_| TcpStream::connect(address).expect("a connection"))
        .collect();
    let app = supervisor.workers()[0];
    until("all connections are accepted", || {
        processes::descriptors(app).len() > connections.len()
    });
    let mut control = Control::connect(&place, &supervisor);
    control.reload();
    place.reports.wait("term");
    let counted = format!("\"connections\":{}", connections.len());
    let rounds = options.count(20, 3);
    let fresh: Vec<f64> = (0..rounds).map(|_| look(&mut control, &counted)).collect();
    let again: Vec<f64> = (0..rounds).map(|_| control.get("/v1/status").1).collect();
    let verb: Vec<f64> = (0..rounds).map(|_| ask(&place, subject)).collect();
    let (woken, micros) = unwatched(&supervisor, Duration::from_secs(options.count(20, 1)));
    let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let within = |name, value| Figure::new(name, "ms", value, AtMost(100.0), "");
    vec![
        within(
            "status at 10,000 draining connections, a look",
            median(&fresh),
        ),
        within(
            "status at 10,000 draining connections, slowest look",
            most(&fresh),
        ),
        Figure::new(
            "status at 10,000 draining connections, a look again",
            "ms",
            median(&again),
            Target::None,
            "",
        ),
        within(
            "status at 10,000 draining connections, the verb",
            median(&verb),
        ),
        Figure::new(
            "wake-ups at 10,000 draining while nobody looks",
            "/min",
            woken,
            AtMost(0.0),
            "",
        ),
        Figure::new(
            "processor time at 10,000 draining while nobody looks",
            "ms/min",
            micros / 1e3,
            AtMost(0.0),
            "",
        ),
    ]
}

/// Each connection has two ends, and each process a limit of descriptors that it inherits.
fn lift_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).expect("the soft limit may be what the hard one is");
}

/// Milliseconds of a look for which all are counted anew: what was counted is good for ten times as long as it took.
fn look(control: &mut Control, counted: &str) -> f64 {
    testbed::pause(Duration::from_secs(1));
    let (status, took) = control.get("/v1/status");
    assert!(status.contains(counted), "{status}");
    took
}

/// Milliseconds of the verb, from its start to its end.
fn ask(place: &Place, subject: &Subject) -> f64 {
    testbed::pause(Duration::from_secs(1));
    let begun = now();
    let mut command = Command::new(subject.program());
    let status = command
        .arg("status")
        .env("RUNTIME_DIRECTORY", runs(place))
        .stdout(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "it is healthy");
    millis(begun, now())
}

/// Wake-ups of the supervisor in a minute, and microseconds of processor time.
fn unwatched(supervisor: &Supervisor, span: Duration) -> (f64, f64) {
    // What the last look has stirred up comes to rest.
    testbed::pause(Duration::from_secs(1));
    let used = || (waits(supervisor.pid()), processor_micros(supervisor.pid()));
    let before = used();
    testbed::pause(span);
    let after = used();
    let a_minute = |before: u64, after: u64| (after - before) as f64 * 60.0 / span.as_secs_f64();
    (a_minute(before.0, after.0), a_minute(before.1, after.1))
}
