//! What many reloads of an adopted program leave behind in the supervisor: nothing.

use std::time::Duration;

use testbed::{Address, processes};

use crate::figure::{Figure, Target, Target::AtMost};
use crate::options::Options;
use crate::process::memory;
use crate::subject::{Place, Subject, free_address};

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let reloads = options.count(200, 20);
    let own = free_address();
    let mut place = Place::new();
    let setup = subject.setup().run(&[Address::Tcp(own)]);
    let supervisor = place
        .app(setup, &["serve", "notify", "at", &own.to_string()])
        .start();
    supervisor.wait_for_line("Generation 1 is ready");
    let sizes = || {
        // The log's pipes of a worker that has just ended are still to be closed.
        testbed::pause(Duration::from_millis(300));
        let all = subject.processes(&supervisor);
        let sum = |of: fn(i32) -> f64| all.iter().map(|pid| of(*pid)).sum::<f64>();
        let descriptors = sum(|pid| processes::descriptors(pid).len() as f64);
        (sum(|pid| memory(pid, "VmRSS")), descriptors)
    };
    // By a quarter of them whatever is made once has been made.
    let mut early = None;
    for reload in 1..=reloads {
        supervisor.hup();
        place.reports.wait("term");
        supervisor.wait_for_nth_line("Reload done", reload);
        supervisor.wait_for_nth_line("exit status 0", reload);
        if reload == reloads / 4 {
            early = Some(sizes());
        }
    }
    let (early, late) = (early.expect("there were some"), sizes());
    vec![
        Figure::new(
            "RSS of all its own processes after 200 adopted reloads",
            "MB",
            late.0,
            Target::None,
            "",
        ),
        Figure::new(
            "RSS after 200 adopted reloads, more than after 50",
            "MB",
            late.0 - early.0,
            AtMost(0.25),
            "",
        ),
        Figure::new(
            "descriptors after 200 adopted reloads",
            "",
            late.1,
            Target::None,
            "",
        ),
        Figure::new(
            "descriptors after 200 adopted reloads, more than after 50",
            "",
            late.1 - early.1,
            AtMost(0.0),
            "",
        ),
    ]
}
