//! What more listeners and more draining generations cost: so much more each, and not more than that.

use testbed::Supervisor;

use crate::figure::{Figure, Target, Target::AtMost, median};
use crate::options::Options;
use crate::process::memory;
use crate::report::{millis, now};
use crate::subject::{Place, Subject};

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let mut figures = listeners(subject, options);
    figures.extend(generations(subject, options));
    figures
}

fn listeners(subject: &Subject, options: &Options) -> Vec<Figure> {
    let rounds = options.count(5, 1);
    let one = |count: usize| {
        let samples: Vec<(f64, f64)> = (0..rounds).map(|_| start(subject, count)).collect();
        // The least disturbed.
        let least =
            |of: fn(&(f64, f64)) -> f64| samples.iter().map(of).fold(f64::INFINITY, f64::min);
        (least(|sample| sample.0), least(|sample| sample.1))
    };
    let series: Vec<(f64, f64)> = [1, 10, 100, 1000].into_iter().map(one).collect();
    let times: Vec<f64> = series.iter().map(|both| both.0).collect();
    let sizes: Vec<f64> = series.iter().map(|both| both.1).collect();
    vec![
        Figure::new("start with 1 listener", "ms", times[0], Target::None, ""),
        Figure::new("start with 10 listeners", "ms", times[1], Target::None, ""),
        Figure::new("start with 100 listeners", "ms", times[2], Target::None, ""),
        Figure::new(
            "start with 1,000 listeners",
            "ms",
            times[3],
            Target::None,
            "",
        ),
        Figure::new(
            "RSS with 1,000 listeners, more than with 1",
            "MB",
            sizes[3] - sizes[0],
            Target::None,
            "",
        ),
        Figure::new(
            "start with 1,000 listeners over with 100",
            "×",
            times[3] / times[2],
            AtMost(10.0),
            "",
        ),
        Figure::new(
            "RSS with 1,000 listeners over with 100",
            "×",
            sizes[3] / sizes[2],
            AtMost(10.0),
            "",
        ),
    ]
}

/// Milliseconds until the app runs, and the supervisor's memory then.
fn start(subject: &Subject, count: usize) -> (f64, f64) {
    let mut place = Place::new();
    let setup = (0..count).fold(subject.setup(), |setup, n| {
        setup.listen(place.socket(&n.to_string()))
    });
    let begun = now();
    let supervisor = place.app(setup, &["serve", "notify"]).start();
    let took = millis(begun, place.reports.wait("ready").number);
    supervisor.wait_for_line("is ready");
    (took, memory(supervisor.pid(), "VmRSS"))
}

/// Generations that never end: each reload leaves one more.
fn generations(subject: &Subject, options: &Options) -> Vec<Figure> {
    let count = options.count(100, 10);
    let mut place = Place::new();
    let setup = subject.setup().listen(place.socket("s"));
    let supervisor = place.app(setup, &["serve", "notify", "hold"]).start();
    let mut times = Vec::new();
    let mut sizes = Vec::new();
    for generation in 1..=count {
        supervisor.wait_for_nth_line("is ready", generation);
        sizes.push(memory(supervisor.pid(), "VmRSS"));
        times.push(reload(&mut place, &supervisor));
    }
    let tenth = count / 10;
    let (early, late) = (median(&times[..tenth]), median(&times[count - tenth..]));
    vec![
        Figure::new(
            "a reload beside 1 to 10 draining generations",
            "ms",
            early,
            Target::None,
            "",
        ),
        Figure::new("a reload beside 90 to 100", "ms", late, Target::None, ""),
        Figure::new(
            "RSS with 100 generations, more than with 1",
            "MB",
            sizes[count - 1] - sizes[0],
            Target::None,
            "",
        ),
        Figure::new(
            "reload beside 90 to 100 over beside 1 to 10",
            "×",
            late / early,
            AtMost(10.0),
            "",
        ),
    ]
}

fn reload(place: &mut Place, supervisor: &Supervisor) -> f64 {
    let asked = now();
    supervisor.hup();
    millis(asked, place.reports.wait("term").number)
}
