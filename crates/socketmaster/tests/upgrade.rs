//! USR1 and USR2: the supervisor replaces its own program from any state, and nothing is lost. See `upgrade_program.rs`
//! for what may stand at its path.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Answer, App, Load, Supervisor, get, now, pause, poll, processes, setup, until};

/// A request that takes a while, and that the worker is known to be at.
fn slow_request(supervisor: &Supervisor, millis: u64) -> JoinHandle<Answer> {
    let requests = |answer: &Answer| answer.member("requests").as_u64().unwrap();
    let before = requests(&supervisor.get("/"));
    let address = supervisor.address().clone();
    let request = thread::spawn(move || get(&address, &format!("/?ms={millis}")).unwrap());
    let mut asked = 0;
    until("the slow request is served", || {
        asked += 1;
        requests(&supervisor.get("/")) > before + asked
    });
    request
}

/// F7: neither signal changes a pid, a listener, or the fate of a request.
#[test]
fn both_signals_keep_the_pid_the_worker_the_listener_and_open_requests() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    let forwarder = supervisor.forwarder();
    let socket = fs::read_link(format!("/proc/{worker}/fd/3")).unwrap();
    for (n, signal) in [(1, Signal::USR1), (2, Signal::USR2)] {
        let request = slow_request(&supervisor, 1000);
        supervisor.signal(signal);
        supervisor.wait_for_nth_line("Upgraded to version", n);
        assert_eq!(request.join().unwrap().pid(), worker);
        assert_eq!(supervisor.get("/").pid(), worker);
        assert_eq!(supervisor.forwarder(), forwarder);
        let held = processes::descriptors(supervisor.pid());
        assert!(
            held.iter()
                .any(|(_, what)| *what == socket.to_string_lossy())
        );
    }
    // The pid in each line is that of the process, which is still ours.
    let name = format!("socketmaster[{}]", supervisor.pid());
    assert!(
        supervisor
            .log()
            .lines()
            .iter()
            .all(|line| line.text.starts_with(&name))
    );
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_version("2");
    supervisor.wait_for_line(&format!("{worker} exit status 0"));
}

/// F8: what a worker writes around the exec arrives, in order.
#[test]
fn the_workers_lines_around_the_exec_arrive_in_order() {
    let app = App::new("after 0 print-slowly 1500");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("] line 1");
    let forwarder = supervisor.forwarder();
    for _ in 0..5 {
        supervisor.upgrade();
    }
    supervisor.wait_for_line("] line 1500");
    let lines = supervisor.log().lines();
    let numbers = lines
        .iter()
        .filter_map(|line| line.text.split_once("] line "));
    let numbers: Vec<usize> = numbers.map(|(_, n)| n.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=1500).collect::<Vec<_>>());
    assert_eq!(supervisor.forwarder(), forwarder);
}

/// F7, F31.
#[test]
fn twenty_upgrades_leave_no_descriptor_and_no_zombie_more() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let forwarder = supervisor.forwarder();
    // What it was started with beyond the standard streams goes with the first.
    supervisor.upgrade();
    let open = || [supervisor.pid(), forwarder].map(|pid| processes::descriptors(pid).len());
    let before = open();
    for _ in 0..20 {
        supervisor.upgrade();
    }
    until("as many descriptors as before", || open() == before);
    assert!(processes::zombies(supervisor.pid()).is_empty());
    let held = processes::descriptors(supervisor.pid());
    assert!(
        !held.iter().any(|(_, what)| what.contains("memfd")),
        "{held:?}"
    );
}

/// F29: the state is a secret between the two programs.
#[test]
fn workers_see_nothing_of_an_upgrade() {
    let app = App::new("version 1");
    let dump = app.path("dump");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    supervisor.upgrade();
    app.deploy(&format!("dump {}\nversion 2", dump.display()));
    supervisor.hup();
    supervisor.wait_for_version("2");
    let dump: serde_json::Value = serde_json::from_slice(&fs::read(dump).unwrap()).unwrap();
    let variables = dump["variables"].as_object().unwrap();
    assert!(
        !variables.keys().any(|name| name.contains("HANDOVER")),
        "{variables:?}"
    );
    let numbers: Vec<_> = dump["descriptors"].as_object().unwrap().keys().collect();
    assert_eq!(numbers, ["0", "1", "2", "3"]);
}

#[test]
fn a_start_under_way_goes_on() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    app.deploy("sleep 1500\nversion 2");
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting", 2);
    supervisor.upgrade();
    supervisor.wait_for_version("2");
    supervisor.wait_for_line("Reload done: generation 2");
}

/// The settle time is not counted anew.
#[test]
fn timers_run_on() {
    let app = App::new("version 1\nnotify");
    let supervisor = setup!().app(&app).flag("-settle=4s").start();
    supervisor.wait_for_line("is ready");
    app.deploy("version 2");
    let asked = now();
    supervisor.hup();
    pause(Duration::from_millis(2500));
    supervisor.upgrade();
    let took = supervisor.wait_for_line("Reload done").at - asked;
    assert!(
        took >= Duration::from_secs(4) && took < Duration::from_secs(6),
        "{took:?}"
    );
}

#[test]
fn a_drain_under_way_goes_on_and_keeps_its_limit() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).flag("-drain-timeout=2s").start();
    supervisor.wait_for_line("is ready");
    let request = slow_request(&supervisor, 1200);
    app.deploy("version 2\nignore-term");
    supervisor.hup();
    supervisor.wait_for_line("(generation 1) to stop");
    supervisor.upgrade();
    assert_eq!(request.join().unwrap().version(), "1");
    supervisor.wait_for_line("exit status 0");
    // The second one would never go.
    app.deploy("version 3");
    supervisor.hup();
    let told = supervisor.wait_for_line("(generation 2) to stop").at;
    supervisor.upgrade();
    let took = supervisor.wait_for_line("it did not end in time").at - told;
    assert!(took < Duration::from_secs(4), "{took:?}");
    supervisor.wait_for_version("3");
}

#[test]
fn a_restart_that_waits_comes_in_its_time() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    app.deploy("exit 1");
    processes::signal(worker, Signal::KILL);
    // By then the next one is more than half a second away.
    supervisor.wait_for_nth_line("Restarting generation 1 in", 5);
    let starts = supervisor.log().count("Starting");
    app.deploy("version 2");
    supervisor.upgrade();
    assert_eq!(
        supervisor.log().count("Starting"),
        starts,
        "{}",
        supervisor.log().text()
    );
    supervisor.wait_for_nth_line("Starting", starts + 1);
    supervisor.wait_for_version("2");
}

#[test]
fn two_at_once_are_one() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    for _ in 0..3 {
        supervisor.signal(Signal::USR1);
        supervisor.signal(Signal::USR2);
    }
    supervisor.wait_for_line("Upgraded to version");
    assert_eq!(supervisor.get("/").pid(), worker);
    supervisor.upgrade();
    assert_eq!(supervisor.get("/").pid(), worker);
}

/// F6: each reload that is asked for happens, and no request is lost, whatever the upgrades around it.
#[test]
fn no_reload_is_lost_in_a_storm_of_upgrades() {
    let app = App::new("version 0\nnotify");
    // It is READY=1 that counts, and must not be lost between two programs.
    let supervisor = setup!().app(&app).flag("-settle=60s").start();
    supervisor.wait_for_line("is ready");
    let load = Load::start(supervisor.address(), 2, "/");
    for version in 1..=20 {
        app.deploy(&format!("version {version}\nnotify"));
        let signals = [Signal::USR1, Signal::HUP, Signal::USR2];
        for n in 0..3 {
            supervisor.signal(signals[(version + n) % 3]);
            // Before, in the midst of, and after the preflight, in turn.
            pause(Duration::from_millis((version * 7 % 40) as u64));
        }
        supervisor.wait_for_version(&version.to_string());
    }
    supervisor.wait_for_nth_line("Reload done", 20);
    // And without a pause between them.
    for _ in 0..20 {
        supervisor.signal(Signal::USR1);
        supervisor.hup();
        pause(Duration::from_millis(5));
    }
    app.deploy("version last\nnotify");
    supervisor.hup();
    supervisor.wait_for_version("last");
    let report = load.stop();
    assert_eq!(
        report.failed,
        0,
        "{:?}; the log:\n{}",
        report.errors,
        supervisor.log().text()
    );
    assert!(report.ok > 100, "{}", report.ok);
}

/// F38.
#[test]
fn a_stop_under_way_goes_on() {
    let app = App::new("version 1");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let request = slow_request(&supervisor, 1500);
    supervisor.signal(Signal::TERM);
    supervisor.wait_for_line("(generation 1) to stop");
    supervisor.upgrade();
    assert!(supervisor.ended().is_none());
    assert_eq!(request.join().unwrap().version(), "1");
    assert!(supervisor.wait().success());
    assert!(supervisor.processes().is_empty());
}

/// F4.
#[test]
fn a_stop_that_comes_with_it_is_not_lost() {
    for pending in [[Signal::USR1, Signal::TERM], [Signal::TERM, Signal::USR2]] {
        let app = App::new("version 1");
        let mut supervisor = setup!().app(&app).start();
        supervisor.wait_for_line("is ready");
        supervisor.signal(Signal::STOP);
        until("it is stopped", || {
            processes::status(supervisor.pid(), "State")
                .unwrap()
                .starts_with('T')
        });
        pending.iter().for_each(|signal| supervisor.signal(*signal));
        supervisor.signal(Signal::CONT);
        assert!(supervisor.wait().success());
        assert!(supervisor.processes().is_empty());
    }
}

/// F9: who ends while one program becomes the other is seen by either.
#[test]
fn a_worker_that_dies_at_that_very_moment_is_restarted() {
    let app = App::new("notify");
    let supervisor = setup!().app(&app).start();
    for round in 1..=20_u64 {
        let worker = supervisor.get("/").pid();
        let first = (round % 2 == 0).then(|| processes::signal(worker, Signal::KILL));
        supervisor.signal(Signal::USR1);
        if first.is_none() {
            pause(Duration::from_millis(round));
            processes::signal(worker, Signal::KILL);
        }
        supervisor.wait_for_nth_line("Upgraded to version", usize::try_from(round).unwrap());
        let other = poll(testbed::PATIENCE, || {
            let pid = get(supervisor.address(), "/").ok()?.pid();
            (pid != worker).then_some(pid)
        });
        assert!(
            other.is_some(),
            "round {round}; the log:\n{}",
            supervisor.log().text()
        );
        // A reload forgets the crashes, or the next restart would take ever longer.
        let reloads = supervisor.log().count("Reload done");
        supervisor.hup();
        supervisor.wait_for_nth_line("Reload done", reloads + 1);
    }
    until("no zombies", || {
        processes::zombies(supervisor.pid()).is_empty()
    });
}
