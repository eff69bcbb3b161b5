//! Who is meant.

use rustix::process::Signal;

use super::Site;

const GOOD: &str = "notify";

#[test]
fn nobody_runs() {
    let site = Site::new(GOOD);
    for verb in ["reload", "status", "stop", "upgrade"] {
        let outcome = site.ask(&[verb]);
        assert_eq!((outcome.status, outcome.out.as_str()), (3, ""), "{verb}");
        assert!(outcome.err.contains("no instance runs"), "{}", outcome.err);
    }
}

#[test]
fn what_a_killed_supervisor_left_behind_is_nobody() {
    let site = Site::new(GOOD);
    let mut supervisor = site.start("site");
    supervisor.signal(Signal::KILL);
    let _ = supervisor.wait();
    let left = site
        .directory()
        .join(format!("socketmaster.{}", supervisor.pid()));
    assert!(left.join("control").exists());
    assert_eq!(site.ask(&["status", "site"]).status, 3);
}

#[test]
fn without_a_flag_it_is_named_after_the_program() {
    let site = Site::new(GOOD);
    let supervisor = testbed::Setup::exactly(env!("CARGO_BIN_EXE_socketmaster"))
        .variable("RUNTIME_DIRECTORY", site.directory())
        .app(&site.app)
        .start();
    supervisor.wait_until_serving();
    let status = site.ask(&["status", "fixture"]);
    assert_eq!(status.status, 0);
    assert!(status.out.starts_with("fixture: healthy"), "{}", status.out);
}

#[test]
fn a_wrong_name_shows_the_right_ones() {
    let site = Site::new(GOOD);
    let supervisor = site.start("site");
    let reload = site.ask(&["reload", "siet"]);
    assert_eq!((reload.status, reload.out.as_str()), (3, ""));
    assert!(reload.err.contains("did you mean site?"), "{}", reload.err);
    let row = format!("  site  {}  tcp://127.0.0.1:", supervisor.pid());
    assert!(reload.err.contains(&row), "{}", reload.err);
    assert_eq!(supervisor.log().count("Starting"), 1);
}

#[test]
fn of_two_one_must_be_named() {
    let site = Site::new(GOOD);
    let supervisors = [site.start("one"), site.start("two")];
    let reload = site.ask(&["reload"]);
    assert_eq!((reload.status, reload.out.as_str()), (2, ""));
    for word in ["say which, by name", "  one ", "  two "] {
        assert!(reload.err.contains(word), "{}", reload.err);
    }
    assert_eq!(site.ask(&["reload", "two"]).status, 0);
    supervisors[1].wait_for_line("Reload done");
    assert_eq!(supervisors[0].log().count("Starting"), 1);
    // A pid will do, and is all that will if both have the same name.
    let other = site.start("two");
    let reload = site.ask(&["reload", "two"]);
    assert_eq!(reload.status, 2);
    assert!(reload.err.contains("say which, by pid"), "{}", reload.err);
    assert_eq!(site.ask(&["reload", &other.pid().to_string()]).status, 0);
    other.wait_for_line("Reload done");
}
