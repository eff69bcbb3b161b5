//! The configuration file: what it says is done, a reload reads it again, and one that fails changes nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod check;
mod listeners;
mod reload;
mod upgrade;

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use testbed::{Address, App, Setup, Supervisor, fixture, free_port, until};

/// A configuration file with the app that it starts, in a directory of their own.
struct Site {
    app: App,
    port: u16,
}

/// How a verb ended.
struct Outcome {
    status: i32,
    /// Standard output, and standard error after it.
    said: String,
}

impl Site {
    /// An app that does this, on a port of its own.
    fn new(script: &str) -> Self {
        Self {
            app: App::new(script),
            port: free_port(),
        }
    }

    fn file(&self) -> PathBuf {
        self.app.path("app.toml")
    }

    /// Writes the file anew: the command, and these lines.
    fn write(&self, lines: &[&str]) {
        let (program, script) = (fixture(), self.app.script());
        let mut text = String::from("settle = '50ms'\n");
        writeln!(text, "command = [{program:?}, {script:?}]").unwrap();
        for line in lines {
            writeln!(text, "{line}").unwrap();
        }
        fs::write(self.file(), text).unwrap();
    }

    /// The same with its listener.
    fn write_listening(&self, lines: &[&str]) {
        let listen = format!("listen = '{}'", uri(self.port));
        let all: Vec<_> = std::iter::once(&*listen)
            .chain(lines.iter().copied())
            .collect();
        self.write(&all);
    }

    fn setup(&self) -> Setup {
        Setup::exactly(env!("CARGO_BIN_EXE_socketmaster"))
            .variable("RUNTIME_DIRECTORY", self.app.path(""))
            .configured(self.file(), &[address(self.port)])
    }

    /// A supervisor whose first generation serves.
    #[track_caller]
    fn start(&self) -> Supervisor {
        self.start_workers(1)
    }

    /// The same with several workers.
    #[track_caller]
    fn start_workers(&self, workers: usize) -> Supervisor {
        let supervisor = self.setup().start();
        supervisor.wait_for_nth_line("eneration 1 is ready", workers);
        supervisor
    }

    fn ask(&self, args: &[&str]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
            .args(args)
            .env("RUNTIME_DIRECTORY", self.app.path(""))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        Outcome {
            status: output.status.code().unwrap(),
            said: String::from_utf8(said).unwrap(),
        }
    }

    /// A reload that is done.
    #[track_caller]
    fn reload(&self) {
        let Outcome { status, said } = self.ask(&["reload"]);
        assert_eq!(status, 0, "{said}");
    }

    /// A reload that fails; what it said.
    #[track_caller]
    fn fail(&self) -> String {
        let Outcome { status, said } = self.ask(&["reload"]);
        assert_eq!(status, 1, "{said}");
        assert!(said.contains("nothing has changed"), "{said}");
        said
    }
}

fn uri(port: u16) -> String {
    format!("tcp://127.0.0.1:{port}")
}

fn address(port: u16) -> Address {
    Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// A variable of a process; empty if it has none of that name.
fn variable(pid: i32, name: &str) -> String {
    let all = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let all = String::from_utf8_lossy(&all).into_owned();
    let mut values = all
        .split('\0')
        .filter_map(|v| v.strip_prefix(name)?.strip_prefix('='));
    values.next().unwrap_or_default().to_owned()
}

/// Waits until all answers are those of a worker with this in its environment; one that drains may answer before.
#[track_caller]
fn serves_with(supervisor: &Supervisor, name: &str, value: &str) -> i32 {
    let mut pid = 0;
    until(&format!("{name} is {value}"), || {
        pid = supervisor.get("/").pid();
        variable(pid, name) == value
    });
    pid
}

/// Waits until this worker alone is there.
#[track_caller]
fn alone(supervisor: &Supervisor, pid: i32) {
    until("one worker alone is there", || {
        supervisor.workers() == [pid]
    });
}
