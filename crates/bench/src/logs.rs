//! What it costs to carry the app's lines to the log, and whether they all arrive.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::UsageWho;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use testbed::{Setup, until};

use crate::figure::{Figure, Target, Target::AtLeast, Target::AtMost};
use crate::options::Options;
use crate::process::memory;
use crate::report::{millis, now};
use crate::role::processor_micros;
use crate::subject::{Place, Subject, this};

const LINE: usize = 100;
const MEGABYTE: usize = 1_000_000;

/// A bare pump whose prefix is that of the sketch the target was set by: `[web.1 12345] `.
const PUMP: &[&str] = &["pump", "14"];
/// One whose prefix is as long as ours: `socketmaster[12345] 2006/01/02 15:04:05 [12345] `.
const LONG_PUMP: &[&str] = &["pump", "48"];

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    let megabytes = options.count(200, 20);
    let mut figures = forwarding(subject, megabytes, options.count(5, 1));
    figures.extend(throughput(subject, megabytes, options.count(7, 1)));
    figures.push(lost(subject, options.count(5, 1)));
    figures.push(peak(subject));
    figures
}

fn forwarding(subject: &Subject, megabytes: usize, rounds: usize) -> Vec<Figure> {
    let (mut ours, mut bare, mut long) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(supervised_cost(subject, megabytes));
        bare.push(bare_cost(megabytes, PUMP));
        long.push(bare_cost(megabytes, LONG_PUMP));
    }
    // The least disturbed of each.
    let least = |values: Vec<f64>| values.into_iter().fold(f64::INFINITY, f64::min);
    let (ours, bare, long) = (least(ours), least(bare), least(long));
    let scale = 200.0 / megabytes as f64;
    let about = |name, value| Figure::new(name, "s", value * scale, Target::None, "");
    vec![
        Figure::new(
            "CPU to forward 200 MB of 100-byte lines to a file",
            "s",
            ours * scale,
            Target::None,
            "6.4",
        ),
        about("CPU of a bare pump for the same, prefix of 14 bytes", bare),
        about(
            "CPU of a bare pump for the same, prefix as long as ours",
            long,
        ),
        Figure::new(
            "CPU to forward, over the bare pump",
            "×",
            ours / bare,
            AtMost(1.2),
            "",
        ),
    ]
}

/// Processor time in s of all the supervisor's own processes, from its start to its end with the app's.
fn supervised_cost(subject: &Subject, megabytes: usize) -> f64 {
    let mut place = Place::new();
    let log = place.path("log");
    let bytes = (megabytes * MEGABYTE).to_string();
    let before = processor_micros(UsageWho::RUSAGE_CHILDREN);
    let setup = logging(subject, &place, &log);
    let mut supervisor = place
        .app(setup, &["block", &bytes, &LINE.to_string()])
        .start();
    supervisor.wait();
    // The app's was in it: the supervisor waited for the app, and we for the supervisor.
    let used =
        processor_micros(UsageWho::RUSAGE_CHILDREN) - before - place.reports.wait("cpu").number;
    assert!(
        fs::metadata(&log).is_ok_and(|log| log.len() > (megabytes * MEGABYTE) as u64),
        "the lines are there"
    );
    used as f64 / 1e6
}

fn bare_cost(megabytes: usize, pump: &[&str]) -> f64 {
    let mut place = Place::new();
    let log = File::create(place.path("log")).expect("a file");
    pipeline(&place, pump, megabytes, log.into());
    let writer = place.reports.wait("wrote").pid;
    let both = [place.reports.wait("cpu"), place.reports.wait("cpu")];
    let pump = both
        .iter()
        .find(|report| report.pid != writer)
        .expect("the pump's report");
    pump.number as f64 / 1e6
}

/// A writer, a pipe, and a pump that writes to `output`; waits for the end of both.
fn pipeline(place: &Place, pump: &[&str], megabytes: usize, output: Stdio) {
    let bytes = (megabytes * MEGABYTE).to_string();
    let spawn = |words: &[&str], input: Stdio, output: Stdio| {
        let mut command = Command::new(this());
        command.args(place.role(words)).stdin(input).stdout(output);
        command.spawn().expect("the bench's own executable")
    };
    let mut writer = spawn(
        &["block", &bytes, &LINE.to_string()],
        Stdio::null(),
        Stdio::piped(),
    );
    let pipe = writer.stdout.take().expect("a pipe");
    let mut pump = spawn(pump, pipe.into(), output);
    let _ = writer.wait();
    let _ = pump.wait();
}

/// MB/s of payload from pipe to pipe, over copying alone; and how near to that a bare pump comes on this machine.
fn throughput(subject: &Subject, megabytes: usize, rounds: usize) -> [Figure; 2] {
    let (mut ours, mut copied, mut pumped) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(supervised_rate(subject, megabytes));
        copied.push(bare_rate(megabytes, &["copy"]));
        pumped.push(bare_rate(megabytes, PUMP));
    }
    // The least disturbed of each.
    let most = |values: Vec<f64>| values.into_iter().fold(0.0, f64::max);
    let (ours, copied, pumped) = (most(ours), most(copied), most(pumped));
    eprintln!("  {ours:.0} MB/s, a bare pump {pumped:.0} MB/s, copying {copied:.0} MB/s");
    let over =
        |name, rate: f64, target, quoted| Figure::new(name, "×", rate / copied, target, quoted);
    [
        over(
            "log throughput pipe to pipe, over copying",
            ours,
            AtLeast(0.7),
            "0.05",
        ),
        over(
            "log throughput of the bare pump, over copying",
            pumped,
            Target::None,
            "",
        ),
    ]
}

fn supervised_rate(subject: &Subject, megabytes: usize) -> f64 {
    let mut place = Place::new();
    let fifo = fifo(&place);
    let bytes = (megabytes * MEGABYTE).to_string();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| count_lines(&fifo, megabytes * MEGABYTE / LINE));
        let setup = logging(subject, &place, &fifo);
        let mut supervisor = place
            .app(setup, &["block", &bytes, &LINE.to_string()])
            .start();
        let end = reader.join().expect("a reader");
        supervisor.wait();
        rate(megabytes, place.reports.wait("writes").number, end)
    })
}

fn bare_rate(megabytes: usize, pump: &[&str]) -> f64 {
    let mut place = Place::new();
    let fifo = fifo(&place);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| count_lines(&fifo, megabytes * MEGABYTE / LINE));
        let output = File::options().write(true).open(&fifo).expect("a pipe");
        pipeline(&place, pump, megabytes, output.into());
        let end = reader.join().expect("a reader");
        rate(megabytes, place.reports.wait("writes").number, end)
    })
}

fn rate(megabytes: usize, from: u64, to: u64) -> f64 {
    megabytes as f64 * 1e3 / millis(from, to)
}

/// A named pipe to read the log from.
pub(crate) fn fifo(place: &Place) -> std::path::PathBuf {
    let path = place.path("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a named pipe");
    path
}

/// Reads to the end; the moment at which the app's last line had come. The original loses some of the last.
fn count_lines(path: &Path, lines: usize) -> u64 {
    let mut input = File::open(path).expect("a named pipe");
    let mut bytes = vec![0; 64 * 1024];
    let mut ends = 0;
    let mut moment = 0;
    while let Ok(read @ 1..) = input.read(&mut bytes) {
        let complete = ends >= lines;
        ends += memchr::memchr_iter(b'\n', &bytes[..read]).count();
        if !complete {
            moment = now();
        }
    }
    assert!(ends >= lines / 100 * 99, "{ends} lines came of {lines}");
    moment
}

/// Lines that did not arrive from an app that ends with the last of them.
fn lost(subject: &Subject, rounds: usize) -> Figure {
    const LINES: usize = 20_000;
    let mut lost = 0;
    for _ in 0..rounds {
        let place = Place::new();
        let log = place.path("log");
        let setup = logging(subject, &place, &log);
        place
            .app(setup, &["lines", &LINES.to_string()])
            .start()
            .wait();
        let text = fs::read_to_string(&log).expect("a log");
        let came = text
            .lines()
            .filter(|line| line.ends_with("of a program that has little time left"))
            .count();
        lost = lost.max(LINES - came);
    }
    Figure::new(
        "lines lost of 20,000 when the app exits at once",
        "",
        lost as f64,
        AtMost(0.0),
        "349–478",
    )
}

/// The most memory that all its processes ever had, together, while a line of 10 MB went through.
fn peak(subject: &Subject) -> Figure {
    let mut place = Place::new();
    let log = place.path("log");
    let length = (10 * MEGABYTE).to_string();
    let setup = logging(subject, &place, &log);
    let supervisor = place
        .app(setup, &["block", &length, &length, "stay"])
        .start();
    place.reports.wait("wrote");
    until("the long line is in the log", || {
        fs::metadata(&log).is_ok_and(|log| log.len() >= (10 * MEGABYTE) as u64)
    });
    testbed::pause(Duration::from_millis(50));
    let peak = subject
        .processes(&supervisor)
        .iter()
        .map(|pid| memory(*pid, "VmHWM"))
        .sum();
    Figure::new(
        "peak RSS with a line of 10 MB, all processes",
        "MB",
        peak,
        AtMost(12.0),
        "58",
    )
}

/// A supervisor whose log goes to this path.
pub(crate) fn logging(subject: &Subject, place: &Place, log: &Path) -> Setup {
    let redirect = format!("exec \"$@\" 2>'{}'", log.display());
    subject
        .setup()
        .listen(place.socket("s"))
        .under(&["sh", "-c", &redirect, "sh"])
}
