//! `-ready einhorn`: the ACK of its clients.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use testbed::{App, setup, until};

use crate::{fails, fixture};

const JSON: &str = r#"einhorn {"command": "worker:ack", "pid": $}"#;
const YAML: &str = "einhorn ---%0Acommand: worker:ack%0Apid: $%0A";

#[test]
fn an_ack_is_ready_in_both_spellings_and_being_seen_waiting_is_not() {
    let script = format!("version one\nafter 1500 {JSON}");
    let (supervisor, app) = fixture(&script, &["-ready=einhorn"]);
    let started = supervisor.wait_for_line("Starting").at;
    supervisor.wait_for_version("one");
    assert_eq!(supervisor.log().count("is ready"), 0);
    let ready = supervisor.wait_for_line("is ready").at;
    assert!(ready - started >= Duration::from_millis(1400));
    let ping = "einhorn ---%0Acommand: worker:ping%0Apid: $%0A";
    app.deploy(&format!("version two\nnotify\n{ping}\nafter 1000 {YAML}"));
    supervisor.hup();
    supervisor.wait_for_version("two");
    assert_eq!(supervisor.log().count("is ready"), 1);
    supervisor.wait_for_line("Reload done");
}

#[test]
fn an_ack_that_is_none_says_why() {
    let other = std::process::id();
    for (line, why) in [
        (
            format!(r#"einhorn {{"command":"worker:ack","pid":{other}}}"#),
            format!("{other} is no process of this worker"),
        ),
        (
            r#"einhorn {"command":"worker:ack"}"#.into(),
            "an ACK without a pid".into(),
        ),
        (
            r#"einhorn {"id":1,"command":"die","args":[]}"#.into(),
            r#""die" is no command for a worker"#.into(),
        ),
        (
            format!("einhorn {}", "x".repeat(5000)),
            "it had no end".into(),
        ),
        (
            "print silent".into(),
            "none of its processes sent an ACK to $EINHORN_SOCK_PATH".into(),
        ),
    ] {
        // A client that says too much finds the connection closed.
        let script = format!("plain-signals\nafter 0 {line}");
        let line = fails(&script, &["-ready=einhorn", "-ready-timeout=1s"]);
        assert!(line.ends_with(&why), "{line}");
    }
}

/// Where the socket of the worker is that was started last.
fn socket(supervisor: &testbed::Supervisor) -> String {
    let worker = *supervisor.workers().last().unwrap();
    let environment = fs::read(format!("/proc/{worker}/environ")).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let mut variables = environment
        .split('\0')
        .filter_map(|one| one.split_once('='));
    let found = variables.find(|(name, _)| *name == "EINHORN_SOCK_PATH");
    found.unwrap().1.into()
}

#[test]
fn strangers_are_not_heard_and_clients_that_hang_hold_nothing_up_for_long() {
    let app = App::new("");
    let gate = app.path("gate");
    let gate = gate.to_str().unwrap();
    let script = format!("einhorn-hold 40\nprint held\nwait-for {gate}\n{JSON}\nversion one");
    app.deploy(&script);
    let supervisor = setup!().app(&app).flag("-ready=einhorn").start();
    supervisor.wait_for_line("] held");
    let path = socket(&supervisor);
    let mut stranger = UnixStream::connect(&path).unwrap();
    let pid = supervisor.workers()[0];
    let ack = format!("{{\"command\":\"worker:ack\",\"pid\":{pid}}}\n");
    let _ = std::io::Write::write_all(&mut stranger, ack.as_bytes());
    let _ = stranger.read(&mut [0]);
    // It is closed before it would be said.
    testbed::pause(Duration::from_millis(500));
    assert_eq!(supervisor.log().count("is ready"), 0);
    fs::write(gate, "").unwrap();
    supervisor.wait_for_line("is ready");
    supervisor.signal(rustix::process::Signal::TERM);
    until("its socket is gone", || fs::metadata(&path).is_err());
}

#[test]
fn the_ack_is_heard_through_an_upgrade_of_the_supervisor() {
    let app = App::new(&format!("version one\n{JSON}"));
    let supervisor = setup!().app(&app).flag("-ready=einhorn").start();
    supervisor.wait_until_serving();
    let gate = app.path("gate");
    app.deploy(&format!("version two\nwait-for {}\n{YAML}", gate.display()));
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting", 2);
    supervisor.upgrade();
    assert_eq!(supervisor.log().count("is ready"), 1);
    fs::write(gate, "").unwrap();
    supervisor.wait_for_line("Reload done");
    supervisor.wait_for_version("two");
}

#[test]
fn a_worker_of_another_user_may_connect() {
    if !testbed::is_root() {
        return;
    }
    let flags = ["-ready=einhorn", "-user=nobody"];
    let place = tempfile::tempdir().unwrap();
    let script = place.path().join("script");
    fs::write(&script, JSON).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place.path(), open).unwrap();
    let binary = place.path().join("fixture");
    fs::copy(testbed::fixture(), &binary).unwrap();
    let setup = flags.iter().fold(setup!(), testbed::Setup::flag);
    let setup = setup
        .directory("/")
        .command(binary, &[script.to_str().unwrap()]);
    setup.start().wait_for_line("Generation 1 is ready");
}
