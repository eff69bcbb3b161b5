//! When a worker counts as ready: real programs, unchanged, and what is not to be believed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Address, App, Setup, is_root, now, pause, processes, program, setup, until};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// The default of `-settle`.
const SETTLE: Duration = Duration::from_millis(250);

/// Blocks in accept(2), and knows nothing of signals.
const ACCEPT_LOOP: &str = r"
import os, socket
listener = socket.socket(fileno=3)
listener.setblocking(True)
print('listening...', flush=True)
while True:
    client = listener.accept()[0]
    client.recv(1000)
    body = b'{\x22pid\x22: %d}' % os.getpid()
    client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' % (len(body), body))
    client.close()
";

/// Says READY=1 from wherever it runs.
const SAY_READY: &str = "import os, socket
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])";

fn go_build(package: &Path, into: &Path) {
    let mut go = Command::new(program("go").unwrap());
    let built = go
        .arg("build")
        .arg("-o")
        .arg(into)
        .arg(".")
        .current_dir(package)
        .status();
    assert!(built.unwrap().success());
}

/// From HUP on: the program's own start, the settle time, and hardly more. `says` is its line when it listens.
fn settles(setup: Setup, says: &str) {
    let supervisor = setup.variable("DELAY_MS", "0").start();
    supervisor.wait_for_line("is ready");
    let mut tries = 2..=20;
    let in_time = tries.find(|n| {
        supervisor.hup();
        let started = supervisor.wait_for_nth_line("Starting /", *n).at;
        let listens = supervisor.wait_for_nth_line(says, *n).at;
        let told = supervisor.wait_for_nth_line("to stop: SIGTERM", n - 1).at;
        assert!(told - started >= SETTLE, "{:?}", told - started);
        supervisor.wait_for_nth_line("Reload done", n - 1);
        // Once is enough: the machine is busy with other tests, but a timer would be late each time.
        told - listens <= SETTLE + Duration::from_millis(100)
    });
    assert!(in_time.is_some(), "{}", supervisor.log().text());
    // Not all of them finish what they have accepted.
    until("the old one is gone", || supervisor.workers().len() == 1);
    assert!(answers(supervisor.address()));
    assert_eq!(supervisor.log().count("Cannot see"), 0);
}

/// Whether somebody serves, in whatever form.
fn answers(address: &Address) -> bool {
    let Address::Tcp(address) = address else {
        return false;
    };
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).is_ok() && answer.starts_with(b"HTTP/1.")
}

#[test]
fn go_is_seen() {
    if program("go").is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let binary = place.path().join("mygoapp");
    go_build(&Path::new(EXAMPLES).join("go"), &binary);
    settles(setup!().command(binary, &[]), "] listening...");
}

#[test]
fn node_is_seen() {
    let Some(node) = program("node") else { return };
    let server = format!("{EXAMPLES}/node/server.js");
    settles(setup!().command(node, &[&server]), "] listening...");
}

#[test]
fn asyncio_is_seen() {
    let Some(python) = program("python3") else {
        return;
    };
    let server = format!("{EXAMPLES}/python/server.py");
    settles(setup!().command(python, &[&server]), "] listening...");
}

/// A pre-forking server: it is the descendants that wait.
#[test]
fn gunicorn_is_seen() {
    let Some(gunicorn) = program("gunicorn") else {
        return;
    };
    let gunicorn = gunicorn.to_str().unwrap();
    let place = format!("{EXAMPLES}/python");
    // It would say READY=1, and does so before its workers have loaded the application.
    let silenced = ["-u", "NOTIFY_SOCKET", gunicorn];
    let args = [
        "-w",
        "1",
        "-b",
        "fd://3",
        "--chdir",
        &place,
        "gunicorn_app:app",
    ];
    let setup = setup!().command("/usr/bin/env", &[&silenced[..], &args[..]].concat());
    let setup = setup.variable("PYTHONDONTWRITEBYTECODE", "1");
    settles(setup, "Booting worker");
}

#[test]
fn a_blocking_accept_loop_is_seen() {
    let Some(python) = program("python3") else {
        return;
    };
    settles(
        setup!().command(python, &["-c", ACCEPT_LOOP]),
        "] listening...",
    );
}

#[test]
fn the_settle_time_is_a_flag() {
    let app = App::new("version 1");
    for (flag, least, most) in [("-settle=1500ms", 1500, 2500), ("-settle=0", 0, 1000)] {
        let supervisor = setup!().app(&app).flag(flag).start();
        let starting = supervisor.wait_for_line("Starting").at;
        let took = (supervisor.wait_for_line("is ready").at - starting).as_millis();
        // The lines are read a little later than they are written.
        assert!(took + 50 >= least && took < most, "{flag}: {took} ms");
    }
}

/// F1: Go's runtime registers the socket when the listener is made, so this looks just like a good one.
#[test]
fn a_program_that_makes_its_listener_and_dies_soon_after_is_a_failed_reload() {
    if program("go").is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("dies");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("go.mod"), "module dies\n").unwrap();
    let text = "package main

import (
	\"net\"
	\"os\"
	\"time\"
)

func main() {
	if _, err := net.FileListener(os.NewFile(3, \"listener\")); err != nil {
		panic(err)
	}
	time.Sleep(100 * time.Millisecond)
	os.Exit(7)
}
";
    fs::write(source.join("main.go"), text).unwrap();
    go_build(&source, &source.join("dies"));
    let app = App::new("version 1");
    let good = format!(
        "#!/bin/sh\nexec {} {}\n",
        testbed::fixture().display(),
        app.script().display()
    );
    let supervisor = setup!()
        .command(app.executable("program", &good), &[])
        .start();
    supervisor.wait_for_line("is ready");
    let worker = supervisor.get("/").pid();
    let _ = app.executable(
        "program",
        &format!("#!/bin/sh\nexec {}\n", source.join("dies").display()),
    );
    for n in 1..=5 {
        supervisor.hup();
        supervisor.wait_for_nth_line("failed: it exited with status 7 before it was ready", n);
        supervisor.wait_for_nth_line("Reload failed: generation 1 serves on", n);
    }
    assert_eq!(supervisor.get("/").pid(), worker);
    assert_eq!(supervisor.log().count("is ready"), 1);
}

/// Root sees the processes of others (`CAP_SYS_PTRACE`).
#[test]
fn a_program_of_another_user_is_seen_by_root() {
    let Some(python) = program("python3").filter(|_| is_root()) else {
        return;
    };
    let setup = setup!()
        .command(python, &["-c", ACCEPT_LOOP])
        .flag("-user=nobody");
    settles(setup, "] listening...");
}

/// Takes away what root could see by.
fn without_ptrace(setup: Setup) -> Setup {
    if !rustix::process::getuid().is_root() {
        return setup;
    }
    setup.under(&[
        "setpriv",
        "--bounding-set=-sys_ptrace",
        "--inh-caps=-sys_ptrace",
    ])
}

#[test]
fn of_a_program_that_cannot_be_looked_at_three_seconds_of_life_decide() {
    let Some(python) = program("python3") else {
        return;
    };
    let undumpable = format!("import ctypes\nctypes.CDLL(None).prctl(4, 0)\n{ACCEPT_LOOP}");
    let setup = setup!().command(python, &["-c", &undumpable]);
    let supervisor = without_ptrace(setup).start();
    let listens = supervisor.wait_for_line("] listening...").at;
    let took = supervisor.wait_for_line("is ready").at - listens;
    // It has lived for a while when it listens.
    assert!(
        took > Duration::from_millis(1500) && took < Duration::from_secs(4),
        "{took:?}"
    );
    supervisor.hup();
    let started = supervisor.wait_for_nth_line("Starting", 2).at;
    let told = supervisor.wait_for_line("to stop: SIGTERM").at;
    assert!(
        told - started >= Duration::from_millis(2950),
        "{:?}",
        told - started
    );
    let lines = supervisor.log().lines();
    let said: Vec<_> = lines
        .iter()
        .filter(|line| line.text.contains("Cannot see"))
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].text.contains("it does not let itself be looked at"),
        "{said:?}"
    );
    assert!(said[0].text.contains("3000 ms"), "{said:?}");
}

/// As `systemd-notify` in a shell script does it: not the worker itself, and gone a moment later.
#[test]
fn a_grandchild_may_say_that_it_is_ready() {
    let Some(python) = program("python3") else {
        return;
    };
    let script = format!("{} -c \"{SAY_READY}\"; exec sleep 1000", python.display());
    let asked = now();
    let setup = setup!()
        .command("/bin/sh", &["-c", &script])
        .flag("-settle=60s");
    let supervisor = setup.start();
    supervisor.wait_for_line("is ready");
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );
}

/// F28.
#[test]
fn a_stranger_may_not() {
    let Some(python) = program("python3").filter(|_| is_root()) else {
        return;
    };
    let mut supervisor = setup!().command("/bin/sleep", &["1000"]).start();
    supervisor.wait_for_line("Starting");
    until("it runs", || {
        let workers = supervisor.workers();
        workers
            .iter()
            .any(|pid| processes::status(*pid, "Name").as_deref() == Some("sleep"))
    });
    let environment = fs::read(format!("/proc/{}/environ", supervisor.workers()[0])).unwrap();
    let environment = String::from_utf8(environment).unwrap();
    let mut variables = environment
        .split('\0')
        .filter_map(|one| one.split_once('='));
    let (_, socket) = variables
        .find(|(name, _)| *name == "NOTIFY_SOCKET")
        .unwrap();
    let say_as = |uid: &str| {
        let mut say = Command::new("setpriv");
        say.args([&format!("--reuid={uid}"), "--clear-groups"])
            .arg(&python)
            .args(["-c", SAY_READY]);
        let said = say.env("NOTIFY_SOCKET", socket).current_dir("/").status();
        assert!(said.unwrap().success());
    };
    say_as("65534");
    pause(Duration::from_millis(500));
    assert_eq!(supervisor.log().count("is ready"), 0);
    say_as("0");
    supervisor.wait_for_line("is ready");
    supervisor.signal(Signal::TERM);
    supervisor.wait();
}
