//! A server that opens its own port, in a unit: with ours from the start, or from a plain unit on its way there.

use testbed::{Address, Load};

use crate::machine::{Machine, is_alive, until};
use crate::recommended::{self, UNIT};

const RUN: &str = include_str!("../../../../packaging/systemd/run.service");

/// A machine with the server on it.
fn machine() -> Option<Machine> {
    let machine = Machine::start()?;
    std::fs::write(machine.path("port"), machine.address.port().to_string()).unwrap();
    machine.deploy("native");
    Some(machine)
}

/// The unit as it is shipped, but for the places of things.
fn placed(unit: &str) -> String {
    let placed = unit
        .replace("/usr/bin/socketmaster", "/run/test/socketmaster")
        .replace("/path/server", "/run/test/current");
    assert_ne!(placed, unit);
    placed
}

fn pid(machine: &Machine) -> i32 {
    let address = Address::Tcp(machine.address);
    testbed::get(&address, "/").unwrap().pid()
}

/// Reloads the unit under load; nothing is lost, and another process serves.
fn is_reloaded(machine: &Machine, unit: &str) {
    let first = pid(machine);
    let load = Load::start(&Address::Tcp(machine.address), 2, "/");
    machine.order(&["reload", unit]);
    machine.wait_for(unit, "StatusText", |status| {
        status.starts_with("generation 2 serves")
    });
    until(|| (!is_alive(&first.to_string())).then_some(())).expect("the old one ends");
    assert_ne!(pid(machine), first);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}\n{}", machine.log());
}

#[test]
fn the_unit_that_runs_a_server_as_it_is() {
    let Some(machine) = machine() else { return };
    machine.install("run.service", &placed(RUN));
    machine.order(&["start", "run"]);
    is_reloaded(&machine, "run");
    machine.order(&["stop", "run"]);
    assert_eq!(machine.show("run", "Result"), "success");
    machine.finish();
}

#[test]
fn the_recommended_unit_runs_a_server_as_it_is() {
    let Some(machine) = machine() else { return };
    recommended::install(&machine);
    recommended::configure(&machine, "command = '/run/test/current'");
    machine.order(&["start", UNIT]);
    is_reloaded(&machine, UNIT);
    machine.order(&["stop", UNIT]);
    assert_eq!(machine.show(UNIT, "Result"), "success");
    machine.finish();
}

/// As docs/adopt.md has it, step by step.
#[test]
fn a_plain_unit_is_taken_over_by_one_with_socketmaster() {
    let Some(machine) = machine() else { return };
    let plain = "[Service]\nExecStart=/run/test/current\nRestart=always\n";
    machine.install("plain.service", plain);
    machine.order(&["start", "plain"]);
    let address = Address::Tcp(machine.address);
    until(|| testbed::get(&address, "/").ok()).expect("an answer");
    let (old, load) = (
        machine.show("plain", "MainPID"),
        Load::start(&address, 2, "/"),
    );

    machine.install("plain.service.d/once.conf", "[Service]\nRestart=no\n");
    machine.install("run.service", &placed(RUN));
    machine.install(
        "run.service.d/once.conf",
        &format!(
            "[Service]\nExecStart=\nExecStart=/run/test/socketmaster adopt -pid {old} -- /run/test/current\n"
        ),
    );
    machine.order(&["daemon-reload"]);
    machine.order(&["start", "run"]);
    machine.wait_for("plain", "ActiveState", |state| state == "inactive");
    assert_eq!(machine.show("plain", "Result"), "success");

    for unit in ["plain", "run"] {
        let once = format!("units/{unit}.service.d/once.conf");
        std::fs::remove_file(machine.path(&once)).unwrap();
    }
    machine.order(&["daemon-reload"]);
    is_reloaded(&machine, "run");
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}\n{}", machine.log());
    assert!(report.by_pid.len() > 2, "{report:?}");

    // From now on it starts as it stands in its file.
    machine.order(&["restart", "run"]);
    until(|| testbed::get(&address, "/").ok()).expect("an answer");
    machine.order(&["stop", "run"]);
    machine.finish();
}
