//! Calls with all that is wrong, calls by the thousand, and calls whose caller dies: each gets what the kernel would say,
//! and nobody hangs.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use testbed::{App, Load, free_port, processes, until};

use crate::awkward;
use crate::service::{leaves_nothing, reload, serve, tcp};

#[test]
fn what_is_wrong_fails_as_it_would_without_us() {
    let port = free_port();
    let app = App::new("");
    let path = app.path("calls");
    // Both before it binds for itself and after.
    let words = format!(
        "hostile:{port}:{path} tcp:127.0.0.1:{port} hostile:{port}:{path}.bound",
        path = path.display()
    );
    app.deploy(&words);
    let told = || {
        let parts = [path.clone(), path.with_extension("bound")].map(|path| {
            until("the calls have been made", || {
                fs::read_to_string(&path).is_ok_and(|text| text.ends_with("end\n"))
            });
            let text = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            text
        });
        assert!(parts.iter().all(|part| part.lines().count() > 9000));
        parts
    };
    let mut native = Command::new(awkward::program())
        .arg(app.script())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let expected = told();
    processes::signal(native.id().cast_signed(), Signal::TERM);
    assert!(native.wait().unwrap().success());
    let mut supervisor = serve(awkward::setup(&app), &[tcp(port)]);
    assert!(told() == expected, "the first generation");
    reload(&supervisor);
    assert!(told() == expected, "the second generation");
    supervisor.get("/");
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
