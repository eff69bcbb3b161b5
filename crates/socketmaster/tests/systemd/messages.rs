//! What the service manager hears, without one: a socket of the test stands in for it.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testbed::{App, fixture};

/// A supervisor, and what it tells its manager.
struct Supervisor {
    process: Child,
    manager: UnixDatagram,
    app: App,
}

impl Supervisor {
    /// With an app that does this; `wrapper` is the line of a shell script that stands before it.
    fn start(script: &str, wrapper: &str) -> Self {
        let app = App::new(script);
        let program = format!(
            "#!/bin/sh\n{wrapper}\nexec {} {}\n",
            fixture().display(),
            app.script().display()
        );
        let program = app.executable("app", &program);
        let manager = UnixDatagram::bind(app.path("manager")).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let file = app.path("app.toml");
        let text = format!("listen = 'tcp://127.0.0.1:0'\ncommand = {program:?}\n");
        std::fs::write(&file, text).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
            .arg("run")
            .arg(file)
            .env("NOTIFY_SOCKET", app.path("manager"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            manager,
            app,
        }
    }

    fn signal(&self, signal: Signal) {
        kill(self.process.id(), signal);
    }

    /// The next message: its lines.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = loop {
            match self.manager.recv(&mut buffer) {
                // signal(7): with a timeout, also when a debugger or freezer lets the process go on.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other.expect("a message"),
            }
        };
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next message, which must be that of a reload's begin: its status.
    fn hear_reloading(&self) -> String {
        let heard = self.heard();
        assert_eq!(heard[0], "RELOADING=1", "{heard:?}");
        let stamp: u64 = heard[1]
            .strip_prefix("MONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!(stamp > 0);
        heard[2].clone()
    }

    /// The next message, which must be that of readiness: its status.
    fn hear_ready(&self) -> String {
        let heard = self.heard();
        assert_eq!(heard[0], "READY=1", "{heard:?}");
        heard[1].clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // The second one ends a worker too that takes no notice of the first.
            self.signal(Signal::TERM);
            self.signal(Signal::INT);
            let _ = self.process.wait();
        }
    }
}

fn kill(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn every_reload_begins_with_reloading_and_ends_with_ready() {
    let mut supervisor = Supervisor::start("notify", "");
    let status = supervisor.hear_ready();
    assert!(
        status.starts_with("STATUS=generation 1 serves, pid "),
        "{status}"
    );

    supervisor.signal(Signal::HUP);
    let status = supervisor.hear_reloading();
    assert!(
        status.starts_with("STATUS=Reloading: generation 2 is starting; generation 1 serves, pid "),
        "{status}"
    );
    let status = supervisor.hear_ready();
    assert!(
        status.starts_with("STATUS=generation 2 serves, pid "),
        "{status}"
    );

    supervisor.app.deploy("exit 3");
    supervisor.signal(Signal::HUP);
    supervisor.hear_reloading();
    let status = supervisor.hear_ready();
    let failed = "STATUS=Reload failed: generation 3: it exited with status 3 before it was ready; generation 2 serves";
    assert!(status.starts_with(failed), "{status}");

    std::fs::remove_file(supervisor.app.path("app")).unwrap();
    supervisor.signal(Signal::HUP);
    supervisor.hear_reloading();
    let status = supervisor.hear_ready();
    assert!(status.contains("No such file or directory"), "{status}");

    std::fs::write(supervisor.app.path("app.toml"), "wrokers = 2").unwrap();
    supervisor.signal(Signal::HUP);
    let status = supervisor.hear_reloading();
    assert!(status.contains("generation 5 is starting"), "{status}");
    let status = supervisor.hear_ready();
    let failed = "STATUS=Reload failed: generation 5: ";
    assert!(status.starts_with(failed), "{status}");
    assert!(status.contains("unknown key"), "{status}");

    supervisor.signal(Signal::TERM);
    let heard = supervisor.heard();
    assert_eq!(heard[0], "STOPPING=1");
    // One worker, or two while the first generation is still on its way out.
    assert!(
        heard[1].starts_with("STATUS=Stopping: waiting for "),
        "{heard:?}"
    );
    assert_eq!(supervisor.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reload_that_waited_for_another_is_reloading_in_its_turn() {
    let supervisor = Supervisor::start("notify", "");
    supervisor.hear_ready();
    supervisor.app.deploy("sleep 1000\nnotify");
    supervisor.signal(Signal::HUP);
    supervisor.hear_reloading();
    supervisor.signal(Signal::HUP);
    let status = supervisor.hear_reloading();
    assert!(status.contains("one more"), "{status}");
    supervisor.hear_ready();
    let status = supervisor.hear_reloading();
    assert!(status.contains("generation 3 is starting"), "{status}");
    supervisor.hear_ready();
}

#[test]
fn a_restart_beside_a_reload_does_not_end_it() {
    let wrapper = "[ $SOCKETMASTER_GENERATION = 1 ] || exec sleep 1000 # which never gets ready";
    let supervisor = Supervisor::start("notify", wrapper);
    let status = supervisor.hear_ready();
    let worker = status.rsplit(' ').next().unwrap().parse().unwrap();
    supervisor.signal(Signal::HUP);
    supervisor.hear_reloading();
    kill(worker, Signal::KILL);
    let restart = ["STATUS=Generation 1 has ended by itself, restarting at once"];
    assert_eq!(supervisor.heard(), restart);
    let heard = supervisor.heard();
    assert_eq!(heard.len(), 1, "no READY=1: {heard:?}");
    assert!(
        heard[0].starts_with("STATUS=Reloading; generation 1 serves, pid "),
        "{heard:?}"
    );
}
