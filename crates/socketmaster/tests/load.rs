//! The promise under load: a reload a second, a new connection per request, and every request is answered.

use std::env;
use std::time::Duration;

use testbed::{App, Load, now, pause, setup, until};

const CLIENTS: usize = 16;

#[test]
fn no_request_is_lost_while_every_second_brings_a_reload() {
    let reloads = if env::var("CI").is_ok_and(|ci| ci == "true") {
        20
    } else {
        8
    };
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_until_serving();
    let load = Load::start(supervisor.address(), CLIENTS, "/?ms=2");
    for n in 1..=reloads {
        let next = now() + Duration::from_secs(1);
        app.deploy(&format!("version {}", n + 1));
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {} serves", n + 1));
        pause(next.saturating_duration_since(now()));
    }
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(
        report.by_pid.len(),
        reloads + 1,
        "each generation has answered: {report:?}"
    );
    assert!(report.ok > 100 * reloads, "too little to tell: {report:?}");
    until("one worker is left", || supervisor.workers().len() == 1);
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

/// The worker is killed now and then: what it had accepted is lost with it, and nothing else.
#[test]
fn a_crash_costs_only_what_the_worker_had_accepted() {
    let app = App::new("version one\nnotify");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_version("one");
    let load = Load::start(supervisor.address(), CLIENTS, "/?ms=2");
    for n in 1..=3 {
        pause(Duration::from_millis(500));
        testbed::processes::signal(supervisor.get("/").pid(), rustix::process::Signal::KILL);
        supervisor.wait_for_nth_line("Restarting generation 1", n);
        supervisor.get("/");
    }
    let report = load.stop();
    assert!(report.failed <= 3 * CLIENTS, "{report:?}");
    assert!(
        report.errors.iter().all(|error| !error.contains("refused")),
        "{report:?}"
    );
}
