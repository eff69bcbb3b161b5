//! A running systemd of our own, with a folder that it sees as `/run/test`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The manager; it ends with this, and so does everything that it started.
pub(crate) struct Machine {
    script: Child,
    pid: String,
    folder: TempDir,
    /// Free a moment ago.
    pub(crate) port: u16,
}

impl Machine {
    /// Starts one, with our program in it; `None` where that is not possible, which under `CI=true` is a failure.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd");
        fs::create_dir(folder.path().join("units")).unwrap();
        fs::create_dir(folder.path().join("apps")).unwrap();
        for app in fs::read_dir(here.join("apps")).unwrap() {
            let app = app.unwrap();
            fs::copy(app.path(), folder.path().join("apps").join(app.file_name())).unwrap();
        }
        fs::copy(
            env!("CARGO_BIN_EXE_socketmaster"),
            folder.path().join("socketmaster"),
        )
        .unwrap();
        let mut script = Command::new(here.join("user-manager.sh"))
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
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "cannot run here: {said}"
            );
            println!("NOT RUN: {}", said.trim_end().trim_start_matches("skip "));
            return None;
        };
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let this = Self {
            pid: pid.to_owned(),
            script,
            folder,
            port,
        };
        this.deploy("good");
        // The journal is not there; this is where it can be read after a failure.
        this.install(
            "service.d/log.conf",
            "[Service]\nStandardError=append:/run/test/log\n",
        );
        Some(this)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Installs a unit of ours.
    pub(crate) fn install(&self, name: &str, text: &str) {
        let path = self.path("units").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Makes this app the current one, as a deploy by symlink does.
    pub(crate) fn deploy(&self, app: &str) {
        symlink(Path::new("apps").join(app), self.path("next")).unwrap();
        fs::rename(self.path("next"), self.path("current")).unwrap();
    }

    /// Puts another copy of our program where the first one is.
    pub(crate) fn replace_program(&self) {
        let new = self.path("socketmaster.new");
        fs::copy(env!("CARGO_BIN_EXE_socketmaster"), &new).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, self.path("socketmaster")).unwrap();
    }

    /// Runs a command where the manager is; one that hangs is ended with status 124.
    pub(crate) fn run(&self, command: &[&str]) -> Output {
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

    pub(crate) fn systemctl(&self, args: &[&str]) -> Output {
        self.run(&[&["systemctl", "--user"], args].concat())
    }

    /// Runs systemctl, which must succeed.
    #[track_caller]
    pub(crate) fn order(&self, args: &[&str]) {
        let output = self.systemctl(args);
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "systemctl {args:?}: {} {words}\n{}",
            output.status,
            self.log()
        );
    }

    pub(crate) fn show(&self, unit: &str, property: &str) -> String {
        let output = self.systemctl(&["show", "-P", property, unit]);
        String::from_utf8(output.stdout)
            .unwrap()
            .trim_end()
            .to_owned()
    }

    /// Waits until a property of the unit holds.
    #[track_caller]
    pub(crate) fn wait_for(
        &self,
        unit: &str,
        property: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        until(|| Some(self.show(unit, property)).filter(|is| wanted(is))).unwrap_or_else(|| {
            panic!(
                "{property} stays {:?}\n{}",
                self.show(unit, property),
                self.log()
            )
        })
    }

    /// What the services have written.
    pub(crate) fn log(&self) -> String {
        fs::read(self.path("log")).map_or_else(
            |_| "no log".into(),
            |log| String::from_utf8_lossy(&log).into(),
        )
    }

    /// Asks the app for its pid.
    pub(crate) fn ask(&self) -> Option<String> {
        self.request("/").and_then(answer)
    }

    /// Begins a request.
    pub(crate) fn request(&self, path: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        Some(stream)
    }

    /// Ends the manager, which must find that no process is left.
    pub(crate) fn finish(mut self) {
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

/// The answer to a request: the pid of the worker.
pub(crate) fn answer(mut stream: TcpStream) -> Option<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.rsplit("\r\n")
        .next()
        .filter(|pid| !pid.is_empty())
        .map(str::to_owned)
}

/// Whether a process runs.
pub(crate) fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

/// Looks again and again until there is something, at most half a minute.
#[expect(
    clippy::disallowed_methods,
    reason = "systemd offers a test nothing to wait on"
)]
pub(crate) fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..1500 {
        let found = look();
        if found.is_some() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    None
}
