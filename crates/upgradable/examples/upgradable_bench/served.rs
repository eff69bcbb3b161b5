//! A server under test, from its start to its end.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Signal, WaitOptions, wait};
use testbed::{Address, PATIENCE, get, poll, processes};

/// What serves.
#[derive(Clone, Copy)]
pub(crate) enum Program {
    /// `examples/upgradable`.
    Article,
    /// The same with axum's own `serve`.
    Stock,
}

/// Names the server that a process is to be. Its successors inherit it.
const VARIABLE: &str = "UPGRADABLE_BENCH_SERVER";

impl Program {
    pub(crate) fn of_this_process() -> Option<Self> {
        match std::env::var(VARIABLE).ok()?.as_str() {
            "article" => Some(Self::Article),
            _ => Some(Self::Stock),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Article => "article",
            Self::Stock => "stock",
        }
    }
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
}

impl Served {
    /// Starts it, and waits until it answers.
    pub(crate) fn start(program: Program) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(VARIABLE, program.name())
            .arg(address.to_string())
            .stdin(Stdio::null())
            .process_group(0);
        // Reaped with all that come of it.
        drop(command.spawn().unwrap());
        let this = Self { address };
        poll(PATIENCE, || get(&this.url(), "/").ok()).expect("it answers");
        this
    }

    pub(crate) fn url(&self) -> Address {
        Address::Tcp(self.address)
    }

    /// Upgrades, which is refused as long as the process before is there.
    pub(crate) fn upgrade(&self) {
        let done = poll(PATIENCE, || {
            get(&self.url(), "/upgrade")
                .ok()
                .filter(|said| said.status == 200)
        });
        done.expect("an upgrade");
    }

    /// Stops it, and waits for all that came of it.
    pub(crate) fn stop(self) {
        processes::signal(get(&self.url(), "/").unwrap().pid(), Signal::TERM);
        while wait(WaitOptions::empty()).is_ok() {}
    }
}
