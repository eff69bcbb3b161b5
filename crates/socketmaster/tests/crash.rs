//! Workers that end by themselves: what is started again, when, and with which status the service ends.

use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{
    App, PATIENCE, Setup, Supervisor, get, now, pause, poll, processes, setup, shell_status, until,
};

const MS: Duration = Duration::from_millis(1);

/// Its first generation is ready.
fn serving(app: &App, flags: &[&str]) -> Supervisor {
    let setup = flags.iter().fold(setup!().app(app), Setup::flag);
    let supervisor = setup.start();
    supervisor.wait_until_serving();
    supervisor
}

fn kill(pid: i32) {
    processes::signal(pid, Signal::KILL);
}

/// D10: the socket lives on, so that who comes in between waits for the next worker.
#[test]
fn a_killed_worker_is_replaced_and_connections_made_meanwhile_are_answered() {
    let app = App::new("version one\nnotify");
    let supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    app.deploy("version two\nsleep 500\nnotify");
    kill(old);
    until("the worker is gone", || !processes::is_alive(old));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let address = supervisor.address().clone();
            thread::spawn(move || get(&address, "/"))
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap().version(), "two");
    }
    supervisor.wait_for_line(&format!("{old} signal: killed"));
    supervisor.wait_for_line("Restarting generation 1 at once");
    let generation = supervisor.get("/").member("generation");
    assert_eq!(generation, "1", "a restart is no new generation");
}

/// F37
#[test]
fn a_crash_loop_is_slowed_down_and_a_good_deploy_ends_it() {
    let app = App::new("version one\nnotify\nafter 20 exit 3");
    let supervisor = setup!().app(&app).start();
    let starts: Vec<_> = (1..=5)
        .map(|n| supervisor.wait_for_nth_line("Starting ", n).at)
        .collect();
    // The first again at once, then after 100, 200 and 400 ms, each less 25 % at most.
    for (n, least) in [(2, 75), (3, 150), (4, 300)] {
        let waited = starts[n] - starts[n - 1];
        assert!(waited >= least * MS, "start {n}: {waited:?}");
    }
    app.deploy("version two\nnotify");
    supervisor.hup();
    let good = || Some(supervisor.get("/")).filter(|answer| answer.member("generation") == "2");
    let good = poll(PATIENCE, good).expect("generation 2").pid();
    until("only the good one is there", || {
        supervisor.workers() == [good]
    });
    pause(1000 * MS);
    assert_eq!(supervisor.workers(), [good]);
}

/// A client that comes while the next start is still to wait for is not refused.
#[test]
fn in_a_crash_loop_nobody_is_refused() {
    let app = App::new("version one\nnotify\nafter 20 exit 3");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_nth_line("Restarting generation 1", 4);
    app.deploy("version two\nnotify");
    assert_eq!(supervisor.get("/").version(), "two");
}

#[test]
fn an_app_that_exits_with_0_by_itself_ends_the_service_with_0() {
    let app = App::new("notify\nafter 100 exit 0");
    let mut supervisor = setup!().app(&app).start();
    assert_eq!(supervisor.wait().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn with_restart_always_it_is_started_again() {
    let app = App::new("version one\nnotify\nafter 500 exit 0");
    let supervisor = setup!().flag("-restart=always").app(&app).start();
    supervisor.wait_until_serving();
    app.deploy("version two\nnotify");
    supervisor.wait_for_line("Restarting generation 1 at once");
    supervisor.wait_for_version("two");
}

/// F41, D5
#[test]
fn with_restart_never_the_service_ends_with_the_status_of_the_app() {
    let app = App::new("notify\nafter 100 exit 7");
    let mut supervisor = setup!().flag("-restart=never").app(&app).start();
    assert_eq!(supervisor.wait().code(), Some(7));

    let app = App::new("notify");
    let mut supervisor = serving(&app, &["-restart=never"]);
    kill(supervisor.workers()[0]);
    assert_eq!(supervisor.wait().code(), Some(137));
}

/// F41, F21: a service that never came up says with which status, and is not tried again.
#[test]
fn a_first_generation_that_never_gets_ready_ends_the_service_with_its_status() {
    for (script, status) in [
        ("exit 3", 3),
        ("exit 0", 0),
        ("abort", 134),
        ("after 50 exit 9", 9),
    ] {
        let app = App::new(script);
        let mut supervisor = setup!().app(&app).start();
        let ended = shell_status(supervisor.wait());
        assert_eq!(ended, status, "{script}");
        assert_eq!(supervisor.log().count("Starting "), 1);
        assert_eq!(supervisor.processes(), []);
    }
    let app = App::new("hang");
    let mut supervisor = setup!().flag("-ready-timeout=300ms").app(&app).start();
    assert_eq!(supervisor.wait().code(), Some(137));
    assert_eq!(supervisor.processes(), []);
}

/// F33, D12
#[test]
fn the_last_lines_of_a_dying_app_are_in_the_log() {
    let app = App::new("print-lines 20000\nprint-bytes 100\nexit 3");
    let mut supervisor = setup!().app(&app).start();
    assert_eq!(supervisor.wait().code(), Some(3));
    assert_eq!(supervisor.log().count("] line "), 20_000);
    // The last one has no end.
    assert_eq!(supervisor.log().count(&format!("] {}", "x".repeat(100))), 1);
}

#[test]
fn an_older_worker_that_drains_is_not_touched_by_a_crash() {
    let app = App::new("version one");
    let supervisor = serving(&app, &["-settle=50ms"]);
    let old = supervisor.get("/").pid();
    let in_flight = supervisor.get_slowly(1500);
    app.deploy("version two\nnotify");
    supervisor.hup();
    supervisor.wait_for_line(&format!("[{old}] got SIGTERM"));
    kill(supervisor.wait_for_version("two").pid());
    supervisor.wait_for_line("Restarting generation 2 at once");
    assert_eq!(supervisor.get("/").version(), "two");
    assert!(!in_flight.is_finished());
    assert_eq!(in_flight.join().unwrap().unwrap().pid(), old);
    until("the old one has left", || supervisor.workers().len() == 1);
}

/// The serving one dies while the next generation boots: it is started again, and the reload goes on.
#[test]
fn a_crash_during_a_reload_is_repaired_without_waiting_for_it() {
    let app = App::new("version one\nnotify");
    let supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    app.deploy("version two\nprint up\nsleep 3000\nnotify");
    supervisor.hup();
    supervisor.wait_for_line("] up");
    app.deploy("version one again\nnotify");
    let killed = now();
    kill(old);
    assert_eq!(supervisor.get("/").version(), "one again");
    assert!(killed.elapsed() < 2500 * MS, "{:?}", killed.elapsed());
    supervisor.wait_for_version("two");
    until("one worker is left", || supervisor.workers().len() == 1);
}

/// F9, F33: what a dead worker leaves behind neither keeps the service from going on nor becomes a zombie.
#[test]
fn grandchildren_of_a_dead_worker_are_reaped() {
    let app = App::new("version one\ngrandchild 1000\nnotify");
    let supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    let grandchild = processes::children(old)[0];
    app.deploy("version two\nnotify");
    kill(old);
    supervisor.wait_for_version("two");
    until("the grandchild is gone", || {
        processes::status(grandchild, "State").is_none()
    });
    until("no zombies", || {
        processes::zombies(supervisor.pid()).is_empty()
    });
}
