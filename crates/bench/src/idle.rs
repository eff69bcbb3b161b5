//! What the supervisor takes when nothing happens.

use std::time::Duration;

use crate::figure::{Figure, Target::AtMost};
use crate::options::Options;
use crate::process::{memory, proportional_memory, waits};
use crate::subject::{Place, Subject};

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    let mut place = Place::new();
    let setup = subject.setup().listen(place.socket("s"));
    let supervisor = place.app(setup, &["serve"]).start();
    place.reports.wait("ready");
    if subject.is_ours {
        supervisor.wait_for_line("is ready");
    }
    // What the start has stirred up comes to rest.
    testbed::pause(Duration::from_secs(options.count(3, 1)));
    let all = subject.processes(&supervisor);
    let sum = |of: fn(i32) -> f64| all.iter().map(|pid| of(*pid)).sum::<f64>();
    let all_waits = || all.iter().map(|pid| waits(*pid)).sum::<u64>();
    let before = all_waits();
    let span = options.count(60, 2);
    testbed::pause(Duration::from_secs(span));
    let woken = (all_waits() - before) as f64 * 60.0 / span as f64;
    vec![
        Figure::new(
            "idle: RSS of the supervisor",
            "MB",
            memory(supervisor.pid(), "VmRSS"),
            AtMost(4.0),
            "3.7",
        ),
        Figure::new(
            "idle: PSS of all its own processes",
            "MB",
            sum(proportional_memory),
            AtMost(2.5),
            "2.8",
        ),
        Figure::new(
            "idle: threads of all its own processes",
            "",
            sum(|pid| testbed::processes::figure(pid, "Threads") as f64),
            AtMost(2.0),
            "8",
        ),
        Figure::new(
            "idle: wake-ups of all its own processes",
            "/min",
            woken,
            AtMost(0.0),
            "0–6",
        ),
    ]
}
