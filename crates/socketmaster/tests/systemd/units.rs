//! The units of `packaging/systemd` under a systemd that really runs.

use crate::machine::{Machine, answer, is_alive, until};
use crate::recommended::{self, UNIT};

const ARTICLE: &str = include_str!("../../../../packaging/systemd/article.service");

/// The unit as it is shipped, but for the places of things.
fn placed(machine: &Machine, unit: &str) -> String {
    let placed = unit
        .replace("/usr/bin/socketmaster", "/run/test/socketmaster")
        .replace("/path/app", "/run/test/current")
        .replace(":7008", &format!(":{}", machine.address.port()));
    assert_ne!(placed, unit);
    placed
}

#[test]
fn the_unit_of_the_article_starts_reloads_shows_its_status_and_stops() {
    let Some(machine) = Machine::start() else {
        return;
    };
    machine.install("article.service", &placed(&machine, ARTICLE));

    machine.order(&["start", "article"]);
    let main = machine.show("article", "MainPID");
    let first = until(|| machine.ask()).expect("an answer");
    let slow = machine.request("/slow").unwrap();

    machine.order(&["reload", "article"]);
    let second =
        until(|| machine.ask().filter(|pid| *pid != first)).expect("an answer of the new worker");
    assert!(is_alive(&first), "the old worker still has a request");
    std::fs::write(machine.path("answer"), "").unwrap();
    assert_eq!(answer(slow).as_ref(), Some(&first));
    until(|| (!is_alive(&first)).then_some(())).expect("the old worker ends");
    assert_eq!(machine.show("article", "MainPID"), main);

    let status = machine.systemctl(&["status", "article"]);
    assert!(status.status.success());
    assert!(String::from_utf8_lossy(&status.stdout).contains("active (running)"));

    machine.order(&["stop", "article"]);
    assert_eq!(machine.show("article", "ActiveState"), "inactive");
    assert_eq!(machine.show("article", "Result"), "success");
    assert_eq!(machine.show("article", "ExecMainStatus"), "0");
    assert!(!is_alive(&main) && !is_alive(&second));
    assert!(machine.request("/").is_none(), "nobody listens");
    // systemd told everybody at once: the worker twice, so that it may also end by the second, and the log forwarder,
    // which nevertheless wrote the last line.
    let log = machine.log();
    let last = log.lines().last().unwrap();
    assert!(
        ["exit status 0", "signal: terminated"]
            .map(|end| format!("{second} {end}"))
            .iter()
            .any(|end| last.ends_with(end)),
        "{log}"
    );
    machine.finish();
}

#[test]
fn active_means_that_the_first_generation_serves() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.deploy("late");
    machine.order(&["start", "--no-block", UNIT]);
    until(|| machine.log().contains("Starting").then_some(())).expect("a start");
    assert_eq!(machine.show(UNIT, "ActiveState"), "activating");
    std::fs::write(machine.path("start"), "").unwrap();
    machine.wait_for(UNIT, "ActiveState", |state| state == "active");
    let pid = machine.ask().expect("an answer, as the unit is active");
    assert_eq!(
        machine.show(UNIT, "StatusText"),
        format!("generation 1 serves, pid {pid}")
    );
    machine.order(&["stop", UNIT]);
    assert_eq!(machine.show(UNIT, "Result"), "success");
    // Told once, by the supervisor alone: a second signal could hit it at a time when it no longer handles one.
    assert!(
        machine.log().contains(&format!("{pid} exit status 0")),
        "{}",
        machine.log()
    );
    machine.finish();
}

#[test]
fn a_first_generation_that_fails_fails_the_start() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.install(
        "socketmaster@.service.d/once.conf",
        "[Service]\nRestart=no\n",
    );
    machine.deploy("broken");
    let output = machine.systemctl(&["start", UNIT]);
    assert_eq!(output.status.code(), Some(1), "{}", machine.log());
    assert_eq!(machine.show(UNIT, "ExecMainStatus"), "3", "that of the app");
    machine.finish();
}

#[test]
fn a_reload_is_reloading_until_it_has_its_verdict_and_fails_where_that_is_a_failure() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.order(&["start", UNIT]);
    let main = machine.show(UNIT, "MainPID");
    let first = machine.ask().unwrap();

    machine.deploy("late");
    machine.order(&["reload", "--no-block", UNIT]);
    let status = machine.wait_for(UNIT, "StatusText", |status| status.starts_with("Reloading"));
    assert_eq!(
        status,
        format!("Reloading: generation 2 is starting; generation 1 serves, pid {first}")
    );
    assert_eq!(machine.show(UNIT, "ActiveState"), "reloading");
    std::fs::write(machine.path("start"), "").unwrap();
    machine.wait_for(UNIT, "ActiveState", |state| state == "active");
    let second = machine.ask().unwrap();
    assert_ne!(second, first);

    machine.deploy("broken");
    let reload = machine.systemctl(&["reload", UNIT]);
    assert_eq!(reload.status.code(), Some(1), "{reload:?}");
    let status = machine.wait_for(UNIT, "StatusText", |status| {
        status.starts_with("Reload failed")
    });
    let reason = "it exited with status 3 before it was ready";
    assert_eq!(
        status,
        format!("Reload failed: generation 3: {reason}; generation 2 serves, pid {second}")
    );
    machine.wait_for(UNIT, "ActiveState", |state| state == "active");
    assert_eq!(machine.ask(), Some(second));

    machine.deploy("good");
    machine.order(&["reload", UNIT]);
    machine.wait_for(UNIT, "StatusText", |status| {
        status.starts_with("generation 4 serves")
    });
    assert_eq!(machine.show(UNIT, "MainPID"), main);
    assert_eq!(machine.show(UNIT, "NRestarts"), "0");
    machine.order(&["stop", UNIT]);
    machine.finish();
}

#[test]
fn an_upgrade_keeps_the_main_pid_and_the_unit_active() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.order(&["start", UNIT]);
    let main = machine.show(UNIT, "MainPID");
    let worker = machine.ask().unwrap();

    machine.replace_program();
    machine.order(&["kill", "--kill-whom=main", "--signal=USR1", UNIT]);
    until(|| machine.log().contains("Upgraded to version").then_some(())).expect("an upgrade");
    assert_eq!(machine.show(UNIT, "ActiveState"), "active");
    assert_eq!(machine.show(UNIT, "MainPID"), main);
    assert_eq!(machine.ask(), Some(worker.clone()));

    machine.order(&["reload", UNIT]);
    machine.wait_for(UNIT, "StatusText", |status| {
        status.starts_with("generation 2 serves")
    });
    assert_ne!(machine.ask(), Some(worker));
    assert_eq!(machine.show(UNIT, "NRestarts"), "0");
    machine.order(&["stop", UNIT]);
    assert_eq!(machine.show(UNIT, "Result"), "success");
    machine.finish();
}

#[test]
fn a_killed_supervisor_is_started_again_on_a_free_port() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.order(&["start", UNIT]);
    let main = machine.show(UNIT, "MainPID");
    let orphan = machine.ask().unwrap();
    machine.order(&["kill", "--kill-whom=main", "--signal=KILL", UNIT]);
    machine.wait_for(UNIT, "NRestarts", |times| times == "1");
    machine.wait_for(UNIT, "ActiveState", |state| state == "active");
    assert_ne!(machine.show(UNIT, "MainPID"), main);
    assert!(!is_alive(&orphan), "systemd leaves no orphan");
    assert!(machine.ask().is_some());
    machine.order(&["stop", UNIT]);
    machine.finish();
}

#[test]
fn a_socket_unit_brings_the_socket_as_fd_3_and_keeps_it_through_a_restart() {
    let Some(machine) = Machine::start() else {
        return;
    };
    let socket = format!(
        "[Socket]\nListenStream=127.0.0.1:{}\n",
        machine.address.port()
    );
    let service = placed(&machine, ARTICLE)
        .replace(&format!("tcp://:{}", machine.address.port()), "fd://3")
        .replace("[Service]", "[Service]\nType=notify");
    machine.install("app.socket", &socket);
    machine.install("app.service", &service);
    machine.order(&["start", "app.socket"]);

    let first = machine
        .ask()
        .expect("the first connection starts the service");
    // systemd merges a reload into a start that is still under way.
    machine.wait_for("app", "ActiveState", |state| state == "active");
    machine.order(&["reload", "app"]);
    machine.wait_for("app", "StatusText", |status| {
        status.starts_with("generation 2 serves")
    });
    let second = machine.ask().unwrap();
    assert_ne!(second, first);

    machine.order(&["restart", "app"]);
    let third = machine.ask().expect("an answer");
    assert_ne!(third, second);
    machine.order(&["stop", "app.socket", "app"]);
    machine.finish();
}

#[test]
fn a_program_that_asks_for_time_while_it_starts_has_it_from_systemd_too() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    machine.deploy("asks");
    machine.install(
        "socketmaster@web.service.d/patience.conf",
        "[Service]\nTimeoutStartSec=3\n",
    );
    machine.order(&["start", UNIT]);
    assert_eq!(machine.show(UNIT, "ActiveState"), "active");
    assert!(machine.ask().is_some());
    machine.order(&["stop", UNIT]);
    machine.finish();
}
