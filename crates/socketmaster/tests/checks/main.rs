//! `-ready http://…` and `-ready exec:…`: a worker that is asked, alone, in the bake, and where somebody else answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adopted;
mod bake;
mod exec;
mod http;
mod programs;
mod shared;
mod upgrades;

use std::fs;
use std::path::PathBuf;

use testbed::{App, Setup, Supervisor, fixture, program, setup};

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checks/apps");

/// The fixture with a health page beside it, which is a process of its own.
struct Site {
    app: App,
    python: PathBuf,
}

impl Site {
    /// Without Python there is none.
    fn new(health: &str) -> Option<Self> {
        let python = program("python3")?;
        let this = Self {
            app: App::new("version one"),
            python,
        };
        this.says(health);
        Some(this)
    }

    /// From now on the page says this.
    fn says(&self, health: &str) {
        // At once, for a page that reads at the same time.
        let new = self.app.path("health.new");
        fs::write(&new, health).unwrap();
        fs::rename(new, self.app.path("health")).unwrap();
    }

    /// The page alone, with these words after its place.
    fn page(&self, port: &str, words: &str) -> String {
        let (python, place) = (self.python.display(), self.app.path(""));
        format!(
            "{python} {APPS}/health.py {port} {} {words}",
            place.display()
        )
    }

    /// With the page on this port, as a shell writes it.
    fn setup_on(&self, port: &str, words: &str, flags: &[&str]) -> Setup {
        let text = format!(
            "#!/bin/sh\n{} &\nexec {} {}\n",
            self.page(port, words),
            fixture().display(),
            self.app.script().display()
        );
        let program = self.app.executable("site", &text);
        let setup = setup!().command(program, &[]);
        flags.iter().fold(setup, Setup::flag)
    }

    /// With the page on a port of each worker's own, which is asked.
    fn setup(&self, flags: &[&str]) -> Setup {
        self.setup_on("$SOCKETMASTER_READY_PORT", "", flags)
            .flag("-ready=http://127.0.0.1:{port}/health")
    }
}

/// Started, and the first generation is ready.
fn serving(setup: Setup) -> Supervisor {
    let supervisor = setup.start();
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor
}

/// Its children that have ended and are not reaped.
fn zombies(supervisor: &Supervisor) -> usize {
    let pid = supervisor.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let is_zombie = |pid: &&str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    };
    children.split_whitespace().filter(is_zombie).count()
}
