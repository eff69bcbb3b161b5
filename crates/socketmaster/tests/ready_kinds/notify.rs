//! `-ready notify`, and what else a program says on its notify socket while it starts.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{App, free_port, program, setup};

use crate::{fails, fixture};

#[test]
fn it_is_ready_when_it_says_so_and_not_when_it_is_seen_waiting() {
    let (supervisor, app) = fixture("version one\nafter 1500 notify", &["-ready=notify"]);
    let started = supervisor.wait_for_line("Starting").at;
    // It serves, long before it calls itself ready.
    supervisor.wait_for_version("one");
    assert_eq!(supervisor.log().count("is ready"), 0);
    let ready = supervisor.wait_for_line("is ready").at;
    assert!(ready - started >= Duration::from_millis(1400));
    app.deploy("version two\nafter 500 notify");
    supervisor.hup();
    supervisor.wait_for_version("two");
    supervisor.wait_for_line("Reload done");
}

#[test]
fn one_that_never_says_so_has_failed_though_it_serves() {
    let line = fails("version one", &["-ready=notify", "-ready-timeout=1s"]);
    let why = "it was not ready within 1000 ms: none of its processes said READY=1";
    assert!(line.ends_with(why), "{line}");
}

#[test]
fn who_asks_for_time_gets_it() {
    for kind in ["-ready=notify", "-ready=auto"] {
        let flags = [kind, "-ready-timeout=1s"];
        let (supervisor, _app) = fixture("asks 30000\nsleep 2000\nnotify", &flags);
        supervisor.wait_for_line("Generation 1 is ready");
        let line = fails("asks 1500\nhang", &flags);
        assert!(line.contains("it was not ready within"), "{line}");
    }
}

#[test]
fn the_service_manager_is_asked_for_the_same_time_while_it_waits() {
    let app = App::new("asks 4000\nafter 300 asks 8000\nafter 600 notify");
    let manager = UnixDatagram::bind(app.path("manager")).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let setup = setup!().app(&app).flag("-ready=notify");
    let supervisor = setup.variable("NOTIFY_SOCKET", app.path("manager")).start();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].into()).unwrap()
    };
    // A second more, so that it hears why it failed, if it does.
    assert_eq!(heard(), "EXTEND_TIMEOUT_USEC=5000000");
    assert_eq!(heard(), "EXTEND_TIMEOUT_USEC=9000000");
    assert!(heard().starts_with("READY=1\n"));
    // A restart is nothing that it waits for.
    testbed::processes::signal(supervisor.get("/").pid(), Signal::KILL);
    supervisor.wait_for_nth_line("is ready", 2);
    assert!(heard().starts_with("STATUS=Generation 1 has ended by itself"));
    assert!(heard().starts_with("READY=1\n"));
}

/// Redis says it when it is told that systemd supervises it, and is silent else. It binds for itself.
#[test]
fn redis_is_ready_when_it_says_so() {
    let Some(redis) = program("redis-server") else {
        return;
    };
    let (port, place) = (free_port(), tempfile::tempdir().unwrap());
    let (port, folder) = (port.to_string(), place.path().to_str().unwrap());
    let own = ["--bind", "127.0.0.1", "--save", "", "--dir", folder];
    let start = |supervised| {
        let args = [&["--port", &port, "--supervised", supervised], &own[..]].concat();
        let setup = setup!().flag("-ready=notify").flag("-ready-timeout=3s");
        setup.command(&redis, &args).run(&[]).start()
    };
    let mut supervisor = start("systemd");
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    supervisor.signal(Signal::TERM);
    supervisor.wait();
    let supervisor = start("no");
    supervisor.wait_for_line("Ready to accept connections");
    supervisor.wait_for_line("it was not ready within 3000 ms: none of its processes said READY=1");
    assert_eq!(supervisor.log().count("is ready"), 0);
}
