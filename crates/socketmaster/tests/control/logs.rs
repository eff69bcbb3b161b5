//! `socketmaster logs`: what the log says, for whoever wants to read it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use testbed::{Address, Supervisor, free_port, get, processes, until};

use super::{Outcome, Site, assert_in_order};

const EVERYTHING: &str = "-lines=1000000";

/// One who follows the log from its beginning and has read the first line.
struct Follower {
    verb: Child,
    out: BufReader<ChildStdout>,
    first: String,
}

impl Follower {
    #[track_caller]
    fn start(site: &Site, args: &[&str]) -> Self {
        let args = [&["logs", "-follow"], args].concat();
        let mut verb = site.begin(&args);
        let mut out = BufReader::new(verb.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        if first.is_empty() {
            panic!("{:?}", super::end(verb));
        }
        Self { verb, out, first }
    }

    /// Reads on to a line with this.
    #[track_caller]
    fn hear(&mut self, pattern: &str) {
        let mut line = String::new();
        while !line.contains(pattern) {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "no {pattern}");
            self.first += &line;
        }
    }

    /// All that it prints, to its end.
    fn end(mut self) -> Outcome {
        let mut out = self.first;
        self.out.read_to_string(&mut out).unwrap();
        let rest = super::end(self.verb);
        Outcome { out, ..rest }
    }

    fn break_off(mut self) {
        self.verb.kill().unwrap();
        self.verb.wait().unwrap();
    }
}

/// Waits till the log has nothing that `out` does not have.
#[track_caller]
fn assert_is_the_log(out: &str, supervisor: &Supervisor) {
    until("all has come to the log", || {
        supervisor.log().text().len() >= out.len()
    });
    assert_eq!(out, supervisor.log().text());
}

#[test]
fn the_last_lines_as_they_are_in_the_log() {
    let site = Site::new("print-lines 60\nnotify");
    let supervisor = site.start("site");
    supervisor.wait_for_line("is ready");
    let all = site.ask(&["logs", EVERYTHING, "site"]);
    assert_eq!((all.status, all.err.as_str()), (0, ""));
    assert_is_the_log(&all.out, &supervisor);
    let lines: Vec<_> = all.out.lines().collect();
    for (args, expected) in [(&["logs"][..], 50), (&["logs", "-n", "2"], 2)] {
        let last = site.ask(args);
        assert_eq!(last.status, 0);
        let last: Vec<_> = last.out.lines().collect();
        assert_eq!(last, lines[lines.len() - expected..]);
    }
    assert_eq!(site.ask(&["logs", "-lines=0"]).out, "");
}

#[test]
fn following_goes_on_through_reloads_to_the_end() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let followers: Vec<_> = (0..3)
        .map(|_| Follower::start(&site, &[EVERYTHING]))
        .collect();
    for script in ["print hello\nnotify", "exit 3"] {
        site.app.deploy(script);
        let _ = site.ask(&["reload"]);
    }
    let _ = supervisor.stop();
    for follower in followers {
        let outcome = follower.end();
        assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
        assert_in_order(&outcome.out, &["Starting", "hello", "failed", "Stopping"]);
        assert_is_the_log(&outcome.out, &supervisor);
    }
}

#[test]
fn an_upgrade_is_no_end_and_no_line_comes_twice() {
    let site = Site::new("after 0 print-slowly 600\nnotify");
    let mut supervisor = site.start("site");
    let mut follower = Follower::start(&site, &[EVERYTHING, "site"]);
    for _ in 0..2 {
        supervisor.upgrade();
    }
    follower.hear("line 600");
    let _ = supervisor.stop();
    let outcome = follower.end();
    assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
    assert_is_the_log(&outcome.out, &supervisor);
}

#[test]
fn another_forwarder_is_no_end() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    supervisor.wait_for_line("is ready");
    let mut follower = Follower::start(&site, &[EVERYTHING]);
    // One that lived shorter than a second is not replaced at once.
    testbed::pause(Duration::from_secs(1));
    processes::signal(supervisor.forwarder(), Signal::KILL);
    supervisor.wait_for_line("Another log forwarder goes on");
    site.app.deploy("print after all\nnotify");
    assert_eq!(site.ask(&["reload"]).status, 0);
    follower.hear("after all");
    let _ = supervisor.stop();
    let outcome = follower.end();
    assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
    assert_is_the_log(&outcome.out, &supervisor);
}

#[test]
fn a_supervisor_that_is_killed_is_the_end() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let follower = Follower::start(&site, &[]);
    supervisor.signal(Signal::KILL);
    let _ = supervisor.wait();
    assert_eq!(follower.end().status, 0);
}

/// How many lines it says it has left out.
fn left_out(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once("Lines left out here: ")?;
    rest.split_once(' ')?.0.parse().ok()
}

#[test]
fn a_reader_that_is_stuck_holds_up_nobody_and_hears_what_it_missed() {
    const LINES: usize = 100_000;
    let site = Site::new("notify");
    let supervisor = site.start("site");
    supervisor.wait_for_line("is ready");
    // It reads one line, and then nothing till all is over.
    let mut stuck = Follower::start(&site, &[EVERYTHING]);
    site.app.deploy(&format!("print-lines {LINES}\nnotify"));
    assert_eq!(site.ask(&["reload"]).status, 0);
    supervisor.wait_for_line("Reload done: generation 2 serves");
    let log = supervisor.log().lines();
    let numbers = log.iter().filter(|line| line.text.contains("] line "));
    assert_eq!(numbers.count(), LINES);

    let (mut got, mut missed, mut last) = (1, 0, String::new());
    while !last.contains("Reload done: generation 2 serves") {
        last.clear();
        stuck.out.read_line(&mut last).unwrap();
        match left_out(&last) {
            Some(lines) => missed += lines,
            None => got += 1,
        }
    }
    assert!(missed > 0, "it was not stuck");
    let told = log.iter().position(|line| last.contains(&line.text));
    assert_eq!(got + missed, told.unwrap() + 1);
    stuck.break_off();
}

#[test]
fn when_nobody_reads_what_is_printed_it_ends() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let Follower { verb, out, .. } = Follower::start(&site, &[]);
    drop(out);
    supervisor.hup();
    let outcome = super::end(verb);
    assert_eq!((outcome.status, outcome.err.as_str()), (0, ""));
}

#[test]
fn no_more_than_sixteen_at_once() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    supervisor.wait_for_line("is ready");
    let mut followers: Vec<_> = (0..16).map(|_| Follower::start(&site, &[])).collect();
    let more = site.ask(&["logs"]);
    assert_eq!((more.status, more.out.as_str()), (1, ""));
    assert_eq!(
        more.err,
        "site: 16 read the log at once already: let one of them end first\n"
    );
    assert_eq!(site.ask(&["status"]).status, 0);
    followers.pop().unwrap().break_off();
    until("its place is free", || site.ask(&["logs"]).status == 0);
    followers.into_iter().for_each(Follower::break_off);
}

#[test]
fn where_nobody_runs_it_ends_with_3() {
    let site = Site::new("notify");
    assert_eq!(site.ask(&["logs"]).status, 3);
    let _supervisor = site.start("site");
    assert_eq!(site.ask(&["logs", "-f", "other"]).status, 3);
}

#[test]
fn json_stays_json() {
    let site = Site::new("print hello\nnotify");
    let supervisor = site.setup("site").flag("-log-format=json").start();
    supervisor.wait_for_line("is ready");
    let all = site.ask(&["logs", EVERYTHING]);
    assert_is_the_log(&all.out, &supervisor);
    let lines: Vec<Value> = all
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().any(|line| line["line"] == "hello"));
    // HTTP/1.0 ends the answer with the connection.
    let mut client = UnixStream::connect(control(&site, &supervisor)).unwrap();
    client
        .write_all(b"GET /v1/logs?lines=1 HTTP/1.0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 ") && head.contains("\r\ncontent-type: application/x-ndjson\r\n"));
    assert_eq!(
        body.lines().collect::<Vec<_>>(),
        all.out.lines().last().as_slice()
    );
}

fn control(site: &Site, supervisor: &Supervisor) -> PathBuf {
    let directory = format!("socketmaster.{}", supervisor.pid());
    site.directory().join(directory).join("control")
}

#[test]
fn over_tcp_nobody_reads_it() {
    let site = Site::new("notify");
    let port = free_port();
    let supervisor = site
        .setup("site")
        .flag(format!("-metrics=tcp://127.0.0.1:{port}"))
        .start();
    supervisor.wait_for_line("is ready");
    let tcp = Address::Tcp(([127, 0, 0, 1], port).into());
    assert_eq!(get(&tcp, "/v1/status").unwrap().status, 200);
    assert_eq!(get(&tcp, "/v1/logs").unwrap().status, 403);
    let wrong = get(
        &Address::Unix(control(&site, &supervisor)),
        "/v1/logs?lines=x",
    )
    .unwrap();
    assert_eq!(wrong.status, 400);
}

#[test]
fn a_log_that_is_stuck_is_said_to_be() {
    let site = Site::new("notify\nafter 0 flood");
    let (reader, writer) = pipe().unwrap();
    let address = format!("unix://{}", site.app.path("socket").display());
    let setup = site.setup("site").listen(address).stderr(writer);
    let mut supervisor = setup.flag("-kill-timeout=1s").start();
    // The forwarder makes it 1 MiB.
    until("the pipe is full", || {
        rustix::io::ioctl_fionread(&reader).unwrap() > 900_000
    });
    let stuck = site.ask(&["logs"]);
    assert_eq!(stuck.status, 1, "{stuck:?}");
    assert!(stuck.err.contains("takes nothing"), "{}", stuck.err);
    let _ = supervisor.stop();
}

/// The log goes nowhere, and so as fast as the app can write.
#[test]
fn a_reload_is_not_held_up_by_a_flood_that_somebody_reads() {
    let site = Site::new("after 0 flood\nnotify");
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    let address = format!("unix://{}", site.app.path("socket").display());
    let setup = site.setup("site").listen(address).stderr(nowhere);
    let mut supervisor = setup.start();
    until("it is ready", || site.ask(&["status"]).status == 0);
    let follower = Follower::start(&site, &[]);
    let lines = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&lines);
    let reading = thread::spawn(move || {
        for line in follower.out.lines() {
            line.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
        }
        super::end(follower.verb).status
    });
    until("it is a flood", || lines.load(Ordering::Relaxed) > 100_000);
    for n in 1..=5 {
        let begin = testbed::now();
        assert_eq!(site.ask(&["reload"]).status, 0);
        let took = begin.elapsed();
        eprintln!("reload {n} while a flood is followed: {took:?}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    let _ = supervisor.stop();
    assert_eq!(reading.join().unwrap(), 0);
}
