//! The environment of a worker: the supervisor's own, without what was meant for the supervisor, with what is meant
//! for the worker.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is meant for one worker.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    /// The generation's number.
    pub generation: u64,
    /// The worker's slot in it.
    pub slot: u32,
    /// The names of the listeners in the order of their descriptors; empty for one without a name.
    pub names: &'a [String],
    /// Where the worker may say `READY=1`.
    pub notify_socket: Option<&'a Path>,
    /// Login and home of the user that it runs as.
    pub user: Option<(&'a str, &'a Path)>,
}

/// Whether a variable speaks to the supervisor alone: socket activation and watchdog of the service manager
/// (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)), and what an outer supervisor said of its own sockets. A
/// worker that believed them would take descriptors that are not there, or speak to the service manager for us.
fn is_ours(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let prefixes: [&[u8]; 3] = [b"LISTEN_", b"EINHORN_", b"SOCKETMASTER_"];
    let names: [&[u8]; 5] = [
        b"NOTIFY_SOCKET",
        b"WATCHDOG_PID",
        b"WATCHDOG_USEC",
        b"FDSTORE",
        b"MAINPID",
    ];
    prefixes.iter().any(|prefix| name.starts_with(prefix)) || names.contains(&name)
}

/// The variable that tells a worker its generation.
const GENERATION: &str = "SOCKETMASTER_GENERATION";

/// What all processes of a generation have in their environment, if they have not changed it.
#[must_use]
pub fn generation_mark(generation: u64) -> String {
    format!("{GENERATION}={generation}")
}

/// The variables of a worker. The original sets `EINHORN_FDS` alone; the rest begins with `SOCKETMASTER_`, so that no
/// program is told of a protocol that nobody asked for.
#[must_use]
pub fn build(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    first_fd: i32,
    worker: &Worker<'_>,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = inherited
        .into_iter()
        .filter(|(name, _)| !is_ours(name))
        .collect();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    // A program that opens its own sockets is passed none, and told of none.
    if !worker.names.is_empty() {
        let fds: Vec<String> = (first_fd..)
            .zip(worker.names)
            .map(|(fd, _)| fd.to_string())
            .collect();
        set("EINHORN_FDS", fds.join(" ").into());
        set("SOCKETMASTER_FD_NAMES", worker.names.join(":").into());
    }
    set(GENERATION, worker.generation.to_string().into());
    set("SOCKETMASTER_WORKER", worker.slot.to_string().into());
    if let Some(path) = worker.notify_socket {
        set("NOTIFY_SOCKET", path.into());
    }
    if let Some((login, home)) = worker.user {
        set("HOME", home.into());
        set("USER", login.into());
        set("LOGNAME", login.into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(inherited: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        let names = ["web".to_owned(), String::new()];
        let worker = Worker {
            generation: 7,
            slot: 0,
            names: &names,
            notify_socket: Some(Path::new("/run/n")),
            user: Some(("www-data", Path::new("/var/www"))),
        };
        let inherited = inherited
            .iter()
            .map(|(k, v)| (OsString::from(k), OsString::from(v)));
        build(inherited, 3, &worker)
    }

    #[test]
    fn says_what_the_original_says_and_our_own() {
        let all = built(&[("PATH", "/bin"), ("HOME", "/root")]);
        let expected = [
            ("EINHORN_FDS", "3 4"),
            ("HOME", "/var/www"),
            ("LOGNAME", "www-data"),
            ("NOTIFY_SOCKET", "/run/n"),
            ("PATH", "/bin"),
            ("SOCKETMASTER_FD_NAMES", "web:"),
            ("SOCKETMASTER_GENERATION", "7"),
            ("SOCKETMASTER_WORKER", "0"),
            ("USER", "www-data"),
        ];
        let all: Vec<_> = all
            .iter()
            .map(|(k, v)| (k.to_str().unwrap(), v.to_str().unwrap()))
            .collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn what_was_meant_for_us_stays_with_us() {
        let all = built(&[
            ("LISTEN_FDS", "1"),
            ("LISTEN_PIDFDID", "9"),
            ("WATCHDOG_USEC", "1"),
            ("SOCKETMASTER_FD", "5"),
            ("EINHORN_MASTER_PID", "1"),
        ]);
        assert!(all.keys().all(|name| {
            !is_ours(name)
                || ["EINHORN_FDS", "NOTIFY_SOCKET"]
                    .iter()
                    .any(|own| name == own)
                || name.to_str().unwrap().starts_with("SOCKETMASTER_")
        }));
        assert!(!all.contains_key(OsStr::new("SOCKETMASTER_FD")));
    }
}
