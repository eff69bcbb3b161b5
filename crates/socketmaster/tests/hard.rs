//! A system that is short of something: the promises hold, or the start fails with a reason and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use testbed::{App, PATIENCE, Setup, fixture, pause, poll, processes, setup, until};

/// With any number of descriptors it either serves or ends by itself, and its files go with it.
#[test]
fn too_few_descriptors_are_a_clear_end() {
    let app = App::new("notify");
    let (socket, directory) = (app.path("listener"), app.path("run"));
    fs::create_dir(&directory).unwrap();
    let mut serves = false;
    for limit in 5..40 {
        let limited = format!("ulimit -n {limit}; exec \"$@\"");
        let mut supervisor = setup!()
            .under(&["sh", "-c", &limited, "sh"])
            .variable("RUNTIME_DIRECTORY", &directory)
            .listen(format!("unix://{}", socket.display()))
            .app(&app)
            .spawn();
        let ended = poll(PATIENCE, || {
            let ended = supervisor.ended().is_some();
            serves = supervisor.log().count("is ready") > 0;
            (ended || serves).then_some(ended)
        });
        let log = supervisor.log().text();
        match ended {
            Some(true) => assert_eq!(supervisor.wait().code(), Some(1), "{limit}: {log}"),
            Some(false) => assert_eq!(supervisor.stop().code(), Some(0), "{limit}: {log}"),
            None => panic!("{limit}: it neither serves nor ends: {log}"),
        }
        assert!(!socket.exists(), "{limit}: {log}");
        let left = fs::read_dir(&directory).unwrap().count();
        assert_eq!(left, 0, "{limit}: {log}");
    }
    assert!(serves);
}

/// `UMask=0077` of a unit: a worker of another user must still reach its notify socket.
#[test]
fn a_strict_umask_does_not_lock_workers_out() {
    let app = App::new("notify");
    let supervisor = setup!()
        .under(&["sh", "-c", "umask 077; exec \"$@\"", "sh"])
        .variable("RUNTIME_DIRECTORY", app.path(""))
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    let directory = app.path(format!("socketmaster.{}", supervisor.pid()));
    assert_eq!(mode(&directory), 0o711);
    for socket in fs::read_dir(directory).unwrap() {
        let path = socket.unwrap().path();
        // Workers may speak to us there; commands come from our own user alone.
        let is_control = path.file_name().is_some_and(|name| name == "control");
        assert_eq!(mode(&path), if is_control { 0o600 } else { 0o666 });
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A cleaner of temporary directories, or a full one, must not keep a program from being restarted.
#[test]
fn a_run_directory_that_is_gone_costs_ready_messages_only() {
    let app = App::new("version one");
    let supervisor = setup!()
        .flag("-settle=50ms")
        .variable("RUNTIME_DIRECTORY", app.path(""))
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    fs::remove_dir_all(app.path(format!("socketmaster.{}", supervisor.pid()))).unwrap();
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    supervisor.wait_for_line("the worker cannot say READY=1");
    // The old one may still answer.
    let pid = supervisor.wait_for_version("two").pid();
    processes::signal(pid, Signal::KILL);
    supervisor.wait_for_nth_line("is ready", 3);
    assert_eq!(supervisor.get("/").version(), "two");
}

/// prlimit(1) on a running supervisor.
#[test]
fn a_lower_limit_of_descriptors_does_not_stop_starts() {
    let app = App::new("version one");
    let supervisor = setup!()
        .under(&[
            "sh",
            "-c",
            "ulimit -Sn 512; ulimit -Hn 1024; exec \"$@\"",
            "sh",
        ])
        .flag("-settle=50ms")
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    let limit = Rlimit {
        current: Some(256),
        maximum: Some(256),
    };
    prlimit(Pid::from_raw(supervisor.pid()), Resource::Nofile, limit).unwrap();
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_version("two");
}

/// The launcher says why and ends at once: whichever of the two is seen first, the reason is told.
#[test]
fn the_end_of_a_launcher_does_not_hide_its_reason() {
    let app = App::new("version one");
    let script = app.path("app");
    symlink(fixture(), &script).unwrap();
    let supervisor = setup!()
        .flag("-settle=50ms")
        .command(&script, &[app.script().to_str().unwrap()])
        .start();
    supervisor.wait_for_line("is ready");
    fs::remove_file(&script).unwrap();
    fs::write(&script, "#!/no/such/interpreter").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for n in 1..=100 {
        supervisor.hup();
        while supervisor.log().count("Reload failed") < n {
            supervisor.signal(Signal::CHILD);
        }
    }
    let log = supervisor.log();
    assert_eq!(log.count("does not exist"), 100, "{}", log.text());
}

/// The moment in which the new program has agreed and a worker has said READY=1, in one.
#[test]
fn a_ready_message_is_not_lost_in_an_upgrade() {
    let app = App::new("notify");
    let program = app.path("socketmaster");
    let real = env!("CARGO_BIN_EXE_socketmaster");
    symlink(real, &program).unwrap();
    // What is seen of the worker shall not count.
    let supervisor = Setup::exactly(&program)
        .flag("-settle=30s")
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    // The same program, which takes its time to answer.
    let slow = format!(
        "#!/bin/bash\n[ \"$SOCKETMASTER_HANDOVER\" ] && exec {real} \"$@\"\nsleep 0.6\n\
         exec -a socketmaster-preflight {real} \"$@\"\n"
    );
    fs::remove_file(&program).unwrap();
    fs::write(&program, slow).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    app.deploy("sleep 300\nprint says it now\nnotify");
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting", 2);
    supervisor.signal(Signal::USR1);
    let asked = || processes::children(supervisor.pid()).len() == 4;
    until("the new program is asked", asked);
    supervisor.signal(Signal::STOP);
    supervisor.wait_for_line("says it now");
    until("it has answered", || {
        !processes::zombies(supervisor.pid()).is_empty()
    });
    supervisor.signal(Signal::CONT);
    supervisor.wait_for_line("Upgraded");
    supervisor.wait_for_line("Reload done");
}

/// The forwarder is killed twice, so that another is only started in a second; the upgrade comes before that.
#[test]
fn an_upgrade_without_a_forwarder_goes_on_reading_the_workers() {
    let app = App::new("notify\nafter 1500 print still read");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    let forwarders = || {
        let children = processes::children(supervisor.pid());
        children.into_iter().filter(move |pid| *pid != worker)
    };
    for _ in 0..2 {
        until("there is a forwarder", || forwarders().next().is_some());
        let forwarder = forwarders().next().unwrap();
        processes::signal(forwarder, Signal::KILL);
        until("it is gone", || !forwarders().any(|pid| pid == forwarder));
    }
    supervisor.signal(Signal::USR1);
    supervisor.wait_for_line("] still read");
}

/// `exec socketmaster … 2> >(logger)` in a script: what the shell had started becomes our child with the exec.
#[test]
fn children_of_a_shell_that_became_the_supervisor_are_left_alone() {
    let app = App::new("notify");
    let words = "sleep 1000 2>/dev/null & exec \"$@\"";
    let mut supervisor = setup!().under(&["sh", "-c", words, "sh"]).app(&app).start();
    supervisor.wait_for_line("is ready");
    supervisor.signal(Signal::USR1);
    supervisor.wait_for_line("Upgraded");
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.log().count("left behind"), 0);
    assert!(
        matches!(supervisor.processes().as_slice(), [(_, command)] if command.starts_with("sleep"))
    );
}

/// F30
#[test]
fn a_directory_that_is_gone_is_named_and_can_be_replaced() {
    let app = App::new("notify");
    let gone = app.path("release");
    let words = "rmdir ../release; exec \"$@\"";
    let setup = || {
        fs::create_dir(&gone).unwrap();
        setup!()
            .under(&["sh", "-c", words, "sh"])
            .directory(&gone)
            .app(&app)
    };
    let mut refused = setup().spawn();
    assert_eq!(refused.wait().code(), Some(1));
    refused.wait_for_line("-directory");
    setup()
        .flag("-directory=/")
        .start()
        .wait_for_line("is ready");
}

/// F27: `systemctl reload` of a notify-reload unit waits for a RELOADING=1 that is younger than its own HUP.
#[test]
fn each_reload_request_is_announced() {
    let app = App::new("notify");
    let manager = UnixDatagram::bind(app.path("manager")).unwrap();
    let supervisor = setup!()
        .variable("NOTIFY_SOCKET", app.path("manager"))
        .app(&app)
        .start();
    supervisor.wait_for_line("is ready");
    app.deploy("sleep 300\nnotify");
    for n in [2, 3] {
        supervisor.hup();
        supervisor.wait_for_nth_line("Starting", n.min(2));
        pause(Duration::from_millis(100));
    }
    supervisor.wait_for_nth_line("Reload done", 2);
    let mut said = Vec::new();
    manager.set_nonblocking(true).unwrap();
    let mut buffer = [0; 1000];
    while let Ok(length) = manager.recv(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..length]);
        said.push(text.split('=').next().unwrap().to_owned());
    }
    assert_eq!(
        said,
        [
            "READY",
            "RELOADING",
            "RELOADING",
            "READY",
            "RELOADING",
            "READY"
        ]
    );
}

/// Each kind of answer that goes to a terminal, with its status; here nobody can read it.
#[test]
fn words_that_cannot_be_written_do_not_change_the_status() {
    let full = || {
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap()
    };
    for (flag, status) in [("-version", 1), ("-h", 0), ("-no-such-flag", 2)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_socketmaster"));
        let ended = command.arg(flag).stdout(full()).stderr(full()).status();
        assert_eq!(ended.unwrap().code(), Some(status), "{flag}");
    }
}
