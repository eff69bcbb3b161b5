//! A reload reads the file again: all of it, or nothing of it.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testbed::{Load, pause, until};

use super::*;

#[test]
fn a_reload_reads_command_and_environment_again() {
    let site = Site::new("version one");
    fs::write(site.app.path("a.env"), "FROM=file\nBOTH=file\n").unwrap();
    let lines = [
        "env_file = 'a.env'",
        "environment = { MODE = 'a', BOTH = 'own' }",
    ];
    site.write_listening(&lines);
    let mut supervisor = site.start();
    let pid = supervisor.get("/").pid();
    let set = ["MODE", "FROM", "BOTH"].map(|name| variable(pid, name));
    assert_eq!(set, ["a", "file", "own"]);

    fs::write(site.app.path("a.env"), "FROM='other file'\n").unwrap();
    site.reload();
    serves_with(&supervisor, "FROM", "other file");

    // Another program altogether, in another directory.
    let other = site.app.executable(
        "sub/other.sh",
        &format!("#!/bin/sh\nexec {} \"$@\"\n", fixture().display()),
    );
    let script = site.app.script();
    let text = format!(
        "command = ['./other.sh', {script:?}]\nlisten = '{}'\ndirectory = 'sub'\nsettle = '50ms'\n",
        uri(site.port)
    );
    fs::write(site.file(), text).unwrap();
    site.app.deploy("version two");
    site.reload();
    let pid = supervisor.wait_for_version("two").pid();
    assert_eq!(variable(pid, "MODE"), "");
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    assert_eq!(directory, other.parent().unwrap().canonicalize().unwrap());
    assert_eq!(supervisor.stop().code(), Some(0));
}

#[test]
fn mistakes_fail_the_reload_with_their_places_and_change_nothing() {
    let site = Site::new("version one");
    site.write_listening(&[]);
    let supervisor = site.start();
    let pid = supervisor.get("/").pid();
    let file = site.file().display().to_string();

    site.write_listening(&["wrokers = 2", "bake = 'soon'"]);
    let said = site.fail();
    let expected = format!(
        "{file}:4:1: unknown key \"wrokers\" (did you mean workers?) (and 1 more: socketmaster check {file} shows all)"
    );
    assert!(said.contains(&expected), "{said}");
    supervisor.wait_for_line("app.toml:5:8: invalid value \"soon\" for bake");

    site.write_listening(&["env_file = 'none.env'"]);
    assert!(
        site.fail()
            .contains("none.env cannot be read: No such file")
    );
    site.write_listening(&["user = 'no-such-login'"]);
    assert!(site.fail().contains("Unable to find user no-such-login"));
    site.write_listening(&["directory = 'nowhere'"]);
    assert!(site.fail().contains("Cannot enter the directory"));
    for fixed in [
        "log_format = 'json'",
        "syslog = true",
        "metrics = 'tcp://127.0.0.1:0'",
        "adopt = true",
    ] {
        site.write_listening(&[fixed]);
        let key = fixed.split(' ').next().unwrap();
        let said = site.fail();
        assert!(
            said.contains(&format!("{key} cannot be changed by a reload")),
            "{said}"
        );
    }
    fs::write(
        site.file(),
        format!("command = './none'\nlisten = '{}'\n", uri(site.port)),
    )
    .unwrap();
    assert!(
        site.fail()
            .contains("Could not find executable exec: \"./none\"")
    );
    fs::remove_file(site.file()).unwrap();
    assert!(
        site.fail()
            .contains("app.toml: cannot be read: No such file")
    );

    let starts = supervisor.log().count("Starting ");
    assert_eq!(starts, 1, "nothing was started for any of them");
    assert_eq!(supervisor.get("/").pid(), pid);
    // By HUP it is the same.
    supervisor.hup();
    supervisor.wait_for_nth_line("Reload failed: generation 1 serves on", 10);
    alone(&supervisor, pid);
}

#[test]
fn what_stood_before_a_failed_reload_is_what_a_crash_is_restarted_by() {
    let site = Site::new("version one");
    site.write_listening(&["environment = { MODE = 'old' }"]);
    let supervisor = site.start();
    site.app.deploy("exit 3");
    site.write_listening(&["environment = { MODE = 'new' }"]);
    let said = site.fail();
    assert!(said.contains("it exited with status 3"), "{said}");

    site.app.deploy("version again");
    let pid = supervisor.get("/").pid();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let pid = supervisor.wait_for_version("again").pid();
    assert_eq!(variable(pid, "MODE"), "old");
    site.reload();
    serves_with(&supervisor, "MODE", "new");
}

#[test]
fn each_generation_is_told_to_stop_in_its_own_way() {
    let site = Site::new("version one");
    site.write_listening(&["stop_signal = 'QUIT'"]);
    let supervisor = site.start();
    site.write_listening(&["stop_signal = 'INT'"]);
    site.reload();
    supervisor.wait_for_line("(generation 1) to stop: SIGQUIT");
    site.reload();
    supervisor.wait_for_line("(generation 2) to stop: SIGINT");
}

#[test]
fn the_number_of_workers_is_part_of_it_and_what_was_scaled_to_is_not_undone() {
    let site = Site::new("version one");
    site.write_listening(&["workers = 2"]);
    let supervisor = site.start_workers(2);
    let are = |n: usize| until(&format!("{n} workers"), || supervisor.workers().len() == n);
    are(2);
    assert_eq!(site.ask(&["scale", "3"]).status, 0);
    are(3);
    site.reload();
    are(3);
    site.write_listening(&["workers = 1", "strategy = 'all'"]);
    site.reload();
    are(1);
    site.write_listening(&["workers = 4"]);
    site.reload();
    are(4);
    let serving = supervisor.workers().into_iter();
    for pid in serving {
        assert_eq!(variable(pid, "SOCKETMASTER_GENERATION"), "4");
    }
}

#[test]
fn a_bake_that_the_new_file_asks_for_is_that_of_its_reload() {
    let site = Site::new("version one");
    site.write_listening(&[]);
    let supervisor = site.start();
    site.app.deploy("version two\nafter 400 exit 5");
    site.write_listening(&["bake = '30s'", "restart = 'never'"]);
    assert!(site.fail().contains("ended with status 5"));
    assert_eq!(supervisor.get("/").version(), "one");
}

#[test]
fn what_shows_that_it_is_ready_is_that_of_the_new_file() {
    let site = Site::new("version one");
    site.write_listening(&[]);
    let supervisor = site.start();
    let lines = ["ready = 'notify'", "ready_timeout = '300ms'"];
    site.write_listening(&lines);
    let said = site.fail();
    assert!(said.contains("READY=1"), "{said}");
    // A crash of the old one is restarted by its own rules.
    let pid = supervisor.get("/").pid();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    supervisor.wait_for_nth_line("Generation 1 is ready", 2);
    site.app.deploy("version two\nnotify");
    site.reload();
    supervisor.wait_for_version("two");
}

/// Good files, broken ones and broken programs, as fast as they come, and no request pays for it.
#[test]
fn a_storm_of_deploys_loses_no_request() {
    let site = Site::new("version one");
    site.write_listening(&[]);
    let mut supervisor = site.start();
    let load = Load::start(supervisor.address(), 4, "/");
    let extra = free_port();
    for n in 0..12 {
        let more = format!("listen = ['{}', '{}']", uri(site.port), uri(extra));
        match n % 4 {
            0 => site.write_listening(&["workers = 2"]),
            1 => site.write(&[&more]),
            2 => site.write_listening(&["workres = 2"]),
            _ => {
                site.app.deploy("sleep 20\nexit 1");
                site.write(&[&more, "workers = 1"]);
            }
        }
        supervisor.hup();
        pause(Duration::from_millis(40 * (n % 5)));
        site.app.deploy("version two");
    }
    site.write_listening(&[]);
    site.reload();
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.ok > 100, "{report:?}");
    assert_eq!(supervisor.stop().code(), Some(0));
}
