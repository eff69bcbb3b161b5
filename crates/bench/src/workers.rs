//! A reload of a hundred workers, while clients ask them.

use std::time::Duration;

use testbed::poll;

use crate::clients::{Clients, Habit};
use crate::figure::{Figure, Target, Target::AtMost, median};
use crate::options::Options;
use crate::reload::bare;
use crate::report::{millis, now};
use crate::subject::{Place, Subject, free_address};

/// How long a reload of them all may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the reloads of one manner came to.
#[derive(Debug, Default)]
struct Rolls {
    /// Milliseconds, for each worker.
    each: Vec<f64>,
    /// What the app needs by itself.
    own: Vec<f64>,
    asked: usize,
    lost: usize,
}

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let [one, ten] = ["1", "10"].map(|surge| roll(subject, options, surge));
    eprintln!("  {} requests meanwhile", one.asked + ten.asked);
    let info = |name, unit, value| Figure::new(name, unit, value, Target::None, "");
    let over = |rolls: &Rolls| median(&rolls.each) / median(&rolls.own);
    vec![
        info("the app's own start to ready", "ms", median(&one.own)),
        info(
            "rolling 100 workers, surge 1, each",
            "ms",
            median(&one.each),
        ),
        info(
            "rolling 100 workers, surge 10, each",
            "ms",
            median(&ten.each),
        ),
        info("rolling, surge 1, each over the own start", "×", over(&one)),
        info(
            "rolling, surge 10, each over the own start",
            "×",
            over(&ten),
        ),
        Figure::new(
            "requests lost while 100 workers are rolled",
            "",
            (one.lost + ten.lost) as f64,
            AtMost(0.0),
            "",
        ),
    ]
}

fn roll(subject: &Subject, options: &Options, surge: &str) -> Rolls {
    let workers = options.count(100, 10);
    let mut place = Place::new();
    let address = free_address();
    let setup = subject
        .setup()
        .flag(format!("-workers={workers}"))
        .flag(format!("-surge={surge}"))
        .listen(format!("tcp://{address}"));
    let supervisor = place.app(setup, &["finish"]).start();
    // Whoever starts waits until its report is taken.
    let wait = |place: &mut Place, line: &str, count| {
        let so = || {
            place.reports.clear();
            (supervisor.log().count(line) >= count).then_some(())
        };
        assert!(poll(PATIENCE, so).is_some(), "no {count} lines: {line}");
    };
    wait(&mut place, "is ready", workers);
    let mut rolls = Rolls::default();
    for round in 1..=options.count(5, 1) {
        rolls.own.push(bare(&mut place).1);
        let clients = Clients::start(address, Habit::New);
        let begun = now();
        supervisor.hup();
        wait(&mut place, "Reload done", round);
        rolls.each.push(millis(begun, now()) / workers as f64);
        wait(&mut place, "exit status 0", round * workers);
        let requests = clients.stop();
        rolls.asked += requests.len();
        rolls.lost += requests
            .iter()
            .filter(|request| request.pid.is_none())
            .count();
    }
    rolls
}
