//! What being adopted costs a program: in the calls that wait for an answer, and in those that do not.

use rustix::process::Signal;
use testbed::{Address, Supervisor, processes};

use crate::figure::{Figure, Target, Target::Within, median, ratio};
use crate::options::Options;
use crate::subject::{Alone, Place, Subject, free_address};

/// A bind of a port that nobody holds, a bind of the own listener's port once more, and others.
const CALLS: [&str; 5] = ["free", "own", "unlink", "getppid", "connection"];

/// Microseconds of each, in one round.
type Round = [f64; CALLS.len()];

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let mut place = Place::new();
    let free = free_address().to_string();
    let own = free_address().to_string();
    let alone = Alone::start(&mut place, &["calls", &own, &free]);
    let supervisor = second_generation(subject, &mut place, &free);
    let under = supervisor.workers()[0];
    let (mut native, mut adopted) = (Vec::new(), Vec::new());
    for round in 0..options.count(300, 5) {
        if round % 2 == 0 {
            native.push(ask(&mut place, alone.pid(), false));
            adopted.push(ask(&mut place, under, true));
        } else {
            adopted.push(ask(&mut place, under, true));
            native.push(ask(&mut place, alone.pid(), false));
        }
    }
    figures(&by_call(&native), &by_call(&adopted))
}

/// The first binds natively, and what it binds is adopted; from the second on that is answered.
fn second_generation(subject: &Subject, place: &mut Place, free: &str) -> Supervisor {
    let own = free_address();
    let setup = subject.setup().run(&[Address::Tcp(own)]);
    let supervisor = place.app(setup, &["calls", &own.to_string(), free]).start();
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 is ready");
    supervisor.wait_for_line("exit status 0");
    supervisor
}

/// One round of this process, whose bind of its own address is answered or runs.
fn ask(place: &mut Place, pid: i32, answered: bool) -> Round {
    processes::signal(pid, Signal::USR1);
    let is_answered = place.reports.wait("answered").number == 1;
    assert_eq!(is_answered, answered, "who answers binds");
    CALLS.map(|call| place.reports.wait(call).number as f64 / 1e6)
}

fn by_call(rounds: &[Round]) -> [Vec<f64>; CALLS.len()] {
    std::array::from_fn(|call| rounds.iter().map(|round| round[call]).collect())
}

fn figures(native: &[Vec<f64>; CALLS.len()], adopted: &[Vec<f64>; CALLS.len()]) -> Vec<Figure> {
    let [bind, _, unlink, getppid, connection] = native;
    let [passed, answered, removed, filtered, served] = adopted;
    let micros = |name, values| Figure::new(name, "µs", median(values), Target::None, "");
    let times = |name, values: &[f64], native: &[f64], target| {
        Figure::new(name, "×", ratio(values, native), target, "")
    };
    vec![
        micros("bind, native", bind),
        micros("bind, passed through", passed),
        micros("bind, answered", answered),
        times("bind, passed through ÷ native", passed, bind, Target::None),
        times("bind, answered ÷ native", answered, bind, Target::None),
        micros("unlink, native", unlink),
        micros("unlink, adopted", removed),
        times("unlink, adopted ÷ native", removed, unlink, Target::None),
        micros("getppid, native", getppid),
        micros("getppid, adopted", filtered),
        times("getppid, adopted ÷ native", filtered, getppid, Target::None),
        micros("a connection and its end, native", connection),
        times(
            "a connection and its end, adopted ÷ native",
            served,
            connection,
            Within(0.97, 1.03),
        ),
    ]
}
