//! What the service manager hears, without one: a socket of the test stands in for it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A supervisor whose app is a shell script that can be replaced.
struct Supervisor {
    process: Child,
    manager: UnixDatagram,
    folder: tempfile::TempDir,
}

/// An app that does nothing, and the flags that call it ready for it.
const GOOD: &str = "exec sleep 1000";
const QUICK: [&str; 2] = ["-start", "50"];

impl Supervisor {
    fn start(app: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manager = UnixDatagram::bind(folder.path().join("manager")).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        deploy(folder.path(), app);
        let process = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
            .args(flags)
            .args(["-listen", "tcp://127.0.0.1:0", "-command"])
            .arg(folder.path().join("app"))
            .env("NOTIFY_SOCKET", folder.path().join("manager"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            manager,
            folder,
        }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// The next message: its lines.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.manager.recv(&mut buffer).expect("a message");
        std::str::from_utf8(&buffer[..length])
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn hear_reloading(&self) -> String {
        let heard = self.heard();
        assert_eq!(heard[0], "RELOADING=1");
        let stamp: u64 = heard[1]
            .strip_prefix("MONOTONIC_USEC=")
            .unwrap()
            .parse()
            .unwrap();
        assert!(stamp > 0);
        heard[2].clone()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            // The second one ends also a worker that does not listen to the first.
            self.signal("TERM");
            self.signal("TERM");
            let _ = self.process.wait();
        }
    }
}

fn deploy(folder: &Path, app: &str) {
    let next = folder.join("next");
    let mut file = std::fs::File::create(&next).unwrap();
    write!(file, "#!/bin/sh\n{app}\n").unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o755))
        .unwrap();
    drop(file);
    std::fs::rename(next, folder.join("app")).unwrap();
}

#[test]
fn every_reload_begins_with_reloading_and_ends_with_ready() {
    let mut supervisor = Supervisor::start(GOOD, &QUICK);
    let heard = supervisor.heard();
    assert_eq!(heard[0], "READY=1");
    assert!(
        heard[1].starts_with("STATUS=generation 1 serves, pid "),
        "{heard:?}"
    );

    supervisor.signal("HUP");
    assert!(
        supervisor
            .hear_reloading()
            .starts_with("STATUS=Reloading: generation 2 is starting; generation 1 serves")
    );
    let heard = supervisor.heard();
    assert_eq!(heard[0], "READY=1");
    assert!(
        heard[1].starts_with("STATUS=generation 2 serves"),
        "{heard:?}"
    );

    deploy(supervisor.folder.path(), "exit 3");
    supervisor.signal("HUP");
    supervisor.hear_reloading();
    let heard = supervisor.heard();
    assert_eq!(heard[0], "READY=1");
    let failed = "STATUS=Reload failed: generation 3: it exited with status 3 before it was ready; generation 2 serves";
    assert!(heard[1].starts_with(failed), "{heard:?}");

    std::fs::remove_file(supervisor.folder.path().join("app")).unwrap();
    supervisor.signal("HUP");
    supervisor.hear_reloading();
    let heard = supervisor.heard();
    assert_eq!(heard[0], "READY=1");
    assert!(heard[1].contains("No such file or directory"), "{heard:?}");

    supervisor.signal("TERM");
    assert_eq!(
        supervisor.heard(),
        ["STOPPING=1", "STATUS=Stopping: waiting for 1 worker"]
    );
    assert_eq!(supervisor.process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reload_that_waited_for_another_is_reloading_in_its_turn() {
    let supervisor = Supervisor::start(GOOD, &QUICK);
    supervisor.heard();
    deploy(supervisor.folder.path(), "exec sleep 1001");
    supervisor.signal("HUP");
    supervisor.hear_reloading();
    supervisor.signal("HUP");
    assert!(supervisor.hear_reloading().contains("one more"));
    assert_eq!(supervisor.heard()[0], "READY=1");
    assert!(
        supervisor
            .hear_reloading()
            .contains("generation 3 is starting")
    );
    assert_eq!(supervisor.heard()[0], "READY=1");
}

#[test]
fn a_restart_beside_a_reload_does_not_end_it() {
    let told = tempfile::tempdir().unwrap();
    let crash = told.path().join("crash");
    // The first generation crashes when told to; the second never gets ready.
    let app = format!(
        "[ $SOCKETMASTER_GENERATION = 1 ] || exec sleep 1000\nexec /usr/bin/python3 -c '\
         import os, socket, time\n\
         to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         to.sendto(b\"READY=1\", os.environ[\"NOTIFY_SOCKET\"])\n\
         while not os.path.exists(\"{0}\"): time.sleep(0.02)\n\
         os.remove(\"{0}\")\n\
         os._exit(4)'",
        crash.display()
    );
    let supervisor = Supervisor::start(&app, &[]);
    assert_eq!(supervisor.heard()[0], "READY=1");
    supervisor.signal("HUP");
    supervisor.hear_reloading();
    std::fs::write(&crash, "").unwrap();
    assert_eq!(
        supervisor.heard(),
        ["STATUS=Generation 1 has ended by itself, restarting at once"]
    );
    let heard = supervisor.heard();
    assert_eq!(heard.len(), 1, "no READY=1: {heard:?}");
    assert!(
        heard[0].starts_with("STATUS=Reloading; generation 1 serves, pid "),
        "{heard:?}"
    );
}
