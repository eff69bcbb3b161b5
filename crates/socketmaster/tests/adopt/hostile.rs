//! Calls with all that is wrong, calls by the thousand, and calls whose caller dies: each gets what the kernel would say,
//! and nobody hangs.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use testbed::{App, Load, free_port, processes, until};

use crate::awkward;
use crate::service::{leaves_nothing, reload, serve, tcp};

/// What came of the calls.
fn told(path: &Path) -> String {
    let whole = || {
        fs::read_to_string(path)
            .ok()
            .filter(|text| text.ends_with("end\n"))
    };
    until("the calls have been made", || whole().is_some());
    let text = whole().unwrap();
    fs::remove_file(path).unwrap();
    assert!(text.lines().count() > 9000);
    text
}

/// The first line that differs says more than nine thousand.
fn same(native: &str, here: &str) {
    for (native, here) in native.lines().zip(here.lines()) {
        assert_eq!(native, here, "without us, and behind us");
    }
    assert_eq!(native.lines().count(), here.lines().count());
}

#[test]
fn what_is_wrong_fails_as_it_would_without_us() {
    let port = free_port();
    let app = App::new("");
    // Before it binds for itself, and after.
    let [before, after] = ["before", "after"].map(|name| app.path(name));
    let hostile = |path: &Path| format!("hostile:{port}:{}", path.display());
    let (first, last) = (hostile(&before), hostile(&after));
    app.deploy(&format!("{first} tcp:127.0.0.1:{port} {last}"));
    let mut native = Command::new(awkward::program())
        .arg(app.script())
        .spawn()
        .unwrap();
    let (native_before, native_after) = (told(&before), told(&after));
    processes::signal(native.id().cast_signed(), Signal::TERM);
    assert!(native.wait().unwrap().success());
    let mut supervisor = serve(awkward::setup(&app), &[tcp(port)]);
    same(&native_before, &told(&before));
    same(&native_after, &told(&after));
    supervisor.hup();
    same(&native_before, &told(&before));
    same(&native_after, &told(&after));
    supervisor.wait_for_line("Reload done");
    leaves_nothing(&mut supervisor);
}

/// Four threads bind over and over while the process is killed: a caller that is gone gets no answer, others do.
#[test]
fn a_storm_of_calls_under_kill() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port} storm"));
    let mut supervisor = serve(awkward::setup(&app), &[tcp(port)]);
    let load = Load::start(supervisor.address(), 2, "/");
    for n in 1..=5 {
        supervisor
            .workers()
            .into_iter()
            .for_each(|pid| processes::signal(pid, Signal::KILL));
        supervisor.wait_for_nth_line("Restarting generation", n);
        supervisor.get("/");
        reload(&supervisor);
    }
    let report = load.stop();
    // Each kill costs each client one answer at most.
    assert!(report.failed <= 2 * 5, "{report:?}");
    assert!(report.ok > 0, "{report:?}");
    leaves_nothing(&mut supervisor);
}
