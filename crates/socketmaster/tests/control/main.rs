//! The verbs, with a supervisor, an app and clients that are real: what they print, and how they end.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crowd;
mod finding;
mod hostile;
mod logs;
mod reload;
mod rolls;
mod scale;
mod status;
mod stop;
mod upgrade;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use testbed::{App, Setup, Supervisor};

/// Where supervisors are that know of nobody else on this machine, and an app for them.
struct Site {
    app: App,
}

/// How a verb ended.
#[derive(Debug)]
struct Outcome {
    status: i32,
    /// Standard output.
    out: String,
    /// Standard error.
    err: String,
}

impl Site {
    fn new(script: &str) -> Self {
        Self {
            app: App::new(script),
        }
    }

    fn directory(&self) -> PathBuf {
        self.app.path("")
    }

    /// A supervisor of this name to be.
    fn setup(&self, name: &str) -> Setup {
        Setup::exactly(env!("CARGO_BIN_EXE_socketmaster"))
            .variable("RUNTIME_DIRECTORY", self.directory())
            .flag(format!("-name={name}"))
            .app(&self.app)
    }

    /// A supervisor of this name whose first generation serves.
    #[track_caller]
    fn start(&self, name: &str) -> Supervisor {
        let supervisor = self.setup(name).start();
        supervisor.wait_until_serving();
        supervisor
    }

    /// The control socket of one of them.
    fn socket(&self, supervisor: &Supervisor) -> PathBuf {
        let directory = format!("socketmaster.{}", supervisor.pid());
        self.directory().join(directory).join("control")
    }

    /// A verb to be.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketmaster"));
        command
            .args(args)
            .env("RUNTIME_DIRECTORY", self.directory())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts a verb.
    fn begin(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Runs a verb to its end.
    fn ask(&self, args: &[&str]) -> Outcome {
        end(self.begin(args))
    }
}

/// Waits for the end of a verb.
fn end(verb: Child) -> Outcome {
    let output = verb.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome {
        status: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Whether these follow each other in a text.
#[track_caller]
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else {
            panic!("no {part:?} in {rest:?} of {text}");
        };
        rest = after;
    }
}
