//! What may stand at the supervisor's path when it is told to upgrade: a good program is executed, a bad one changes
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::TempDir;
use testbed::{App, Setup, Supervisor, now, poll, processes, until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_socketmaster");

/// A directory where the supervisor's program is installed.
struct Installed(TempDir);

impl Installed {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        copy(PROGRAM, &this.path("good"));
        this.put("good");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Where the supervisor is started from.
    fn program(&self) -> PathBuf {
        self.path("socketmaster")
    }

    /// From now on this is the program: a deploy as a package manager does it.
    fn put(&self, name: &str) {
        fs::hard_link(self.path(name), self.path("next")).unwrap();
        fs::rename(self.path("next"), self.program()).unwrap();
    }

    fn start(&self, app: &App) -> Supervisor {
        serving(Setup::exactly(self.program()).app(app))
    }
}

/// By another process: what this one has open for writing, a child of another test may hold open too, and then it
/// cannot be executed.
fn copy(from: impl AsRef<Path>, to: &Path) {
    let copied = Command::new("cp").arg(from.as_ref()).arg(to).status();
    assert!(copied.unwrap().success());
}

fn serving(setup: Setup) -> Supervisor {
    let supervisor = setup.listen("tcp://127.0.0.1:0").start();
    supervisor.wait_for_line("is ready");
    supervisor
}

/// The inode of the program that a process runs.
fn image(pid: i32) -> u64 {
    fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino()
}

fn inode(path: impl AsRef<Path>) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// Tells it to upgrade, which must fail, and returns why.
#[track_caller]
fn failing(supervisor: &Supervisor) -> String {
    let before = supervisor.log().count("Upgrade failed");
    let worker = supervisor.get("/").pid();
    supervisor.signal(Signal::USR1);
    let line = supervisor.wait_for_nth_line("Upgrade failed, nothing has changed: ", before + 1);
    assert_eq!(supervisor.get("/").pid(), worker);
    line.text
}

/// F7, F21.
#[test]
fn a_broken_program_changes_nothing_and_is_named() {
    let installed = Installed::new();
    let app = App::new("version 1");
    let words = "#!/bin/sh\necho it lacks a library >&2\nexit 1\n";
    copy(app.executable("program", words), &installed.path("refuses"));
    copy("/bin/true", &installed.path("silent"));
    let half = format!("head -c 20000 {PROGRAM} >half && chmod +x half");
    let cut = Command::new("sh")
        .arg("-c")
        .arg(half)
        .current_dir(&installed.0)
        .status();
    assert!(cut.unwrap().success());

    let supervisor = installed.start(&app);
    supervisor.upgrade();
    let forwarder = supervisor.forwarder();
    let open = || [supervisor.pid(), forwarder].map(|pid| processes::descriptors(pid).len());
    let before = open();
    let running = image(supervisor.pid());

    for (name, reason) in [
        ("silent", "it said nothing"),
        ("refuses", "it lacks a library"),
        ("half", ""),
    ] {
        installed.put(name);
        let line = failing(&supervisor);
        assert!(line.contains(reason), "{name}: {line}");
        assert!(line.contains("/socketmaster"), "{name}: {line}");
    }
    fs::remove_file(installed.program()).unwrap();
    let line = failing(&supervisor);
    assert!(line.contains("No such file or directory"), "{line}");
    fs::create_dir(installed.program()).unwrap();
    let line = failing(&supervisor);
    assert!(line.contains("Permission denied"), "{line}");
    fs::remove_dir(installed.program()).unwrap();

    assert_eq!(image(supervisor.pid()), running);
    until("no descriptor more", || open() == before);
    until("no zombie", || {
        processes::zombies(supervisor.pid()).is_empty()
    });
    // Reloads go on without it, and the next good one is taken.
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_line("exit status 0");
    installed.put("good");
    supervisor.upgrade();
    assert_eq!(supervisor.get("/").version(), "2");
    until("no descriptor more", || open() == before);
}

#[test]
fn a_program_that_hangs_is_killed_after_its_time() {
    let installed = Installed::new();
    let app = App::new("version 1");
    copy(
        app.executable("program", "#!/bin/sh\nsleep 1000\n"),
        &installed.path("hangs"),
    );
    let supervisor = installed.start(&app);
    installed.put("hangs");
    failing(&supervisor);
    until("it is gone, with its children", || {
        supervisor.processes().len() == 3 && processes::zombies(supervisor.pid()).is_empty()
    });
    installed.put("good");
    supervisor.upgrade();
}

/// F4: the one that is being asked does not hold up a stop, or a reload.
#[test]
fn nothing_waits_for_a_program_that_hangs() {
    let installed = Installed::new();
    let app = App::new("version 1");
    copy(
        app.executable("program", "#!/bin/sh\nexec sleep 1000\n"),
        &installed.path("hangs"),
    );
    let mut supervisor = installed.start(&app);
    installed.put("hangs");
    let asked = now();
    supervisor.signal(Signal::USR1);
    until("it is asked", || supervisor.processes().len() > 3);
    supervisor.signal(Signal::USR2);
    supervisor.wait_for_line("is being asked already");
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_version("2");
    assert!(supervisor.stop().success());
    assert!(asked.elapsed().as_secs() < 8, "{:?}", asked.elapsed());
    assert!(supervisor.processes().is_empty());
    assert_eq!(supervisor.log().count("left behind"), 0);
}

#[test]
fn a_changed_program_becomes_the_running_one() {
    let installed = Installed::new();
    let app = App::new("version 1");
    let supervisor = installed.start(&app);
    assert_eq!(image(supervisor.pid()), inode(installed.path("good")));
    copy(PROGRAM, &installed.path("newer"));
    installed.put("newer");
    supervisor.upgrade();
    assert_eq!(image(supervisor.pid()), inode(installed.path("newer")));
    assert_ne!(image(supervisor.pid()), inode(installed.path("good")));
}

/// What is typed on a command line: a relative path, a name that is looked up, and a symlink that is moved.
#[test]
fn the_program_is_found_again_by_the_name_it_was_started_by() {
    let installed = Installed::new();
    let app = App::new("version 1");
    let path = env::join_paths(
        [installed.0.path().to_owned()]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    );
    let relative = Setup::exactly("./socketmaster").directory(installed.0.path());
    let looked_up = Setup::exactly("socketmaster").variable("PATH", path.unwrap());
    let supervisors = [relative, looked_up].map(|setup| serving(setup.app(&app)));
    copy(PROGRAM, &installed.path("newer"));
    installed.put("newer");
    for supervisor in supervisors {
        assert_eq!(image(supervisor.pid()), inode(installed.path("good")));
        supervisor.upgrade();
        assert_eq!(image(supervisor.pid()), inode(installed.path("newer")));
    }
}

#[test]
fn a_symlink_that_was_moved_is_followed() {
    let installed = Installed::new();
    let app = App::new("version 1");
    copy(PROGRAM, &installed.path("newer"));
    let link = installed.path("current");
    symlink(installed.path("good"), &link).unwrap();
    let supervisor = serving(Setup::exactly(&link).app(&app));
    symlink(installed.path("newer"), installed.path("next")).unwrap();
    fs::rename(installed.path("next"), &link).unwrap();
    supervisor.upgrade();
    assert_eq!(image(supervisor.pid()), inode(installed.path("newer")));
}

/// F30: the workers are started by the running image, whatever has become of its file.
#[test]
fn a_program_that_was_removed_still_reloads() {
    let installed = Installed::new();
    let app = App::new("version 1");
    let supervisor = installed.start(&app);
    fs::remove_file(installed.program()).unwrap();
    fs::remove_file(installed.path("good")).unwrap();
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_version("2");
    let worker = supervisor.get("/").pid();
    processes::signal(worker, Signal::KILL);
    let other = poll(testbed::PATIENCE, || {
        Some(supervisor.get("/").pid()).filter(|pid| *pid != worker)
    });
    assert!(other.is_some());
}
