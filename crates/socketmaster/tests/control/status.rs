//! `socketmaster status`.

use serde_json::Value;
use testbed::until;

use super::{Site, assert_in_order};

#[test]
fn a_healthy_one() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let status = site.ask(&["status"]);
    assert_eq!((status.status, status.err.as_str()), (0, ""));
    let pid = supervisor.get("/").pid().to_string();
    let verdict = format!("site: healthy, generation 1 serves (pid {pid}, ready after ");
    assert!(status.out.starts_with(&verdict), "{}", status.out);
    assert_in_order(
        &status.out,
        &[
            ", 1 listener\n",
            "LISTENER",
            "tcp://127.0.0.1:",
            "0/4096",
            "GENERATION",
            &pid,
            "ready",
            " MB",
            &format!("pid {}", supervisor.pid()),
        ],
    );
}

#[test]
fn degraded_after_a_reload_that_failed_until_the_next() {
    let site = Site::new("notify");
    let _supervisor = site.start("site");
    site.app.deploy("exit 4");
    assert_eq!(site.ask(&["reload"]).status, 1);
    let status = site.ask(&["status", "site"]);
    assert_eq!(status.status, 1);
    assert_in_order(
        &status.out,
        &[
            "site: degraded, generation 1 serves",
            "but the last reload failed",
            "failed, less than 1 s ago: it exited with status 4 before it was ready\n",
        ],
    );
    site.app.deploy("notify");
    assert_eq!(site.ask(&["reload"]).status, 0);
    assert_eq!(site.ask(&["status"]).status, 0);
}

#[test]
fn one_that_has_never_been_ready() {
    let site = Site::new("hang");
    let supervisor = site.setup("site").start();
    supervisor.wait_for_line("Starting");
    until("it can be asked", || site.ask(&["status"]).status == 1);
    let status = site.ask(&["status"]);
    let verdict = "site: starting, no generation has been ready yet\n";
    assert!(status.out.starts_with(verdict), "{}", status.out);
}

#[test]
fn as_json() {
    let site = Site::new("notify");
    let supervisors = [site.start("one"), site.start("two")];
    let status = site.ask(&["status", "--json"]);
    assert_eq!(status.status, 0);
    let all: Vec<Value> = status
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = all.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(all[0]["pid"], supervisors[0].pid());
    assert_eq!(all[0]["workers"][0]["phase"], "ready");
    assert_eq!(all[0]["listeners"][0]["queue_limit"], 4096);
}

#[test]
fn of_several_the_worst_decides() {
    let site = Site::new("notify");
    let _supervisors = [site.start("one"), site.start("two")];
    assert_eq!(site.ask(&["status"]).status, 0);
    site.app.deploy("exit 1");
    assert_eq!(site.ask(&["reload", "one"]).status, 1);
    let status = site.ask(&["status"]);
    assert_eq!(status.status, 1);
    assert_in_order(&status.out, &["one: degraded", "two: healthy"]);
    assert_eq!(site.ask(&["status", "two"]).status, 0);
}

#[test]
fn a_crash_loop_says_how_the_last_one_ended_and_when_the_next_starts() {
    let site = Site::new("version one");
    let supervisor = site.start("site");
    site.app.deploy("version two\nexit 3");
    testbed::processes::signal(supervisor.get("/").pid(), rustix::process::Signal::KILL);
    supervisor.wait_for_nth_line("exit status 3", 5);
    let mut said = String::new();
    until("the next start is told", || {
        let status = site.ask(&["status"]);
        assert_eq!(status.status, 1);
        said = status.out;
        said.contains("  restart        in ")
    });
    assert_in_order(
        &said,
        &[
            "degraded, nobody is ready since generation 1",
            "restart        in ",
            ": exit status 3",
        ],
    );
}
