//! The death of the supervisor by SIGKILL: what lives on, what ends, and what the next supervisor finds.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use rustix::process::Signal;
use testbed::{Address, App, Supervisor, get, processes, setup, until};

/// Kills it and waits until its port has lost it; its log goes on being read.
fn kill(supervisor: &mut Supervisor) {
    supervisor.signal(Signal::KILL);
    until("it is dead", || supervisor.ended().is_some());
}

/// F11, D11: the app writes all the time, and more than any pipe holds.
#[test]
fn workers_serve_on_and_their_lines_still_arrive() {
    let app = App::new("version 1\nafter 0 flood");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    let forwarder = supervisor.forwarder();
    kill(&mut supervisor);
    let written = processes::written(worker);
    let lines = supervisor.log().lines().len();
    until("it writes on", || {
        processes::written(worker) > written + 2_000_000
    });
    until("its lines arrive", || {
        supervisor.log().lines().len() > lines + 1000
    });
    assert_eq!(supervisor.get("/").pid(), worker);
    assert!(processes::is_alive(forwarder));
    // And when it has ended, nothing is left.
    processes::signal(worker, Signal::TERM);
    until("all are gone", || supervisor.processes().is_empty());
    let text = supervisor.log().lines().pop().unwrap().text;
    assert!(text.contains(&format!("[{worker}] ")), "{text}");
}

#[test]
fn a_request_in_flight_is_answered() {
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let address = supervisor.address().clone();
    let request = std::thread::spawn(move || get(&address, "/?ms=1000").unwrap().version());
    testbed::pause(std::time::Duration::from_millis(200));
    kill(&mut supervisor);
    assert_eq!(request.join().unwrap(), "1");
}

/// F12: whoever the worker runs as.
#[test]
fn with_orphans_kill_the_worker_is_told_to_stop() {
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).flag("-orphans=kill").start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    kill(&mut supervisor);
    supervisor.wait_for_line(&format!("[{worker}] got SIGTERM"));
    until("all are gone", || supervisor.processes().is_empty());
    assert!(get(supervisor.address(), "/").is_err());
    if testbed::is_root() {
        let setup = setup!().command("/bin/sleep", &["1000"]).flag("-start=0");
        let setup = setup.flag("-orphans=kill").flag("-user=nobody");
        let mut supervisor = setup.start();
        supervisor.wait_for_line("is ready");
        kill(&mut supervisor);
        until("all are gone", || supervisor.processes().is_empty());
    }
}

/// An upgrade is no death, and the new program is still the parent whose death counts.
#[test]
fn with_orphans_kill_an_upgrade_kills_nobody() {
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).flag("-orphans=kill").start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    supervisor.upgrade();
    supervisor.upgrade();
    assert_eq!(supervisor.get("/").pid(), worker);
    kill(&mut supervisor);
    until("all are gone", || supervisor.processes().is_empty());
}

/// F11: the way out is in the error.
#[test]
fn the_next_supervisor_names_the_orphan_that_holds_the_port() {
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    kill(&mut supervisor);
    let Address::Tcp(address) = supervisor.address() else {
        panic!()
    };
    let uri = format!("tcp://{address}");
    let mut next = setup!().app(&app).listen(&uri).spawn();
    assert_eq!(next.wait().code(), Some(1));
    let text = next.log().text();
    assert!(
        text.contains(&format!("Unable to open socket {uri}")),
        "{text}"
    );
    // The command is cut, because it may be long.
    let command = &testbed::fixture().display().to_string()[..30];
    assert!(
        text.contains(&format!("held by pid {worker} ({command}")),
        "{text}"
    );
    assert!(!text.contains("Starting"), "{text}");
    assert!(next.processes().is_empty());
    // With the orphan gone, it starts.
    processes::signal(worker, Signal::TERM);
    until("the port is free", || supervisor.processes().is_empty());
    let next = setup!().app(&app).listen(&uri).start();
    next.wait_for_line("is ready");
}

/// A unix socket too: the file is there, and somebody answers.
#[test]
fn the_next_supervisor_names_the_orphan_that_holds_the_unix_socket() {
    let app = App::new("version 1");
    let uri = format!("unix://{}", app.path("socket").display());
    let mut supervisor = setup!().app(&app).listen(&uri).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    kill(&mut supervisor);
    let mut next = setup!().app(&app).listen(&uri).spawn();
    assert_eq!(next.wait().code(), Some(1));
    let text = next.log().text();
    assert!(text.contains(&format!("pid {worker} (")), "{text}");
    assert_eq!(supervisor.get("/").pid(), worker);
    // Nobody answers any more: the stale file is replaced.
    processes::signal(worker, Signal::TERM);
    until("it is gone", || supervisor.processes().is_empty());
    assert!(app.path("socket").exists());
    let next = setup!().app(&app).listen(&uri).start();
    next.wait_for_line("is ready");
    assert_ne!(next.get("/").pid(), worker);
}

/// In a place of its own, so that no other supervisor sweeps it first.
#[test]
fn the_next_supervisor_sweeps_the_run_directory_that_was_left() {
    let app = App::new("version 1");
    let place = app.path("run");
    std::fs::create_dir(&place).unwrap();
    let start = || {
        let setup = setup!().app(&app).variable("RUNTIME_DIRECTORY", &place);
        let supervisor = setup.start();
        supervisor.wait_for_line("is ready");
        supervisor
    };
    let of = |pid: i32| place.join(format!("socketmaster.{pid}"));
    let mut killed = start();
    let living = start();
    kill(&mut killed);
    assert!(of(killed.pid()).exists() && of(living.pid()).exists());
    let mut next = start();
    assert!(!of(killed.pid()).exists());
    assert!(of(living.pid()).exists() && of(next.pid()).exists());
    // A live one keeps its own through an upgrade, and removes it at its end.
    next.upgrade();
    let _another = start();
    assert!(of(next.pid()).exists());
    assert!(next.stop().success());
    assert!(!of(next.pid()).exists());
}

/// Many that are killed at any moment leave nothing behind but what serves.
#[test]
fn killed_while_it_starts_it_leaves_no_launcher_behind() {
    for millis in 0..15 {
        let app = App::new("exit 0");
        let mut supervisor = setup!().app(&app).start();
        testbed::pause(std::time::Duration::from_millis(millis));
        supervisor.signal(Signal::KILL);
        until("nothing is left", || {
            supervisor.ended().is_some() && supervisor.processes().is_empty()
        });
    }
}
