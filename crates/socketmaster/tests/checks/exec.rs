//! A command that says whether the worker is ready.

use std::fs;
use std::time::Duration;

use testbed::{App, Setup, is_root, now, setup, until};

use crate::{serving, zombies};

/// The fixture, checked by this command.
fn checked(app: &App, command: &str) -> Setup {
    setup!().flag(format!("-ready=exec:{command}")).app(app)
}

#[test]
fn the_command_knows_the_worker_and_its_status_decides() {
    let app = App::new("version one");
    let place = app.path("").display().to_string();
    let check = app.executable(
        "check",
        "#!/bin/sh\nenv >$2/environment; pwd >$2/directory; readlink /proc/self/fd/0 >$2/input\n\
         echo \"asked with $1\"; [ -e $2/yes ] || exit 7\n",
    );
    let command = format!("{} 'two words' {place}", check.display());
    let setup = checked(&app, &command)
        .flag("-directory=/usr")
        .flag("-workers=2");
    let mut supervisor = setup.variable("OURS", "too").start();
    supervisor.wait_for_line("asked with two words");
    assert_eq!(supervisor.log().count("is ready"), 0);
    fs::write(app.path("yes"), "").unwrap();
    supervisor.wait_for_nth_line("is ready", 2);
    assert_eq!(fs::read_to_string(app.path("directory")).unwrap(), "/usr\n");
    assert_eq!(
        fs::read_to_string(app.path("input")).unwrap(),
        "/dev/null\n"
    );
    let environment = fs::read_to_string(app.path("environment")).unwrap();
    let value = |name: &str| {
        let mut values = environment
            .lines()
            .filter_map(|l| l.strip_prefix(name)?.strip_prefix('='));
        values.next().map(str::to_owned)
    };
    assert_eq!(value("OURS").as_deref(), Some("too"));
    assert_eq!(value("SOCKETMASTER_GENERATION").as_deref(), Some("1"));
    let slot: usize = value("SOCKETMASTER_WORKER").unwrap().parse().unwrap();
    assert!(slot < 2);
    let pid: i32 = value("SOCKETMASTER_PID").unwrap().parse().unwrap();
    assert!(supervisor.workers().contains(&pid), "{pid}");
    // Nothing that it could take for its own.
    for none in [
        "EINHORN_FDS",
        "LISTEN_FDS",
        "NOTIFY_SOCKET",
        "SOCKETMASTER_READY_PORT",
    ] {
        assert_eq!(value(none), None, "{none}");
    }
    until("all are reaped", || zombies(&supervisor) == 0);
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn what_it_said_last_stands_in_the_verdict() {
    let app = App::new("version one");
    let sick = app.path("sick").display().to_string();
    let command = format!("sh -c 'test ! -e {sick} || exec sh {sick}'");
    let supervisor = serving(checked(&app, &command).flag("-ready-timeout=1500ms"));
    let old = supervisor.workers();
    for (n, (script, expected)) in (2..).zip([
        ("exit 2", "said: exit status 2"),
        ("kill -SEGV $$", "said: ended by SIGSEGV"),
    ]) {
        fs::write(app.path("sick"), script).unwrap();
        supervisor.hup();
        let line = supervisor.wait_for_line(&format!(
            "Generation {n} failed: it was not ready within 1500 ms"
        ));
        assert!(line.text.contains(expected), "{}", line.text);
        until("only the old one is there", || {
            supervisor.workers() == old && zombies(&supervisor) == 0
        });
    }
}

#[test]
fn a_command_that_cannot_be_run_is_said_and_tried_again() {
    let app = App::new("version one");
    let check = app.path("later").display().to_string();
    let setup = checked(&app, &check).flag("-ready-timeout=1s");
    setup.start().wait_for_line(&format!(
        "said: exec: \"{check}\": No such file or directory"
    ));
    fs::write(&check, "not a program").unwrap();
    let supervisor = checked(&app, "/etc/passwd")
        .flag("-ready-timeout=1s")
        .start();
    supervisor.wait_for_line("permission denied (a directory, or a file that is not executable)");
    let check = app.executable("interpreted", "#!/no/such/interpreter\n");
    let setup = checked(&app, &check.display().to_string()).flag("-ready-timeout=1s");
    setup
        .start()
        .wait_for_line("its interpreter (the #! line) or its dynamic loader does not exist");
}

#[test]
fn one_that_hangs_is_killed_with_its_group_and_asked_again() {
    let app = App::new("version one");
    let asked = app.path("asked").display().to_string();
    let command =
        format!("sh -c 'test -e {asked} && exit 0; touch {asked}; sleep 1000 & wait; echo $!'");
    let started = now();
    let supervisor = serving(checked(&app, &command));
    assert!(
        started.elapsed() >= Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    until("the sleeper is gone", || supervisor.workers().len() == 1);
    assert!(
        !supervisor
            .processes()
            .iter()
            .any(|(_, line)| line.starts_with("sleep"))
    );
    until("all are reaped", || zombies(&supervisor) == 0);
}

#[test]
fn one_that_runs_ends_with_the_worker_and_at_a_stop() {
    let app = App::new("version one");
    let asked = app.path("asked").display().to_string();
    let command = format!("sh -c 'touch {asked}; sleep 1000; exit 1'");
    let sleeps = |supervisor: &testbed::Supervisor| {
        supervisor
            .processes()
            .iter()
            .any(|(_, line)| line.starts_with("sleep"))
    };
    // The worker fails.
    let mut supervisor = checked(&app, &command).flag("-ready-timeout=1s").start();
    supervisor.wait_for_line("Generation 1 failed: it was not ready within 1000 ms");
    assert_eq!(supervisor.wait().code(), Some(137));
    assert_eq!(supervisor.processes(), []);
    // The service stops.
    fs::remove_file(&asked).unwrap();
    let mut supervisor = checked(&app, &command).start();
    until("it runs", || {
        fs::exists(&asked).unwrap() && sleeps(&supervisor)
    });
    let asked_to = now();
    supervisor.stop();
    assert!(asked_to.elapsed() < Duration::from_secs(5));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn it_runs_as_the_worker_does() {
    if !is_root() {
        return;
    }
    let app = App::new("version one");
    let supervisor = serving(checked(&app, "sh -c 'id -un; echo $HOME'").flag("-user=nobody"));
    let pid = supervisor.workers()[0];
    supervisor.wait_for_line("] nobody");
    assert_eq!(
        supervisor.log().count(&format!("[{pid}] nobody")),
        0,
        "its lines bear its own pid"
    );
}
