//! `socketmaster reload`: the truth about every reload, to everybody who asks.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;

use rustix::process::Signal;
use testbed::{Address, Setup, free_port, until};

use super::{Site, assert_in_order, end};

const GOOD: &str = "version one\nnotify";

#[test]
fn it_tells_each_step_and_the_verdict() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    site.app.deploy("version two\nnotify");
    let reload = site.ask(&["reload"]);
    assert_eq!((reload.status, reload.err.as_str()), (0, ""));
    let pid = supervisor.wait_for_version("two").pid();
    assert_in_order(
        &reload.out,
        &[
            &format!("site: generation 2 started (pid {pid})\n"),
            "site: generation 2 ready after ",
            "site: generation 1 draining (pid ",
            &format!("site: generation 2 serves (pid {pid}, ready after "),
        ],
    );
    assert!(!reload.out.contains('\x1b'), "{}", reload.out);
}

#[test]
fn what_the_new_one_says_of_itself_is_shown_while_it_starts() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    let gate = site.app.path("gate");
    let text = "says warming up\u{1b}[2J\nwait-for gate\nnotify";
    site.app
        .deploy(&text.replace("gate", gate.to_str().unwrap()));
    let reload = site.begin(&["reload"]);
    until("the status shows it", || {
        let status = site.ask(&["status"]).out;
        let mut lines = status.lines();
        lines.any(|line| line.contains("starting") && line.contains("warming up"))
    });
    std::fs::write(gate, "").unwrap();
    let reload = end(reload);
    assert_eq!(reload.status, 0);
    assert_in_order(
        &reload.out,
        &[
            "site: generation 2 started",
            "site: generation 2 says: warming up\\u{1b}[2J (pid ",
            "site: generation 2 ready after ",
        ],
    );
    drop(supervisor);
}

#[test]
fn one_that_fails_says_why() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    let old = supervisor.get("/").pid();
    site.app.deploy("exit 7");
    let reload = site.ask(&["reload", "site"]);
    assert_eq!(reload.status, 1);
    assert_in_order(
        &reload.err,
        &[
            "site: generation 2 failed: it exited with status 7 before it was ready\n",
            "  generation 1 serves on, nothing has changed\n",
        ],
    );
    assert_eq!(supervisor.get("/").pid(), old);
}

#[test]
fn another_generation_than_expected_begins_nothing() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    let reload = site.ask(&["reload", "-if-generation", "2", "site"]);
    assert_eq!((reload.status, reload.out.as_str()), (5, ""));
    assert!(reload.err.contains("generation 1 serves"), "{}", reload.err);
    assert_eq!(supervisor.log().count("Starting"), 1);
    assert_eq!(site.ask(&["reload", "site", "--if-generation=1"]).status, 0);
}

#[test]
fn one_that_takes_too_long_goes_on_by_itself() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    site.app.deploy("version two\nsleep 1500\nnotify");
    let reload = site.ask(&["reload", "-timeout=300ms"]);
    assert_eq!(reload.status, 4);
    assert!(reload.err.contains("goes on by itself"), "{}", reload.err);
    assert_eq!(supervisor.log().count("Reload done"), 0);
    supervisor.wait_for_version("two");
}

#[test]
fn a_client_that_is_killed_half_way_stops_nothing() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    site.app.deploy("version two\nsleep 500\nnotify");
    let mut reload = site.begin(&["reload"]);
    let mut line = String::new();
    let mut out = BufReader::new(reload.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.contains("generation 2 started"), "{line}");
    reload.kill().unwrap();
    reload.wait().unwrap();
    assert_eq!(supervisor.log().count("Reload done"), 0);
    supervisor.wait_for_version("two");
    supervisor.wait_for_line("Reload done: generation 2 serves");
}

#[test]
fn it_waits_for_the_old_ones_if_asked_to() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    let slow = supervisor.get_slowly(1000);
    let reload = site.ask(&["reload", "-wait-drained", "site"]);
    // The old one has answered before it went, and it went before this ended.
    assert!(slow.is_finished());
    assert_eq!(slow.join().unwrap().unwrap().version(), "one");
    assert_eq!(reload.status, 0);
    assert_in_order(
        &reload.out,
        &[
            "site: generation 2 serves",
            "site: generation 1 gone (exit status 0)\n",
            "site: no older generation is left\n",
        ],
    );
}

#[test]
fn two_who_deploy_at_once_both_hear_the_truth() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    site.app.deploy("version two\nsleep 700\nnotify");
    let mut first = site.begin(&["reload"]);
    let mut line = String::new();
    let mut out = BufReader::new(first.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    // The first one's program has been started; the next start is the second one's.
    until("the new program has read its script", || {
        supervisor.log().count("Starting") == 2
    });
    testbed::pause(std::time::Duration::from_millis(200));
    site.app.deploy("exit 9");
    let second = site.begin(&["reload"]);
    let second = end(second);
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert!(rest.contains("site: generation 2 serves"), "{rest}");
    assert_eq!(second.status, 1);
    assert!(second.out.contains("another reload is under way"));
    assert!(
        second
            .err
            .contains("generation 3 failed: it exited with status 9"),
        "{}",
        second.err
    );
    assert_eq!(supervisor.get("/").version(), "two");
}

#[test]
fn two_who_both_expect_the_same_generation_do_not_both_get_it() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    site.app.deploy("version two\nnotify");
    let args = ["reload", "-if-generation=1"];
    let both = [site.begin(&args), site.begin(&args)];
    let mut statuses = both.map(|verb| end(verb).status);
    statuses.sort_unstable();
    assert_eq!(statuses, [0, 5]);
    assert_eq!(supervisor.log().count("Reload done"), 1);
}

#[test]
fn a_stop_comes_first_and_it_says_so() {
    let site = Site::new(GOOD);
    let mut supervisor = site.start("site");
    site.app.deploy("sleep 5000\nnotify");
    let reload = site.begin(&["reload"]);
    supervisor.wait_for_nth_line("Starting", 2);
    let _ = supervisor.stop();
    let reload = end(reload);
    assert_eq!(reload.status, 1, "{reload:?}");
    assert!(reload.err.contains("a stop came first"), "{}", reload.err);
}

#[test]
fn a_supervisor_that_goes_away_is_noticed() {
    let site = Site::new(GOOD);
    let mut supervisor = site.start("site");
    site.app.deploy("sleep 5000\nnotify");
    let reload = site.begin(&["reload"]);
    supervisor.wait_for_nth_line("Starting", 2);
    supervisor.signal(Signal::KILL);
    let _ = supervisor.wait();
    let reload = end(reload);
    assert_eq!(reload.status, 3, "{reload:?}");
    assert!(reload.err.contains("has ended"), "{}", reload.err);
}

#[test]
fn the_verdict_comes_through_an_upgrade_too() {
    for (script, status) in [("sleep 1000\nnotify", 0), ("sleep 1000\nexit 3", 1)] {
        let site = Site::new(GOOD);
        let supervisor = site.start("site");
        site.app.deploy(script);
        let reload = site.begin(&["reload"]);
        supervisor.wait_for_nth_line("Starting", 2);
        supervisor.upgrade();
        assert_eq!(supervisor.log().count("Reload "), 0);
        let reload = end(reload);
        assert_eq!(reload.status, status, "{reload:?}");
        assert!(reload.out.contains("was upgraded meanwhile"), "{reload:?}");
        let last = if status == 0 {
            &reload.out
        } else {
            &reload.err
        };
        assert!(last.contains("site: generation 2 "), "{reload:?}");
    }
}

/// Of a program that binds for itself: the reload would be silent up to the ready timeout, and so would all that wait.
#[test]
fn a_port_that_the_new_version_leaves_out_is_told_while_it_waits() {
    let site = Site::new("");
    let (old, new) = (free_port(), free_port());
    let script = site.app.path("app.py");
    let listening = |port: u16| {
        let text = format!(
            "import http.server as h\nh.HTTPServer(('127.0.0.1', {port}), h.SimpleHTTPRequestHandler).serve_forever()\n"
        );
        std::fs::write(&script, text).unwrap();
    };
    listening(old);
    let address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], old)));
    let supervisor = Setup::exactly(env!("CARGO_BIN_EXE_socketmaster"))
        .variable("RUNTIME_DIRECTORY", site.directory())
        .flag("-name=site")
        .flag("-ready-timeout=4s")
        .command("python3", &[script.to_str().unwrap()])
        .run(&[address])
        .start();
    supervisor.wait_for_line("Generation 1 is ready");
    listening(new);
    let outcome = site.ask(&["reload"]);
    assert_eq!(outcome.status, 1);
    let waits =
        format!("generation 2 is not ready yet: it has not bound tcp://127.0.0.1:{old} yet");
    let fails = format!("it was not ready within 4000 ms: it has not bound tcp://127.0.0.1:{old}");
    assert_in_order(
        &format!("{}{}", outcome.out, outcome.err),
        &[&waits, &fails],
    );
}
