//! The unit that we recommend, `socketmaster@.service`, with an instance that is called `web`.

use std::fs;

use crate::machine::Machine;

const TEXT: &str = include_str!("../../../../packaging/systemd/socketmaster@.service");

/// The instance.
pub(crate) const UNIT: &str = "socketmaster@web";

/// Installs it as it is shipped, but for the places of things, with a file for an app that takes descriptor 3. Not
/// started.
pub(crate) fn install(machine: &Machine) {
    let placed = TEXT
        .replace("/usr/bin/socketmaster", "/run/test/socketmaster")
        .replace("/etc/socketmaster/", "/run/test/");
    machine.install("socketmaster@.service", &placed);
    configure(
        machine,
        &listening(machine, "command = '/run/test/current'"),
    );
}

/// Writes the file of the instance anew.
pub(crate) fn configure(machine: &Machine, text: &str) {
    fs::write(machine.path("web.toml"), text).unwrap();
}

/// These lines, below one for the listener.
pub(crate) fn listening(machine: &Machine, lines: &str) -> String {
    format!("listen = 'tcp://:{}'\n{lines}\n", machine.address.port())
}
