//! UDP and unix datagrams.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use testbed::{PATIENCE, Setup, pause, processes, setup, until};

use crate::programs::{ask, client, compiled, parse, python, read, reload, udp_port};

const ANY: &str = "udp://127.0.0.1:0";

/// Seen waiting, or it would be killed in the end; and it answers, before and after a reload.
#[track_caller]
fn serves(setup: Setup) {
    let supervisor = setup.flag("-ready-timeout=10s").listen(ANY).spawn();
    let client = client(udp_port(&supervisor));
    // Before anybody is ready: it waits in the queue.
    let (first, text) = ask(&client, "early");
    assert_eq!(text, "early");
    supervisor.wait_for_line("Generation 1 is ready");
    reload(&supervisor);
    let (second, _) = ask(&client, "late");
    assert_ne!(first, second);
    assert_eq!(supervisor.workers(), [second]);
    for complaint in ["cannot be seen", "Cannot restore"] {
        assert_eq!(supervisor.log().count(complaint), 0, "{complaint}");
    }
}

#[test]
fn an_asyncio_endpoint() {
    if let Some(setup) = python("datagrams.py", &["asyncio"]) {
        serves(setup);
    }
}

#[test]
fn a_blocking_recvfrom() {
    if let Some(setup) = python("datagrams.py", &["recvfrom"]) {
        serves(setup);
    }
}

#[test]
fn a_blocking_recvmsg() {
    if let Some(setup) = python("datagrams.py", &["recvmsg"]) {
        serves(setup);
    }
}

#[test]
fn poll_and_select() {
    for how in ["poll", "select"] {
        if let Some(setup) = python("datagrams.py", &[how]) {
            serves(setup);
        }
    }
}

#[test]
fn a_server_in_go() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(binary) = compiled("go", &["build"], "datagrams.go", folder.path()) {
        serves(setup!().flag("-settle=50ms").command(binary, &[]));
    }
}

#[test]
fn a_blocking_recvmmsg_in_c() {
    let folder = tempfile::tempdir().unwrap();
    if let Some(binary) = compiled("cc", &["-O1", "-Wall"], "datagrams.c", folder.path()) {
        serves(setup!().flag("-settle=50ms").command(binary, &[]));
    }
}

/// It has no answer to give, so only what it is seen to do tells.
#[test]
fn a_blocking_read_is_ready_and_a_program_that_reads_nothing_is_not() {
    let Some(reader) = python("datagrams.py", &["read"]) else {
        return;
    };
    let supervisor = reader.listen(ANY).spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    let Some(sleeper) = python("datagrams.py", &["sleep"]) else {
        return;
    };
    let sleeper = sleeper.flag("-ready-timeout=500ms").listen(ANY).spawn();
    sleeper.wait_for_line("Generation 1 failed");
}

/// One socket, read by both generations: what comes in a reload is answered by the one or the other.
#[test]
fn no_datagram_is_lost_in_reloads_and_upgrades() {
    let Some(setup) = python("datagrams.py", &["asyncio"]) else {
        return;
    };
    let mut supervisor = setup.listen(ANY).spawn();
    let client = client(udp_port(&supervisor));
    supervisor.wait_for_line("Generation 1 is ready");
    let mut answered_by = std::collections::BTreeSet::new();
    for round in 1..=5 {
        supervisor.hup();
        if round == 3 {
            supervisor.wait_for_line("Reload done");
            supervisor.upgrade();
        }
        let mut sent = 0;
        // Ten at a time, so that nothing is lost for want of room.
        while supervisor.log().count("Reload done") < round {
            let texts: Vec<_> = (sent..sent + 10).map(|n| format!("{round}.{n}")).collect();
            for text in &texts {
                client.send(text.as_bytes()).unwrap();
            }
            let mut answers = texts.iter().map(|_| {
                let (pid, text) = read(&client);
                answered_by.insert(pid);
                text
            });
            let mut answers: Vec<_> = answers.by_ref().collect();
            answers.sort();
            let mut texts = texts;
            texts.sort();
            assert_eq!(answers, texts);
            sent += 10;
        }
    }
    assert!(answered_by.len() > 3, "{answered_by:?}");
    assert!(supervisor.stop().success());
    assert!(supervisor.processes().is_empty());
}

#[test]
fn what_waits_outlives_a_crash() {
    let Some(setup) = python("datagrams.py", &["asyncio"]) else {
        return;
    };
    let supervisor = setup.listen(ANY).spawn();
    let client = client(udp_port(&supervisor));
    supervisor.wait_for_line("Generation 1 is ready");
    let (first, _) = ask(&client, "one");
    processes::signal(first, rustix::process::Signal::STOP);
    for n in 0..20 {
        client.send(format!("waiting {n}").as_bytes()).unwrap();
    }
    processes::signal(first, rustix::process::Signal::KILL);
    for n in 0..20 {
        let (pid, text) = read(&client);
        assert_ne!(pid, first);
        assert_eq!(text, format!("waiting {n}"));
    }
}

/// Datagrams and errors that come back for answers wake nobody but the program.
#[test]
fn datagrams_do_not_wake_the_supervisor() {
    let Some(setup) = python("datagrams.py", &["asyncio"]) else {
        return;
    };
    let supervisor = setup.listen(ANY).spawn();
    let server = udp_port(&supervisor);
    supervisor.wait_for_line("Generation 1 is ready");
    let count = || {
        ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"]
            .map(|name| processes::figure(supervisor.pid(), name))
    };
    // It has its own things to finish first.
    let mut before = count();
    until("the supervisor is at rest", || {
        pause(Duration::from_millis(200));
        let after = count();
        std::mem::replace(&mut before, after) == after
    });
    let asker = client(server);
    for n in 0..500 {
        ask(&asker, &n.to_string());
        // Nobody is there any more to read the answer.
        drop(client(server).send(b"gone"));
    }
    assert_eq!(count(), before);
}

/// Nothing listens again, so nothing may be said of it.
#[test]
fn a_shutdown_is_not_taken_for_that_of_a_socket_with_connections() {
    let folder = tempfile::tempdir().unwrap();
    let unix = format!("unixgram://{}", folder.path().join("log").display());
    for uri in [ANY, &unix] {
        let Some(setup) = python("datagrams.py", &["shutdown"]) else {
            return;
        };
        let mut supervisor = setup.listen(uri).spawn();
        assert_eq!(supervisor.wait().code(), Some(7));
        let log = supervisor.log().text();
        assert!(!log.contains("A worker ha"), "{log}");
    }
}

fn ask_unix(client: &UnixDatagram, server: &Path, text: &str) -> (i32, String) {
    client.send_to(text.as_bytes(), server).unwrap();
    let mut buffer = [0; 2000];
    let count = client.recv(&mut buffer).unwrap();
    parse(&buffer[..count])
}

#[test]
fn a_unix_datagram_socket_is_kept_and_removed_like_any_other() {
    let Some(setup) = python("datagrams.py", &["recvfrom"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    // Left behind by a program that was killed.
    drop(UnixDatagram::bind(&path).unwrap());
    let uri = format!("unixgram://{}?mode=0622", path.display());
    let mut supervisor = setup.listen(&uri).spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o622
    );
    let client = UnixDatagram::bind(folder.path().join("client")).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (first, _) = ask_unix(&client, &path, "one");
    supervisor.upgrade();
    reload(&supervisor);
    assert_ne!(ask_unix(&client, &path, "two").0, first);
    // A second supervisor must not take it.
    let mut other = setup!().command("true", &[]).listen(&uri).spawn();
    assert_eq!(other.wait().code(), Some(1));
    other.wait_for_line("Address already in use");
    assert!(supervisor.stop().success());
    assert!(!path.exists());
}

#[test]
fn status_tells_what_waits() {
    let Some(setup) = python("datagrams.py", &["asyncio"]) else {
        return;
    };
    let runtime = tempfile::tempdir().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = format!("unixgram://{}", folder.path().join("log").display());
    let setup = setup.variable("RUNTIME_DIRECTORY", runtime.path());
    let supervisor = setup.flag("-name=dns").listen(ANY).listen(&log).spawn();
    let client = client(udp_port(&supervisor));
    supervisor.wait_for_line("Generation 1 is ready");
    let (pid, _) = ask(&client, "one");
    processes::signal(pid, rustix::process::Signal::STOP);
    client.send(&[0; 1000]).unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_socketmaster"))
        .args(["status", "--json", "dns"])
        .env("RUNTIME_DIRECTORY", runtime.path())
        .output()
        .unwrap();
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let listeners = &status["listeners"];
    let waits = listeners[0]["waiting_bytes"].as_u64().unwrap();
    assert!(waits >= 1000, "{status}");
    assert!(listeners[0]["waiting_bytes_limit"].as_u64().unwrap() > waits);
    assert!(listeners[0]["queue"].is_null());
    assert_eq!(listeners[0]["dropped"], 0);
    for unknown in ["queue", "waiting_bytes", "dropped"] {
        assert!(listeners[1][unknown].is_null(), "{status}");
    }
    assert_eq!(listeners[1]["uri"].as_str(), Some(&*log));
    let table = std::process::Command::new(env!("CARGO_BIN_EXE_socketmaster"))
        .args(["status", "dns"])
        .env("RUNTIME_DIRECTORY", runtime.path())
        .output()
        .unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(&format!("{waits}/")), "{table}");
}
