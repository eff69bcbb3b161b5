//! The checking of one worker: what is under way, and the port that was chosen for it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use super::exec::Run;
use crate::config::Check;
use crate::daemon::inputs::Task;
use crate::sys::process::Child;

/// So many tries find a port that no other worker was given.
const TRIES: usize = 64;

/// The checking of one worker.
#[derive(Debug, Default)]
pub struct Checking {
    /// The port that was chosen for it.
    pub port: Option<u16>,
    /// What is under way or waited for; `None` while nobody is to be asked.
    pub(super) turn: Option<Turn>,
    /// Failures since the last pass.
    pub(super) failures: u32,
    /// How often requests went to others, each time of which twice as many are made at once.
    pub(super) strays: u32,
    /// What the last check said, if it did not pass.
    pub(super) said: Option<String>,
}

#[derive(Debug)]
pub(super) enum Turn {
    /// The pause, or a request.
    Task { _task: Task },
    /// A command.
    Run(Run),
}

/// What an upgrade hands over.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldCheck {
    port: Option<u16>,
    /// The command that runs.
    run: Option<i32>,
}

impl Checking {
    /// Asks nobody yet. If the check wants a port, it is one that is free and not among `taken`.
    #[must_use]
    pub fn new(check: &Check, taken: &BTreeSet<u16>) -> Self {
        let address = match check {
            Check::Http(http) => http.addresses.first().copied(),
            Check::Exec(_) => None,
        };
        let address = address.unwrap_or(Ipv4Addr::LOCALHOST.into());
        let wanted = check.wants_port().then(|| free_port(address, taken));
        Self {
            port: wanted.flatten(),
            ..Self::default()
        }
    }

    /// What the next program needs to begin anew.
    #[must_use]
    pub fn to_held(&self) -> HeldCheck {
        HeldCheck {
            port: self.port,
            run: match &self.turn {
                Some(Turn::Run(run)) => Some(run.child.pid()),
                _ => None,
            },
        }
    }

    /// As it was handed over. A command that the program before us ran is ended, since nobody knows any more since when
    /// it runs.
    #[must_use]
    pub fn from_held(held: &HeldCheck) -> Self {
        if let Some(run) = held.run.and_then(|pid| Child::new(pid).ok()) {
            let _ = run.signal_group(libc::SIGKILL);
        }
        Self {
            port: held.port,
            ..Self::default()
        }
    }
}

/// One that was free a moment ago: it may be taken until the worker binds it, which the worker will then say. `None`
/// where there is none.
fn free_port(address: IpAddr, taken: &BTreeSet<u16>) -> Option<u16> {
    // Held until the end, so that the kernel offers another each time.
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        let socket = TcpListener::bind(SocketAddr::new(address, 0)).ok()?;
        let port = socket.local_addr().ok()?.port();
        if !taken.contains(&port) {
            return Some(port);
        }
        tried.push(socket);
    }
    None
}
