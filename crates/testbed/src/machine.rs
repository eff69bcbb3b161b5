//! A running systemd of our own, with a folder that it sees as `/run/test`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::{cannot_run, poll};

/// The manager; it ends with this, and so does everything that it started.
#[derive(Debug)]
pub struct Machine {
    script: Child,
    pid: String,
    folder: TempDir,
    /// Free a moment ago.
    pub address: SocketAddr,
}

/// How long systemd and what it runs may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Machine {
    /// Starts one; `None` where that is not possible, which under `CI=true` is a failure.
    ///
    /// # Panics
    /// It should be possible and is not.
    #[must_use]
    pub fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("units")).unwrap();
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/user-manager.sh"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(script.stdout.as_mut().unwrap())
            .read_line(&mut said)
            .unwrap();
        let Some(pid) = said.trim_end().strip_prefix("ready ") else {
            let status = script.wait().unwrap();
            assert_eq!(
                status.code(),
                Some(77),
                "the user manager did not start: {said}"
            );
            cannot_run(said.trim_end().trim_start_matches("skip "));
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let this = Self {
            pid: pid.to_owned(),
            script,
            folder,
            address: free.unwrap(),
        };
        // The journal is not there; this is where it can be read after a failure.
        this.install(
            "service.d/log.conf",
            "[Service]\nStandardError=append:/run/test/log\n",
        );
        Some(this)
    }

    /// Where a file of the folder is for us.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Installs a unit.
    pub fn install(&self, name: &str, text: &str) {
        let path = self.path("units").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Puts a copy of a program into the folder, in place of one that may run.
    pub fn put(&self, program: impl AsRef<Path>, name: &str) {
        let new = self.path("new");
        fs::copy(program, &new).unwrap();
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Lets a name of the folder stand for another, at once, as a deploy by symlink does.
    pub fn link(&self, name: &str, target: &str) {
        let new = self.path("new");
        std::os::unix::fs::symlink(target, &new).unwrap();
        fs::rename(new, self.path(name)).unwrap();
    }

    /// Runs a command where the manager is; one that hangs is ended with status 124.
    #[must_use]
    pub fn run(&self, command: &[&str]) -> Output {
        Command::new("nsenter")
            .args([
                "--mount", "--target", &self.pid, "--", "timeout", "30", "env",
            ])
            .args(["HOME=/run/home", "XDG_RUNTIME_DIR=/run/user-manager"])
            .args(command)
            .current_dir("/")
            .output()
            .unwrap()
    }

    /// Runs systemctl.
    #[must_use]
    pub fn systemctl(&self, args: &[&str]) -> Output {
        self.run(&[&["systemctl", "--user"], args].concat())
    }

    /// Runs systemctl, which must succeed.
    #[track_caller]
    pub fn order(&self, args: &[&str]) {
        let output = self.systemctl(args);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "systemctl {args:?}: {} {words}\n{}",
            output.status,
            self.log()
        );
    }

    /// A property of a unit: systemctl(1).
    #[must_use]
    pub fn show(&self, unit: &str, property: &str) -> String {
        let output = self.systemctl(&["show", "-P", property, unit]);
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned()
    }

    /// Waits until a property of the unit holds, and says what it is then.
    #[track_caller]
    pub fn wait_for(&self, unit: &str, property: &str, wanted: impl Fn(&str) -> bool) -> String {
        let is = poll(PATIENCE, || {
            Some(self.show(unit, property)).filter(|is| wanted(is))
        });
        is.unwrap_or_else(|| {
            panic!(
                "{property} stays {:?}\n{}",
                self.show(unit, property),
                self.log()
            )
        })
    }

    /// What the services have written.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.path("log")).map_or_else(
            |_| "no log".into(),
            |log| String::from_utf8_lossy(&log).into(),
        )
    }

    /// Ends the manager, which must find that no process is left.
    ///
    /// # Panics
    /// There is one.
    pub fn finish(mut self) {
        drop(self.script.stdin.take());
        assert!(
            self.script.wait().unwrap().success(),
            "a process was left behind"
        );
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}
