//! The file of the recommended unit: changed, wrong, and mended again, with `systemctl` alone.

use std::{fs, thread};

use crate::machine::{Machine, is_alive, until};
use crate::recommended::{self, UNIT, configure, listening};

const PACKAGE: &str = include_str!("../../../../packaging/debian/README.md");

/// The unit with its first generation, and the pid of that.
fn start() -> Option<(Machine, String)> {
    let machine = Machine::start()?;
    recommended::install(&machine);
    machine.order(&["start", UNIT]);
    let first = machine.ask().expect("an answer, as the unit is active");
    Some((machine, first))
}

/// A reload that fails and leaves this process in its place; what `systemctl status` says then.
#[track_caller]
fn fails(machine: &Machine, serving: &str) -> String {
    let reload = machine.systemctl(&["reload", UNIT]);
    assert_eq!(reload.status.code(), Some(1), "{reload:?}");
    assert_eq!(machine.ask().as_deref(), Some(serving));
    machine.wait_for(UNIT, "StatusText", |text| text.starts_with("Reload failed"));
    let text = machine.systemctl(&["status", UNIT]);
    assert_eq!(text.status.code(), Some(0));
    String::from_utf8(text.stdout).unwrap()
}

#[test]
fn a_reload_waits_for_what_the_changed_file_asks_for() {
    let Some((machine, first)) = start() else {
        return;
    };
    let main = machine.show(UNIT, "MainPID");
    let late = "command = '/run/test/apps/late'\nenvironment = { MODE = 'late' }";
    configure(&machine, &listening(&machine, late));
    thread::scope(|scope| {
        let reload = scope.spawn(|| machine.systemctl(&["reload", UNIT]));
        machine.wait_for(UNIT, "StatusText", |text| text.starts_with("Reloading"));
        assert!(!reload.is_finished());
        assert_eq!(machine.ask().as_ref(), Some(&first));
        fs::write(machine.path("start"), "").unwrap();
        let reload = reload.join().unwrap();
        assert!(reload.status.success(), "{reload:?}\n{}", machine.log());
    });
    // The old one may still have accepted a connection of those.
    until(|| (!is_alive(&first)).then_some(())).expect("the old one ends");
    let second = machine.ask().expect("an answer");
    let environment = fs::read(format!("/proc/{second}/environ")).unwrap();
    let mode = b"MODE=late\0";
    assert!(environment.windows(mode.len()).any(|part| part == mode));
    assert_eq!(machine.show(UNIT, "MainPID"), main);
    machine.order(&["stop", UNIT]);
    machine.finish();
}

#[test]
fn a_wrong_file_and_a_wrong_version_fail_the_reload_and_the_status_says_why() {
    let Some((machine, first)) = start() else {
        return;
    };
    let fine = "command = '/run/test/apps/good'";
    configure(
        &machine,
        &listening(&machine, &format!("{fine}\nwrokers = 2")),
    );
    let status = fails(&machine, &first);
    let mistake = "web.toml:3:1: unknown key \"wrokers\" (did you mean workers?)";
    assert!(status.contains(mistake), "{status}");

    configure(
        &machine,
        &listening(&machine, "command = '/run/test/apps/broken'"),
    );
    let status = fails(&machine, &first);
    let reason = "it exited with status 3 before it was ready";
    assert!(status.contains(reason), "{status}");

    configure(&machine, &listening(&machine, fine));
    machine.order(&["reload", UNIT]);
    until(|| (!is_alive(&first)).then_some(())).expect("the old one ends");
    assert!(machine.ask().is_some());
    machine.order(&["stop", UNIT]);
    machine.finish();
}

#[test]
fn a_start_with_a_wrong_file_fails_once_and_says_why() {
    let Some(machine) = Machine::start() else {
        return;
    };
    recommended::install(&machine);
    configure(
        &machine,
        "command = '/run/test/current'\nlissten = 'tcp://:80'\n",
    );
    let start = machine.systemctl(&["start", UNIT]);
    assert_eq!(start.status.code(), Some(1), "{start:?}");
    machine.wait_for(UNIT, "ActiveState", |state| state == "failed");
    assert_eq!(machine.show(UNIT, "ExecMainStatus"), "2");
    assert_eq!(machine.show(UNIT, "NRestarts"), "0");
    let mistake = "web.toml:2:1: unknown key \"lissten\" (did you mean listen?)";
    assert!(machine.log().contains(mistake), "{}", machine.log());
    machine.finish();
}

#[test]
fn the_verbs_find_it_by_the_name_of_the_instance_and_a_stop_leaves_nothing() {
    let Some((machine, first)) = start() else {
        return;
    };
    let main = machine.show(UNIT, "MainPID");
    let status = machine.run(&["/run/test/socketmaster", "status", "web"]);
    assert!(status.status.success(), "{status:?}");
    assert!(String::from_utf8_lossy(&status.stdout).contains(&first));

    let directory = format!("/run/user-manager/socketmaster-web/socketmaster.{main}");
    let is_there = || machine.run(&["test", "-e", &directory]).status.success();
    assert!(is_there());
    machine.order(&["stop", UNIT]);
    assert_eq!(machine.show(UNIT, "Result"), "success");
    assert!(!is_alive(&main) && !is_alive(&first) && !is_there());
    assert!(machine.request("/").is_none(), "nobody listens");
    machine.finish();
}

#[test]
fn the_unit_has_a_place_for_unix_sockets() {
    let Some((machine, _)) = start() else {
        return;
    };
    let place = "/run/user-manager/socketmaster-web/app.sock";
    let port = machine.address.port();
    let listen = format!("listen = ['tcp://:{port}', 'unix://{place}']");
    configure(
        &machine,
        &format!("{listen}\ncommand = '/run/test/current'\n"),
    );
    machine.order(&["reload", UNIT]);
    let is_there = || machine.run(&["test", "-S", place]).status.success();
    assert!(is_there());
    machine.order(&["stop", UNIT]);
    assert!(!is_there());
    machine.finish();
}

/// The commands that packaging/debian/README.md has for the postinst.
fn postinst() -> String {
    let lines = PACKAGE
        .lines()
        .filter_map(|line| line.strip_prefix("      "));
    let lines: Vec<_> = lines.collect();
    let text = lines.join("\n").replace("systemctl ", "systemctl --user ");
    assert!(text.contains("systemctl"));
    text.replace("socketmaster upgrade", "/run/test/socketmaster upgrade")
}

#[test]
fn a_new_version_of_the_package_upgrades_what_runs_in_place() {
    let Some((machine, first)) = start() else {
        return;
    };
    let main = machine.show(UNIT, "MainPID");
    // What stands goes on, whatever the file says by then.
    configure(&machine, "wrokers = 2");
    machine.replace_program();
    let done = machine.run(&["sh", "-ec", &postinst()]);
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
    until(|| machine.log().contains("Upgraded to version").then_some(())).expect("an upgrade");
    assert_eq!(machine.show(UNIT, "MainPID"), main);
    assert_eq!(machine.show(UNIT, "ActiveState"), "active");
    assert_eq!(machine.ask().as_ref(), Some(&first));

    // One that does not work changes nothing, and the package is installed for all that.
    machine.put("/bin/false", "socketmaster");
    let done = machine.run(&["sh", "-ec", &postinst()]);
    assert!(done.status.success() && !done.stderr.is_empty(), "{done:?}");
    assert_eq!(machine.show(UNIT, "MainPID"), main);
    assert_eq!(machine.ask(), Some(first));
    machine.order(&["stop", UNIT]);
    machine.finish();
}
