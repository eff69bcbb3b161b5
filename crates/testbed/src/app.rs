//! The app behind the supervisor: the `fixture` example, which does what a script in a file tells it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use tempfile::TempDir;

/// A script for the fixture, in a directory of its own. A deploy is another script.
#[derive(Debug)]
pub struct App {
    directory: TempDir,
}

impl App {
    /// An app that does this; see `examples/fixture/main.rs` for the words.
    ///
    /// # Panics
    /// The directory cannot be written to.
    #[must_use]
    pub fn new(script: &str) -> Self {
        let this = Self {
            directory: tempfile::tempdir().expect("a directory for the app"),
        };
        this.deploy(script);
        this
    }

    /// From the next start on it does this.
    ///
    /// # Panics
    /// The directory cannot be written to.
    pub fn deploy(&self, script: &str) {
        // Aside and renamed: a start in the midst of it sees the one or the other.
        let aside = self.path("script.new");
        fs::write(&aside, script).expect("the script is written");
        fs::rename(aside, self.script()).expect("the script is put in place");
    }

    /// Puts an executable file there, a shell script say.
    ///
    /// # Panics
    /// It cannot be written.
    #[must_use]
    pub fn executable(&self, name: impl AsRef<Path>, text: &str) -> PathBuf {
        let (aside, path) = (self.path("executable.new"), self.path(name));
        fs::write(&aside, text).expect("the executable is written");
        // By another process: a child that another thread forks just now would hold ours open for writing, and who
        // executes it then gets ETXTBSY.
        let installed = Command::new("install")
            .args(["-D", "-m", "755"])
            .arg(aside)
            .arg(&path)
            .status();
        assert!(
            installed.is_ok_and(|status| status.success()),
            "install {}",
            path.display()
        );
        path
    }

    /// Where the script is.
    #[must_use]
    pub fn script(&self) -> PathBuf {
        self.path("script")
    }

    /// A path in the app's directory, which goes with the app.
    #[must_use]
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }
}

/// The fixture's executable, which `cargo test` builds along with the tests.
///
/// # Panics
/// It has not been built.
#[must_use]
pub fn fixture() -> PathBuf {
    let test = env::current_exe().expect("a path of our own");
    let profile = test.ancestors().find(|dir| dir.join("examples").is_dir());
    let path = profile
        .map(|dir| dir.join("examples/fixture"))
        .filter(|path| path.exists());
    path.expect("the fixture, which `cargo build -p socketmaster --example fixture` builds")
}
