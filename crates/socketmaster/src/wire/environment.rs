//! The environment of a worker: the supervisor's own, without what was meant for the supervisor, with what is meant
//! for the worker.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::protocol::{self, Passed, Protocol, einhorn_fds};

/// What is meant for one worker.
#[derive(Clone, Debug)]
pub struct Worker<'a> {
    /// The generation's number.
    pub generation: u64,
    /// The worker's slot in it.
    pub slot: u32,
    /// The sockets that it is passed, in the order of their descriptors.
    pub passed: &'a [Passed],
    /// How it is told of them, beside our own variables; none is as the original does.
    pub protocols: &'a [Protocol],
    /// The supervisor's pid.
    pub supervisor: u32,
    /// Where the worker may say `READY=1`.
    pub notify_socket: Option<&'a Path>,
    /// The descriptor on which it may write a newline when it is ready.
    pub ready_fd: Option<i32>,
    /// Where it may send einhorn's ACK.
    pub einhorn_socket: Option<&'a Path>,
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
/// program is told of a protocol that nobody asked for. Where protocols are asked for, it is told by these alone:
/// one that understands two would take each socket twice.
#[must_use]
pub fn build(
    inherited: impl IntoIterator<Item = (OsString, OsString)>,
    worker: &Worker<'_>,
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = inherited
        .into_iter()
        .filter(|(name, _)| !is_ours(name))
        .collect();
    let mut set = |name: &str, value: OsString| all.insert(name.into(), value);
    // A program that opens its own sockets is passed none, and told of none.
    if !worker.passed.is_empty() {
        let said = match worker.protocols {
            [] if worker.einhorn_socket.is_some() => Protocol::Einhorn.variables(worker),
            [] => vec![einhorn_fds(worker.passed)],
            protocols => {
                let said = protocols.iter().map(|each| each.variables(worker));
                said.flatten().collect()
            }
        };
        for (name, value) in said {
            set(&name, value);
        }
        let names: Vec<_> = worker.passed.iter().map(|each| &*each.name).collect();
        set("SOCKETMASTER_FD_NAMES", names.join(":").into());
    }
    set(GENERATION, worker.generation.to_string().into());
    set("SOCKETMASTER_WORKER", worker.slot.to_string().into());
    if let Some(path) = worker.notify_socket {
        set("NOTIFY_SOCKET", path.into());
    }
    if let Some(fd) = worker.ready_fd {
        set("SOCKETMASTER_READY_FD", fd.to_string().into());
    }
    if let Some(path) = worker.einhorn_socket {
        set("EINHORN_SOCK_PATH", path.into());
        for (name, value) in protocol::einhorn_identity(worker) {
            set(&name, value);
        }
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
    use crate::wire::protocol::Bound;
    use crate::wire::uri::ListenUri;

    fn socket(fd: i32, uri: &str, bound: Bound) -> Passed {
        let uri: ListenUri = uri.parse().unwrap();
        Passed {
            fd,
            name: uri.name.unwrap_or_default(),
            datagrams: uri.address.is_datagram(),
            asked: uri.address,
            bound: Some(bound),
        }
    }

    fn inet(address: &str) -> Bound {
        Bound::Inet(address.parse().unwrap())
    }

    fn told(
        inherited: &[(&str, &str)],
        passed: &[Passed],
        protocols: &[Protocol],
    ) -> BTreeMap<OsString, OsString> {
        let worker = Worker {
            generation: 7,
            slot: 0,
            passed,
            protocols,
            supervisor: 4242,
            notify_socket: Some(Path::new("/run/n")),
            ready_fd: None,
            einhorn_socket: None,
            user: Some(("www-data", Path::new("/var/www"))),
        };
        let inherited = inherited
            .iter()
            .map(|(k, v)| (OsString::from(k), OsString::from(v)));
        build(inherited, &worker)
    }

    fn built(inherited: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        let two = [
            socket(3, "web=tcp://:80", inet("[::]:80")),
            socket(4, "tcp://:81", inet("[::]:81")),
        ];
        told(inherited, &two, &[])
    }

    /// What is said of six sockets by one protocol, without our own variables and those of the user.
    fn said(protocol: Protocol) -> Vec<(String, String)> {
        let sockets = [
            socket(3, "web=tcp://:8080", inet("[::]:8080")),
            socket(4, "unix:///run/a.sock", Bound::Unix("/run/a.sock".into())),
            socket(5, "tcp://127.0.0.1:81", inet("127.0.0.1:81")),
            socket(6, "v6=tcp6://[::1]:0", inet("[::1]:4711")),
            socket(7, "tcp://localhost:82", inet("127.0.0.1:82")),
            socket(8, "fd://9", inet("[::1]:83")),
        ];
        said_of(&sockets, protocol)
    }

    fn said_of(sockets: &[Passed], protocol: Protocol) -> Vec<(String, String)> {
        let all = told(&[("LISTEN_PIDFDID", "9")], sockets, &[protocol]);
        let all = all
            .into_iter()
            .map(|(name, value)| (name.into_string().unwrap(), value.into_string().unwrap()));
        let others = ["HOME", "USER", "LOGNAME", "NOTIFY_SOCKET"];
        all.filter(|(name, _)| !name.starts_with("SOCKETMASTER_") && !others.contains(&&**name))
            .collect()
    }

    #[test]
    fn each_kind_as_far_as_the_protocol_can_speak_of_it() {
        let vsock = Passed {
            bound: None,
            ..socket(5, "vsock://:1024", inet("[::]:1"))
        };
        let sockets = [
            socket(3, "udp://:443", inet("[::]:443")),
            socket(4, "quic=udp4://127.0.0.1:0", inet("127.0.0.1:4711")),
            vsock,
            socket(6, "unixgram:///run/log", Bound::Unix("/run/log".into())),
            socket(7, "tcp://:443", inet("[::]:443")),
        ];
        let value = |protocol, name: &str| {
            let all = said_of(&sockets, protocol).into_iter();
            all.filter(|(own, _)| own.starts_with(name))
                .map(|(_, value)| value)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            value(Protocol::ServerStarter, "SERVER_STARTER_PORT"),
            ["443=3;127.0.0.1:4711=4;443=7;/run/log=6"]
        );
        assert_eq!(
            value(Protocol::Einhorn, "EINHORN_FD_FAMILY_"),
            ["AF_INET6", "AF_INET", "AF_UNIX", "AF_INET6"],
            "none for vsock"
        );
        assert_eq!(value(Protocol::Nginx, "NGINX"), ["3;4;5;6;7;"]);
        assert_eq!(value(Protocol::Systemd, "LISTEN_FDS"), ["5"]);
        assert_eq!(value(Protocol::PhpFpm, "FPM_SOCKETS"), [":::443=7"]);
    }

    #[test]
    fn each_protocol_to_the_byte() {
        for (protocol, expected) in [
            (
                Protocol::Systemd,
                &[
                    ("LISTEN_FDNAMES", "web:unknown:unknown:v6:unknown:unknown"),
                    ("LISTEN_FDS", "6"),
                ][..],
            ),
            (
                Protocol::Einhorn,
                &[
                    ("EINHORN_CHILD_INDEX", "0"),
                    ("EINHORN_FDS", "3 4 5 6 7 8"),
                    ("EINHORN_FD_0", "3"),
                    ("EINHORN_FD_1", "4"),
                    ("EINHORN_FD_2", "5"),
                    ("EINHORN_FD_3", "6"),
                    ("EINHORN_FD_4", "7"),
                    ("EINHORN_FD_5", "8"),
                    ("EINHORN_FD_COUNT", "6"),
                    ("EINHORN_FD_FAMILY_0", "AF_INET6"),
                    ("EINHORN_FD_FAMILY_1", "AF_UNIX"),
                    ("EINHORN_FD_FAMILY_2", "AF_INET"),
                    ("EINHORN_FD_FAMILY_3", "AF_INET6"),
                    ("EINHORN_FD_FAMILY_4", "AF_INET"),
                    ("EINHORN_FD_FAMILY_5", "AF_INET6"),
                    ("EINHORN_MASTER_PID", "4242"),
                ],
            ),
            (
                Protocol::ServerStarter,
                &[
                    ("SERVER_STARTER_GENERATION", "7"),
                    (
                        "SERVER_STARTER_PORT",
                        "8080=3;127.0.0.1:81=5;[::1]:4711=6;localhost:82=7;[::1]:83=8;/run/a.sock=4",
                    ),
                ],
            ),
            (Protocol::Nginx, &[("NGINX", "3;4;5;6;7;8;")]),
            (
                Protocol::PhpFpm,
                &[(
                    "FPM_SOCKETS",
                    ":::8080=3,127.0.0.1:81=5,::1:4711=6,127.0.0.1:82=7,::1:83=8",
                )],
            ),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            assert_eq!(said(protocol), expected);
        }
    }

    #[test]
    fn several_protocols_and_none_without_a_socket() {
        let web = [socket(3, "tcp://:80", inet("[::]:80"))];
        let all = told(&[], &web, &[Protocol::Systemd, Protocol::Einhorn]);
        for (name, value) in [("LISTEN_FDS", "1"), ("EINHORN_FDS", "3")] {
            assert_eq!(all[OsStr::new(name)], value);
        }
        let none = told(&[], &[], &[Protocol::Systemd]);
        assert!(!none.contains_key(OsStr::new("LISTEN_FDS")));
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
