//! The supervisor that is measured, and where it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use testbed::{Setup, Supervisor};

use crate::report::Reports;
use crate::role;

/// A binary.
#[derive(Debug)]
pub(crate) struct Subject {
    program: PathBuf,
    /// The original knows neither readiness nor more than one listener.
    pub(crate) is_ours: bool,
}

impl Subject {
    pub(crate) fn ours(program: &Path) -> Self {
        eprintln!(" ours");
        Self {
            program: program.into(),
            is_ours: true,
        }
    }

    pub(crate) fn original(program: &Path) -> Self {
        eprintln!(" the original");
        Self {
            program: program.into(),
            is_ours: false,
        }
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn setup(&self) -> Setup {
        Setup::exactly(&self.program)
    }

    /// Its own processes, without those of the app.
    pub(crate) fn processes(&self, supervisor: &Supervisor) -> Vec<i32> {
        let is_it = |pid: &i32| {
            let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
            executable.is_ok_and(|path| Some(path) == self.program.canonicalize().ok())
        };
        supervisor
            .processes()
            .into_iter()
            .map(|(pid, _)| pid)
            .filter(is_it)
            .collect()
    }
}

/// A directory for one measurement, and what is said there.
#[derive(Debug)]
pub(crate) struct Place {
    directory: TempDir,
    pub(crate) reports: Reports,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory for temporary files");
        let reports = Reports::bind(directory.path());
        Self { directory, reports }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A listener that nothing connects to.
    pub(crate) fn socket(&self, name: &str) -> String {
        format!("unix://{}", self.path(name).display())
    }

    /// The words of a role, without the executable's name.
    pub(crate) fn role(&self, words: &[&str]) -> Vec<String> {
        let reports = self.reports.path().display().to_string();
        [role::WORD, &reports]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// The role as an app.
    pub(crate) fn app(&self, setup: Setup, words: &[&str]) -> Setup {
        let words = self.role(words);
        setup.command(
            this(),
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        )
    }
}

/// The bench's own executable.
pub(crate) fn this() -> PathBuf {
    std::env::current_exe().expect("a path of our own")
}

/// A port that nobody listens on: the original cannot say which it was given, and a program that is adopted need not.
pub(crate) fn free_address() -> SocketAddr {
    ([127, 0, 0, 1], testbed::free_port()).into()
}

/// An app without a supervisor, which listens by itself.
#[derive(Debug)]
pub(crate) struct Alone(Child);

impl Alone {
    /// Starts the role, and waits until it is ready.
    pub(crate) fn start(place: &mut Place, words: &[&str]) -> Self {
        let child = Command::new(this())
            .args(place.role(words))
            .stdin(Stdio::null())
            .spawn()
            .expect("the bench's own executable");
        place.reports.wait("ready");
        Self(child)
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
