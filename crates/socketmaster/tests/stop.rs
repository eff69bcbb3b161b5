//! Stops: what the workers are told, how long they may take, and with which status all ends.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Address, App, Setup, Supervisor, fixture, now, pause, processes, setup, until};

const MS: Duration = Duration::from_millis(1);

/// Its first generation is ready.
fn serving(setup: Setup) -> Supervisor {
    let supervisor = setup.flag("-settle=50ms").start();
    supervisor.wait_until_serving();
    supervisor
}

#[track_caller]
fn nothing_is_left_of(supervisor: &Supervisor) {
    assert_eq!(supervisor.processes(), []);
    let rundir = format!("socketmaster.{}", supervisor.pid());
    for base in [Path::new("/run"), &std::env::temp_dir()] {
        assert!(
            !base.join(&rundir).exists(),
            "{rundir} is still in {base:?}"
        );
    }
}

#[test]
fn term_int_and_quit_reach_the_worker_as_they_are() {
    for (signal, name) in [
        (Signal::TERM, "SIGTERM"),
        (Signal::INT, "SIGINT"),
        (Signal::QUIT, "SIGQUIT"),
    ] {
        let app = App::new("version one");
        let mut supervisor = serving(setup!().app(&app));
        supervisor.signal(signal);
        assert_eq!(supervisor.wait().code(), Some(0));
        assert_eq!(supervisor.log().count(&format!("] got {name}")), 1);
        nothing_is_left_of(&supervisor);
    }
}

#[test]
fn a_stop_waits_for_requests_in_flight() {
    let app = App::new("version one");
    let mut supervisor = serving(setup!().app(&app));
    let in_flight = supervisor.get_slowly(1000);
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(in_flight.join().unwrap().unwrap().version(), "one");
}

#[test]
fn a_stop_waits_for_older_generations_too() {
    let app = App::new("version one");
    let mut supervisor = serving(setup!().app(&app));
    let in_flight = supervisor.get_slowly(1500);
    app.deploy("version two\nnotify");
    supervisor.hup();
    supervisor.wait_for_version("two");
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(in_flight.join().unwrap().unwrap().version(), "one");
}

/// F38
#[test]
fn a_second_stop_kills() {
    let app = App::new("ignore-term");
    let mut supervisor = serving(setup!().app(&app));
    supervisor.signal(Signal::TERM);
    supervisor.wait_for_line("] got SIGTERM");
    pause(400 * MS);
    assert!(supervisor.ended().is_none());
    assert_eq!(supervisor.stop().code(), Some(137));
    nothing_is_left_of(&supervisor);
}

/// timeout(1) signals its child and then the group that both are in.
#[test]
fn the_same_stop_twice_in_one_moment_is_one() {
    let app = App::new("version one");
    let mut supervisor = serving(setup!().app(&app));
    let in_flight = supervisor.get_slowly(800);
    supervisor.signal(Signal::TERM);
    supervisor.wait_for_line("] got SIGTERM");
    supervisor.signal(Signal::TERM);
    assert_eq!(in_flight.join().unwrap().unwrap().status, 200);
    assert_eq!(supervisor.wait().code(), Some(0));
    assert_eq!(supervisor.log().count("Stopping:"), 1);
}

#[test]
fn the_kill_timeout_kills() {
    let app = App::new("ignore-term");
    let mut supervisor = serving(setup!().flag("-kill-timeout=500ms").app(&app));
    let asked = now();
    assert_eq!(supervisor.stop().code(), Some(137));
    assert!(asked.elapsed() >= 500 * MS);
    assert_eq!(supervisor.log().count("] got SIGTERM"), 1);
    nothing_is_left_of(&supervisor);
}

/// F23
#[test]
fn the_drain_timeout_ends_an_old_generation_with_all_its_processes() {
    let app = App::new("version one\nignore-term\ngrandchild 1000");
    let supervisor = serving(setup!().flag("-drain-timeout=500ms").app(&app));
    let old = supervisor.get("/").pid();
    let grandchild = processes::children(old)[0];
    app.deploy("version two");
    supervisor.hup();
    let told = supervisor.wait_for_line("] got SIGTERM").at;
    let gone = supervisor
        .wait_for_line(&format!("{old} signal: killed"))
        .at;
    // A line may come later than what it tells: a lower bound between two lines needs room.
    assert!(gone - told >= 250 * MS, "{:?}", gone - told);
    until("the grandchild is gone too", || {
        !processes::is_alive(grandchild)
    });
    assert_eq!(supervisor.get("/").version(), "two");
}

#[test]
fn without_a_drain_timeout_an_old_generation_may_take_its_time() {
    let app = App::new("version one\nignore-term");
    let supervisor = serving(setup!().app(&app));
    let old = supervisor.get("/").pid();
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_line("] got SIGTERM");
    pause(1000 * MS);
    assert!(processes::is_alive(old));
}

/// F41: status 0, death by the signal, and 128 + the signal are a clean end; the rest is told of.
#[test]
fn the_exit_status_says_how_the_workers_ended() {
    let manners = [
        ("version one", 0),
        ("plain-signals", 0),
        ("exit-on-term 143", 0),
        ("exit-on-term 7", 7),
        ("exit-on-term 130", 130),
    ];
    for (script, status) in manners {
        let app = App::new(script);
        let mut supervisor = serving(setup!().app(&app));
        assert_eq!(supervisor.stop().code(), Some(status), "{script}");
    }
}

#[test]
fn the_stop_signal_of_a_drain_may_be_another() {
    let app = App::new("version one");
    let supervisor = serving(setup!().flag("-stop-signal=QUIT").app(&app));
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_version("two");
    supervisor.wait_for_line("] got SIGQUIT");
    assert_eq!(supervisor.log().count("] got SIGTERM"), 0);
}

/// F38
#[test]
fn a_stop_while_the_first_generation_starts_leaves_nothing() {
    let app = App::new("print up\nsleep 15000");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("] up");
    let asked = now();
    assert_eq!(supervisor.stop().code(), Some(0));
    assert!(asked.elapsed() < 5000 * MS);
    nothing_is_left_of(&supervisor);
}

#[test]
fn a_stop_at_the_very_first_moment_leaves_nothing() {
    for pause_for in 0..20 {
        let app = App::new("version one");
        let mut supervisor = setup!().app(&app).start();
        pause(pause_for * MS);
        assert_eq!(supervisor.stop().code(), Some(0));
        nothing_is_left_of(&supervisor);
    }
}

/// A stopped process would never hear of it.
#[test]
fn a_worker_that_is_stopped_by_sigstop_is_woken_to_end() {
    let app = App::new("version one");
    let mut supervisor = serving(setup!().app(&app));
    processes::signal(supervisor.workers()[0], Signal::STOP);
    assert_eq!(supervisor.stop().code(), Some(0));
}

#[test]
fn grandchildren_end_with_their_worker() {
    let app = App::new("version one\ngrandchild 1000\ngrandchild 1000");
    let mut supervisor = serving(setup!().app(&app));
    assert_eq!(supervisor.stop().code(), Some(0));
    nothing_is_left_of(&supervisor);
}

/// It is in a session of its own, where no signal for the worker's group reaches it.
#[test]
fn a_grandchild_that_hides_is_killed_by_the_kill_timeout_or_a_second_stop() {
    let app = App::new("version one");
    let script = format!(
        "setsid sleep 1000 & exec {} {}",
        fixture().display(),
        app.script().display()
    );
    let mut supervisor = serving(
        setup!()
            .flag("-kill-timeout=500ms")
            .command("sh", &["-c", &script]),
    );
    assert_eq!(supervisor.stop().code(), Some(0));
    nothing_is_left_of(&supervisor);

    let mut supervisor = serving(setup!().command("sh", &["-c", &script]));
    supervisor.signal(Signal::TERM);
    supervisor.wait_for_line("Waiting for what workers left behind");
    // At once it would be the same request.
    pause(400 * MS);
    assert_eq!(supervisor.stop().code(), Some(0));
    nothing_is_left_of(&supervisor);
}

/// F13
#[test]
fn a_unix_socket_lives_through_reloads_and_is_removed_at_the_end() {
    let app = App::new("version one");
    let path = app.path("socket");
    let mut supervisor = serving(
        setup!()
            .listen(format!("unix://{}", path.display()))
            .app(&app),
    );
    assert_eq!(supervisor.address(), &Address::Unix(path.clone()));
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_version("two");
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(supervisor.stop().code(), Some(0));
    assert!(!path.exists());
    nothing_is_left_of(&supervisor);
}

/// F13, F14: what a killed supervisor left is replaced; what is in use is refused, and stays.
#[test]
fn a_stale_unix_socket_is_replaced_and_a_live_one_is_refused() {
    let app = App::new("version one");
    let path = app.path("socket");
    let uri = format!("unix://{}", path.display());
    drop(serving(setup!().listen(&uri).app(&app)));
    assert!(path.exists(), "it was killed");
    let supervisor = serving(setup!().listen(&uri).app(&app));
    let mut second = setup!().listen(&uri).app(&app).spawn();
    assert_eq!(second.wait().code(), Some(1));
    nothing_is_left_of(&second);
    assert_eq!(supervisor.get("/").version(), "one");
}

/// Many programs take the same signal a second time for impatience, and drop what they have.
#[test]
fn one_that_drains_already_is_not_told_again() {
    let app = App::new("version one");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_until_serving();
    let slow = supervisor.get_slowly(1000);
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    supervisor.signal(Signal::TERM);
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert!(supervisor.wait().success());
    assert_eq!(supervisor.log().count("(generation 1) to stop"), 1);
    assert_eq!(supervisor.log().count("(generation 2) to stop"), 1);
}
