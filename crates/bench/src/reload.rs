//! How long a reload takes beside the app's own start, and what starting an app costs.

use std::process::{Command, Stdio};

use testbed::Supervisor;

use crate::figure::{Figure, Target::AtMost, median};
use crate::options::Options;
use crate::report::{millis, now};
use crate::subject::{Place, Subject, this};

/// The default of `-settle`, in milliseconds.
const SETTLE: f64 = 250.0;

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    let rounds = options.count(if subject.is_ours { 30 } else { 3 }, 3);
    let mut figures = Vec::new();
    if subject.is_ours {
        let (told, _) = told(subject, &["serve", "notify"], rounds);
        figures.push(Figure::new(
            "HUP to the old told to stop, READY=1, beyond the start",
            "ms",
            told,
            AtMost(10.0),
            "3000",
        ));
        let (told, _) = self::told(subject, &["serve"], rounds.min(10));
        figures.push(Figure::new(
            "HUP to the old told to stop, auto, beyond start + settle",
            "ms",
            told - SETTLE,
            AtMost(20.0),
            "3000",
        ));
    } else {
        let (told, _) = told(subject, &["serve"], rounds);
        figures.push(Figure::new(
            "HUP to the old told to stop, READY=1, beyond the start",
            "ms",
            told,
            AtMost(10.0),
            "",
        ));
    }
    figures.push(exec(
        subject,
        options.count(if subject.is_ours { 100 } else { 3 }, 5),
    ));
    figures
}

/// Milliseconds from HUP to the stop signal's arrival in the old worker, less what the app needs by itself from fork
/// to ready; and the worst of them.
fn told(subject: &Subject, role: &[&str], rounds: usize) -> (f64, f64) {
    let mut place = Place::new();
    let setup = subject.setup().listen(place.socket("s"));
    let supervisor = place.app(setup, role).start();
    let mut told = Vec::new();
    for round in 1..=rounds {
        settle(subject, &mut place, &supervisor, round);
        let (_, own) = bare(&mut place);
        let asked = now();
        supervisor.hup();
        told.push(millis(asked, place.reports.wait("term").number) - own);
    }
    (median(&told), told.iter().copied().fold(0.0, f64::max))
}

/// Waits until so many generations have become ready, and there is no talk of the last reload any more.
fn settle(subject: &Subject, place: &mut Place, supervisor: &Supervisor, generations: usize) {
    place.reports.wait("ready");
    if subject.is_ours {
        supervisor.wait_for_nth_line("is ready", generations);
        if generations > 1 {
            supervisor.wait_for_nth_line("exit status 0", generations - 1);
        }
    }
}

/// Starts the app without a supervisor; milliseconds from before the fork to its first instruction, and until it is
/// ready.
pub(crate) fn bare(place: &mut Place) -> (f64, f64) {
    place.reports.clear();
    let mut command = Command::new(this());
    command
        .args(place.role(&["serve", "at", "127.0.0.1:0"]))
        .stdin(Stdio::null());
    let begun = now();
    let mut child = command.spawn().expect("the bench's own executable");
    let runs = place.reports.wait("begin").number;
    let ready = place.reports.wait("ready").number;
    let _ = child.kill();
    let _ = child.wait();
    (millis(begun, runs), millis(begun, ready))
}

/// HUP to the app's first instruction, over the same from fork and exec alone.
fn exec(subject: &Subject, rounds: usize) -> Figure {
    let mut place = Place::new();
    let setup = subject.setup().listen(place.socket("s"));
    let role: &[&str] = if subject.is_ours {
        &["serve", "notify"]
    } else {
        &["serve"]
    };
    let supervisor = place.app(setup, role).start();
    let (mut ours, mut bare_ones) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        settle(subject, &mut place, &supervisor, round);
        bare_ones.push(bare(&mut place).0);
        let asked = now();
        supervisor.hup();
        ours.push(millis(asked, place.reports.wait("begin").number));
        if !subject.is_ours {
            place.reports.wait("term");
        }
    }
    eprintln!(
        "  HUP to exec {:.2} ms, bare fork and exec {:.2} ms",
        median(&ours),
        median(&bare_ones)
    );
    Figure::new(
        "HUP to exec of the app, over a bare fork and exec",
        "×",
        median(&ours) / median(&bare_ones),
        AtMost(3.0),
        "",
    )
}
