//! A supervisor without root's rights.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Mode;
use tempfile::TempDir;
use testbed::{Setup, is_root, program};

use crate::service::source;

/// What everybody may read and execute, wherever this project stands.
pub(crate) struct Place(TempDir);

impl Place {
    /// `None` for those who cannot become another user, or have no Python.
    pub(crate) fn new() -> Option<Self> {
        program("python3").filter(|_| is_root())?;
        let this = Self(tempfile::tempdir().unwrap());
        rustix::fs::chmod(this.0.path(), Mode::from_raw_mode(0o755)).unwrap();
        this.put(Path::new(env!("CARGO_BIN_EXE_socketmaster")));
        this.put(&source("steps.py"));
        Some(this)
    }

    /// By another process: see `App::executable`.
    fn put(&self, file: &Path) {
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(file).arg(self.0.path());
        assert!(install.status().unwrap().success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A supervisor of uid 65534, of a program that does these steps.
    pub(crate) fn setup(&self, steps: &str) -> Setup {
        std::fs::write(self.path("script"), steps).unwrap();
        let [source, script] = ["steps.py", "script"].map(|name| self.path(name));
        let args = ["-ISu", source.to_str().unwrap(), script.to_str().unwrap()];
        Setup::exactly(self.path("socketmaster"))
            .under(&[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ])
            .directory("/")
            .command(program("python3").unwrap(), &args)
    }
}
