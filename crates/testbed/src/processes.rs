//! What /proc says of processes.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Sends a signal; to a process that is gone, nothing.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// The open descriptors, as `number -> what`, sorted.
#[must_use]
pub fn descriptors(pid: i32) -> Vec<(i32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if let (Some(number), Ok(target)) = (number, fs::read_link(entry.path())) {
            all.push((number, target.to_string_lossy().into_owned()));
        }
    }
    all.sort();
    all
}

/// A line of `/proc/PID/status`, without its name: `VmRSS` is `2048 kB`.
#[must_use]
pub fn status(pid: i32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields
        .find(|(field, _)| *field == name)
        .map(|(_, value)| value.trim().to_owned())
}

/// A figure of `/proc/PID/status`: kibibytes of `VmRSS`, or `Threads`, or `voluntary_ctxt_switches`. 0 if it is gone.
#[must_use]
pub fn figure(pid: i32, name: &str) -> u64 {
    let value = status(pid, name).unwrap_or_default();
    value
        .split_whitespace()
        .next()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0)
}

/// How many bytes it has written so far, to whatever.
#[must_use]
pub fn written(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let mut fields = text.lines().filter_map(|line| line.split_once(": "));
    let value = fields.find(|(name, _)| *name == "wchar");
    value.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// Whether there is such a process, and it is no zombie.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    status(pid, "State").is_some_and(|state| !state.starts_with(['Z', 'X']))
}

/// The children, zombies too.
#[must_use]
pub fn children(pid: i32) -> Vec<i32> {
    all()
        .filter(|child| status(*child, "PPid").is_some_and(|ppid| ppid == pid.to_string()))
        .collect()
}

/// The children that nobody has waited for yet.
#[must_use]
pub fn zombies(pid: i32) -> Vec<i32> {
    let is_zombie =
        |child: &i32| status(*child, "State").is_some_and(|state| state.starts_with('Z'));
    children(pid).into_iter().filter(is_zombie).collect()
}

/// All live processes that were started with this variable in their environment, and their command lines.
#[must_use]
pub fn with_variable(variable: &str) -> Vec<(i32, String)> {
    let marked = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|one| one == variable.as_bytes())
    };
    all()
        .filter(marked)
        .map(|pid| (pid, command_line(pid)))
        .collect()
}

/// The command line, with a space after each word.
#[must_use]
pub fn command_line(pid: i32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words).replace('\0', " ")
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
