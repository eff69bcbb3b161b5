//! When a server must not replace itself.

use std::env;

use crate::error::UpgradeError;
use crate::inherit::Inheritance;
use crate::sys::process;

/// Who would lose sight of a successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Socketmaster,
    Systemd,
    First,
}

/// What is so from the start to the end of the process.
pub(crate) fn of_environment(inherited: &Inheritance, has_pid_file: bool) -> Option<Refusal> {
    let own = std::process::id();
    if own == 1 {
        return Some(Refusal::First);
    }
    if inherited.is_supervised || env::var_os("SOCKETMASTER_GENERATION").is_some() {
        return Some(Refusal::Socketmaster);
    }
    // systemd.exec(5), since version 248: set to the pid of the process that systemd has started itself.
    let by_systemd = env::var("SYSTEMD_EXEC_PID").is_ok_and(|pid| pid == own.to_string());
    let can_be_told = env::var_os("NOTIFY_SOCKET").is_some() || has_pid_file;
    (by_systemd && !can_be_told).then_some(Refusal::Systemd)
}

/// What may be otherwise by now.
pub(crate) fn now(refusal: Option<Refusal>) -> Result<(), UpgradeError> {
    match refusal {
        Some(Refusal::First) => Err(UpgradeError::First),
        Some(Refusal::Socketmaster) => Err(UpgradeError::Supervised(
            "socketmaster",
            "send it HUP, and it reloads the server",
        )),
        Some(Refusal::Systemd) => Err(UpgradeError::Supervised(
            "systemd",
            "set Type=notify in its unit, so that the successor can be named to it",
        )),
        None if process::is_in_foreground() => Err(UpgradeError::Foreground),
        None => Ok(()),
    }
}
