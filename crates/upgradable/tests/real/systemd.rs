//! The unit that docs/upgradable.md shows, under a systemd that really runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use rustix::process::Signal;
use testbed::{Address, Answer, Machine, PATIENCE, get, poll, processes, until};

use crate::chain::{example, read_all, send};

/// The unit as it is shown, but for the places of things.
fn unit(machine: &Machine) -> String {
    let page = include_str!("../../../../docs/upgradable.md");
    let (_, rest) = page.split_once("```ini\n").unwrap();
    let (shown, _) = rest.split_once("```").unwrap();
    let placed = shown.replace(
        "/opt/app/current/server",
        &format!("/run/test/current/server {}", machine.address),
    );
    assert_ne!(placed, shown);
    placed
}

/// A service that serves, from `releases/1`.
fn start() -> Option<Machine> {
    let machine = Machine::start()?;
    release(&machine, 1);
    machine.install("app.service", &unit(&machine));
    machine.order(&["start", "app"]);
    Some(machine)
}

/// Makes another copy of the server the current release.
fn release(machine: &Machine, number: u32) {
    machine.put(example("upgradable"), &format!("releases/{number}/server"));
    machine.link("current", &format!("releases/{number}"));
}

#[track_caller]
fn ask(machine: &Machine) -> Answer {
    let answer = get(&Address::Tcp(machine.address), "/");
    answer.unwrap_or_else(|error| panic!("{error}\n{}", machine.log()))
}

/// The release that a process runs.
fn release_of(pid: i32) -> String {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    let folder = program.parent().and_then(|folder| folder.file_name());
    folder.unwrap().to_str().unwrap().to_owned()
}

/// Reloads, and waits until another process is the main one.
#[track_caller]
fn reload(machine: &Machine) -> i32 {
    let before = machine.show("app", "MainPID");
    machine.order(&["reload", "app"]);
    let now = machine.wait_for("app", "MainPID", |now| now != before);
    now.parse().unwrap()
}

#[test]
fn a_reload_is_an_upgrade_and_the_unit_follows() {
    let Some(machine) = start() else {
        return;
    };
    let mut before = ask(&machine).pid();
    assert_eq!(machine.show("app", "MainPID"), before.to_string());
    for number in 2..5 {
        release(&machine, number);
        let now = reload(&machine);
        let answer = ask(&machine);
        assert_eq!(
            (answer.pid(), answer.member("version")),
            (now, number.into())
        );
        assert_eq!(release_of(now), number.to_string());
        // The one before goes, and what it leaves by is not the end of the service.
        until("the one before has gone", || !processes::is_alive(before));
        machine.wait_for("app", "ActiveState", |state| state == "active");
        before = now;
    }
    assert_eq!(machine.show("app", "NRestarts"), "0");

    machine.order(&["stop", "app"]);
    assert_eq!(machine.show("app", "ActiveState"), "inactive");
    assert_eq!(machine.show("app", "Result"), "success");
    assert_eq!(machine.show("app", "ExecMainStatus"), "0");
    assert!(TcpStream::connect(machine.address).is_err());
    machine.finish();
}

#[test]
fn a_failed_upgrade_changes_nothing() {
    let Some(machine) = start() else {
        return;
    };
    let first = ask(&machine).pid();
    machine.put("/bin/false", "releases/2/server");
    machine.link("current", "releases/2");
    machine.order(&["reload", "app"]);
    let told = poll(PATIENCE, || {
        machine
            .log()
            .contains("ended before it was ready")
            .then_some(())
    });
    told.unwrap_or_else(|| panic!("{}", machine.log()));
    machine.wait_for("app", "ActiveState", |state| state == "active");
    assert_eq!(ask(&machine).pid(), first);

    release(&machine, 3);
    assert_eq!(ask(&machine).pid(), first);
    let next = reload(&machine);
    assert_eq!(release_of(next), "3");
    assert_eq!(machine.show("app", "NRestarts"), "0");
    machine.order(&["stop", "app"]);
    machine.finish();
}

#[test]
fn one_that_was_upgraded_is_restarted_when_it_crashes() {
    let Some(machine) = start() else {
        return;
    };
    let mut crashed = 0;
    let mut crash = |pid| {
        processes::signal(pid, Signal::KILL);
        crashed += 1;
        crashed.to_string()
    };
    let first = ask(&machine).pid();
    let second = reload(&machine);
    until("the first has gone", || !processes::is_alive(first));
    let times = crash(second);
    machine.wait_for("app", "NRestarts", |is| is == times);
    machine.wait_for("app", "ActiveState", |state| state == "active");
    assert_eq!(ask(&machine).member("version"), 1);

    // As long as the one before lives, systemd has no child that ends.
    let mut open = half_a_request(&machine);
    let first = machine.show("app", "MainPID");
    let times = crash(reload(&machine));
    finish(&mut open, &first);
    machine.wait_for("app", "NRestarts", |is| is == times);
    machine.wait_for("app", "ActiveState", |state| state == "active");
    assert_eq!(ask(&machine).member("version"), 1);
    machine.order(&["stop", "app"]);
    machine.finish();
}

#[test]
fn a_stop_lets_the_one_before_finish_too() {
    let Some(machine) = start() else {
        return;
    };
    let mut open = half_a_request(&machine);
    let first = machine.show("app", "MainPID");
    let second = reload(&machine);
    machine.order(&["stop", "--no-block", "app"]);
    until("the second has gone", || !processes::is_alive(second));
    finish(&mut open, &first);
    machine.wait_for("app", "ActiveState", |state| state == "inactive");
    assert_eq!(machine.show("app", "Result"), "success");
    machine.finish();
}

/// When systemd hears of the second it is a child of the first, which still serves. systemd remembers that, and would
/// kill it right after the stop signal, but for the unit's `ExecStop`.
#[test]
fn a_stop_lets_one_finish_that_was_not_the_child_of_systemd() {
    let Some(machine) = start() else {
        return;
    };
    let mut open = half_a_request(&machine);
    let first = machine.show("app", "MainPID");
    let second = reload(&machine).to_string();
    finish(&mut open, &first);
    let first = first.parse().unwrap();
    until("the first has gone", || !processes::is_alive(first));

    let mut open = half_a_request(&machine);
    machine.order(&["stop", "--no-block", "app"]);
    until("nobody listens", || {
        TcpStream::connect(machine.address).is_err()
    });
    finish(&mut open, &second);
    machine.wait_for("app", "ActiveState", |state| state == "inactive");
    assert_eq!(machine.show("app", "Result"), "success");
    machine.finish();
}

/// `:PORT` in a unit that is allowed no IPv6.
#[test]
fn every_address_is_every_ipv4_address_where_ipv6_is_switched_off() {
    let Some(machine) = Machine::start() else {
        return;
    };
    release(&machine, 1);
    let all = format!(":{}", machine.address.port());
    let unit = unit(&machine).replace(&machine.address.to_string(), &all);
    machine.install(
        "app.service",
        &format!("{unit}RestrictAddressFamilies=AF_INET AF_UNIX\n"),
    );
    machine.order(&["start", "app"]);
    let next = reload(&machine);
    assert_eq!(ask(&machine).pid(), next);
    machine.order(&["stop", "app"]);
    machine.finish();
}

/// A connection of the process that serves, in the middle of its second request.
fn half_a_request(machine: &Machine) -> TcpStream {
    let mut open = TcpStream::connect(machine.address).unwrap();
    open.set_read_timeout(Some(PATIENCE)).unwrap();
    send(&mut open, "/", true).unwrap();
    let _ = open.read(&mut [0; 1024]).unwrap();
    open.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n").unwrap();
    open
}

/// The rest of that request, which this process answers.
#[track_caller]
fn finish(open: &mut TcpStream, pid: &str) {
    open.write_all(b"\r\n").unwrap();
    let answer = read_all(open);
    assert!(answer.contains(&format!("\"pid\":{pid}")), "{answer}");
}
