//! A running systemd with socketmaster and its apps in it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use testbed::{poll, processes};

/// What [`testbed::Machine`] is, and the app in front of it.
pub(crate) struct Machine(testbed::Machine);

impl Deref for Machine {
    type Target = testbed::Machine;

    fn deref(&self) -> &testbed::Machine {
        &self.0
    }
}

impl Machine {
    /// Starts one, if that is possible here.
    pub(crate) fn start() -> Option<Self> {
        let this = Self(testbed::Machine::start()?);
        let apps = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/apps");
        for app in fs::read_dir(apps).unwrap() {
            let app = app.unwrap();
            this.put(
                app.path(),
                &format!("apps/{}", app.file_name().to_str().unwrap()),
            );
        }
        this.replace_program();
        this.deploy("good");
        Some(this)
    }

    /// Makes this app the current one.
    pub(crate) fn deploy(&self, app: &str) {
        self.link("current", &format!("apps/{app}"));
    }

    /// Puts another copy of our program where the first one is.
    pub(crate) fn replace_program(&self) {
        self.put(env!("CARGO_BIN_EXE_socketmaster"), "socketmaster");
    }

    /// Asks the app for its pid.
    pub(crate) fn ask(&self) -> Option<String> {
        self.request("/").and_then(answer)
    }

    /// Begins a request.
    pub(crate) fn request(&self, path: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
        Some(stream)
    }

    /// Ends the manager, which must find that no process is left.
    pub(crate) fn finish(self) {
        self.0.finish();
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
    pid.parse().is_ok_and(processes::is_alive)
}

/// Looks again and again until there is something, at most half a minute.
pub(crate) fn until<T>(look: impl FnMut() -> Option<T>) -> Option<T> {
    poll(Duration::from_secs(30), look)
}
