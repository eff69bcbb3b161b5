//! `-ready fd`: a newline on a descriptor, as s6 has it.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use testbed::{App, fixture as program_of_tests, free_port, program, setup, until};

use crate::{fails, fixture};

#[test]
fn a_newline_is_ready_and_being_seen_waiting_is_not() {
    let (supervisor, app) = fixture("version one\nafter 1500 newline", &["-ready=fd"]);
    let started = supervisor.wait_for_line("Starting").at;
    supervisor.wait_for_version("one");
    assert_eq!(supervisor.log().count("is ready"), 0);
    let ready = supervisor.wait_for_line("is ready").at;
    assert!(ready - started >= Duration::from_millis(1400));
    // READY=1 is not what was asked for.
    app.deploy("version two\nnotify\nafter 1000 newline");
    supervisor.hup();
    supervisor.wait_for_version("two");
    assert_eq!(supervisor.log().count("is ready"), 1);
    supervisor.wait_for_line("Reload done");
}

#[test]
fn a_close_without_a_newline_is_not_ready() {
    let line = fails("close-ready", &["-ready=fd", "-ready-timeout=1s"]);
    let why = "it was not ready within 1000 ms: it closed descriptor 4 without a newline on it";
    assert!(line.ends_with(why), "{line}");
    let line = fails("version one", &["-ready=fd:9", "-ready-timeout=1s"]);
    assert!(
        line.ends_with("it wrote no newline to $SOCKETMASTER_READY_FD"),
        "{line}"
    );
}

/// The number of it, in the environment, in arguments and in fact.
#[test]
fn it_is_where_the_program_was_told() {
    for (flag, number) in [
        ("-ready=fd", "5"),
        ("-ready=fd:3000", ""),
        ("-ready=fd:7", "7"),
    ] {
        let app = App::new("");
        let dump = app.path("dump");
        app.deploy(&format!("dump {}\nnewline", dump.display()));
        let args = [
            app.script().to_str().unwrap().to_owned(),
            "{fd:ready}".into(),
        ];
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let args = if flag == "-ready=fd" {
            &args[..]
        } else {
            &args[..1]
        };
        let setup = setup!()
            .listen(format!("tcp://127.0.0.1:{}", free_port()))
            .listen(format!("tcp://127.0.0.1:{}", free_port()));
        let setup = setup.flag(flag).command(program_of_tests(), args);
        if number.is_empty() {
            let mut supervisor = setup.spawn();
            assert_eq!(supervisor.wait().code(), Some(2));
            continue;
        }
        let supervisor = setup.start();
        supervisor.wait_for_line("is ready");
        until("a dump", || dump.exists());
        let dump: Value = serde_json::from_slice(&fs::read(&dump).unwrap()).unwrap();
        assert_eq!(dump["variables"]["SOCKETMASTER_READY_FD"], number);
        if flag == "-ready=fd" {
            assert_eq!(dump["args"][2], number);
        }
        let what = dump["descriptors"][number].as_str();
        assert!(what.is_some_and(|what| what.starts_with("pipe:")), "{dump}");
    }
}

#[test]
fn the_word_is_heard_through_an_upgrade_of_the_supervisor() {
    let app = App::new("version one\nnewline");
    let supervisor = setup!().app(&app).flag("-ready=fd").start();
    supervisor.wait_until_serving();
    let gate = app.path("gate");
    app.deploy(&format!(
        "version two\nwait-for {}\nnewline",
        gate.display()
    ));
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting", 2);
    supervisor.upgrade();
    assert_eq!(supervisor.log().count("is ready"), 1);
    fs::write(gate, "").unwrap();
    supervisor.wait_for_line("Reload done");
    supervisor.wait_for_version("two");
}

/// Its programs say it on standard output: `s6-tcpserver`'s daemon and others take `-1` for that.
#[test]
fn s6s_own_programs_say_it() {
    let Some(server) = program("s6-ipcserverd") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let uri = format!("unix://{}", place.path().join("s").display());
    let setup = setup!().listen(uri).flag("-fd0=0").flag("-ready=fd:1");
    let server = server.to_str().unwrap();
    let supervisor = setup.command(server, &["-1", "echo", "hello"]).start();
    supervisor.wait_for_line("Generation 1 is ready");
    let heard = || {
        let mut text = String::new();
        let mut stream = std::os::unix::net::UnixStream::connect(place.path().join("s")).unwrap();
        std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
        text
    };
    assert_eq!(heard(), "hello\n");
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    assert_eq!(heard(), "hello\n");
    // Without the option it says nothing, and is not ready however long it waits for connections.
    let flags = ["-fd0=0", "-ready=fd:1", "-ready-timeout=1s"];
    let setup = flags.iter().fold(setup!(), testbed::Setup::flag);
    let supervisor = setup.command(server, &["echo", "hello"]).start();
    supervisor.wait_for_line("it closed descriptor 1 without a newline on it");
    assert_eq!(supervisor.log().count("is ready"), 0);
}
