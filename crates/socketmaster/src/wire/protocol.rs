//! The environments by which programs learn of sockets that they are passed, each invented by another supervisor.
//!
//! | protocol | variables | read in |
//! | --- | --- | --- |
//! | systemd | `LISTEN_FDS`, `LISTEN_FDNAMES`; `LISTEN_PID` is the launcher's to set | sd_listen_fds(3) |
//! | einhorn | `EINHORN_FD_COUNT`, `EINHORN_FD_0`…, and `EINHORN_FDS` of its 0.x | einhorn, lib/einhorn/command.rb |
//! | server-starter | `SERVER_STARTER_PORT`, `SERVER_STARTER_GENERATION` | Server::Starter(3pm) |
//! | nginx | `NGINX` | nginx, src/core/nginx.c |
//! | php-fpm | `FPM_SOCKETS` | php-src, sapi/fpm/fpm/fpm_sockets.c |

use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::environment::Worker;
use super::uri::Address;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Socket activation: Puma, Kestrel, gunicorn, the listenfd crate and many more.
    Systemd,
    /// Stripe's einhorn.
    Einhorn,
    /// Server::Starter: h2o, Starlet, Gazelle.
    ServerStarter,
    /// What nginx tells its next executable.
    Nginx,
    /// What PHP-FPM tells itself at a reload.
    PhpFpm,
}

/// A socket that a program is passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Its descriptor in the program.
    pub fd: i32,
    /// The listener's name; empty for one without.
    pub name: String,
    /// What the operator asked for.
    pub asked: Address,
    /// Whether it takes datagrams, and no connections.
    pub datagrams: bool,
    /// Where it is bound; `None` in a family that none of the protocols can speak of.
    pub bound: Option<Bound>,
}

/// Where a socket is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// An address and a port.
    Inet(SocketAddr),
    /// A path; or an abstract name, with `@` before it.
    Unix(PathBuf),
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Systemd,
        Self::Einhorn,
        Self::ServerStarter,
        Self::Nginx,
        Self::PhpFpm,
    ];

    /// What an operator calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Einhorn => "einhorn",
            Self::ServerStarter => "server-starter",
            Self::Nginx => "nginx",
            Self::PhpFpm => "php-fpm",
        }
    }

    /// Its variables.
    #[must_use]
    pub fn variables(self, worker: &Worker<'_>) -> Vec<(String, OsString)> {
        let sockets = worker.passed;
        let variable = |name: &str, value: OsString| (name.to_owned(), value);
        match self {
            Self::Systemd => vec![
                variable("LISTEN_FDS", sockets.len().to_string().into()),
                variable("LISTEN_FDNAMES", names(sockets).into()),
            ],
            Self::Einhorn => einhorn(worker),
            Self::ServerStarter => vec![
                variable("SERVER_STARTER_PORT", server_starter(sockets)),
                variable(
                    "SERVER_STARTER_GENERATION",
                    worker.generation.to_string().into(),
                ),
            ],
            Self::Nginx => {
                let fds = sockets.iter().map(|socket| format!("{};", socket.fd));
                vec![variable("NGINX", fds.collect::<String>().into())]
            }
            Self::PhpFpm => {
                // The key is inet_ntop(3), a colon and the port: IPv6 without brackets. Unix sockets it removes when it
                // ends, from under its successor: it must not have them.
                // Of datagrams it knows nothing, and would take a port of theirs for the one of that number.
                let streams = sockets.iter().filter(|socket| !socket.datagrams);
                let pairs = streams.filter_map(|socket| match &socket.bound {
                    Some(Bound::Inet(at)) => {
                        let key = format!("{}:{}", at.ip(), at.port());
                        Some(pair(key.as_ref(), socket.fd))
                    }
                    _ => None,
                });
                vec![variable("FPM_SOCKETS", joined(pairs, ","))]
            }
        }
    }
}

/// What the original socketmaster says, and einhorn before its version 1.0: the numbers alone.
#[must_use]
pub fn einhorn_fds(sockets: &[Passed]) -> (String, OsString) {
    let fds: Vec<_> = sockets.iter().map(|socket| socket.fd.to_string()).collect();
    ("EINHORN_FDS".into(), fds.join(" ").into())
}

/// What einhorn's clients know themselves by: without the first they send no ACK.
#[must_use]
pub fn einhorn_identity(worker: &Worker<'_>) -> [(String, OsString); 2] {
    [
        (
            "EINHORN_MASTER_PID".into(),
            worker.supervisor.to_string().into(),
        ),
        ("EINHORN_CHILD_INDEX".into(), worker.slot.to_string().into()),
    ]
}

fn einhorn(worker: &Worker<'_>) -> Vec<(String, OsString)> {
    let mut all: Vec<(String, OsString)> = vec![
        einhorn_fds(worker.passed),
        (
            "EINHORN_FD_COUNT".into(),
            worker.passed.len().to_string().into(),
        ),
    ];
    all.extend(einhorn_identity(worker));
    for (index, socket) in worker.passed.iter().enumerate() {
        all.push((format!("EINHORN_FD_{index}"), socket.fd.to_string().into()));
        let family = match socket.bound {
            Some(Bound::Inet(SocketAddr::V4(_))) => "AF_INET",
            Some(Bound::Inet(SocketAddr::V6(_))) => "AF_INET6",
            Some(Bound::Unix(_)) => "AF_UNIX",
            None => continue,
        };
        all.push((format!("EINHORN_FD_FAMILY_{index}"), family.into()));
    }
    all
}

fn names(sockets: &[Passed]) -> String {
    let names = sockets.iter().map(|socket| match &*socket.name {
        // sd_listen_fds_with_names(3): what a socket without a name is called.
        "" => "unknown",
        name => name,
    });
    names.collect::<Vec<_>>().join(":")
}

/// In the operator's spelling: a bare port stays bare, and nothing tells UDP from TCP. Paths come after ports.
fn server_starter(sockets: &[Passed]) -> OsString {
    let (paths, ports): (Vec<_>, Vec<_>) = sockets
        .iter()
        .partition(|socket| matches!(socket.bound, Some(Bound::Unix(_))));
    let all = ports.into_iter().chain(paths);
    let pairs = all.filter_map(|socket| Some(pair(&spelled(socket)?, socket.fd)));
    joined(pairs, ";")
}

fn spelled(socket: &Passed) -> Option<OsString> {
    let spelled = match (&socket.asked, socket.bound.as_ref()?) {
        // The port that the kernel chose, where it was to choose one.
        (Address::Tcp { host, .. } | Address::Udp { host, .. }, Bound::Inet(at)) => match &**host {
            "" => at.port().to_string(),
            host if host.contains(':') => format!("[{host}]:{}", at.port()),
            host => format!("{host}:{}", at.port()),
        },
        (_, Bound::Inet(at)) => at.to_string(),
        (_, Bound::Unix(path)) => return Some(path.clone().into()),
    };
    Some(spelled.into())
}

fn pair(address: &OsStr, fd: i32) -> OsString {
    let mut pair = address.to_owned();
    pair.push(format!("={fd}"));
    pair
}

fn joined(parts: impl Iterator<Item = OsString>, between: &str) -> OsString {
    parts.collect::<Vec<_>>().join(OsStr::new(between))
}
