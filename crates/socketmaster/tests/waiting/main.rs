//! Real programs that begin to wait late: each is seen soon after it does, and never before.
#![allow(unsafe_code, reason = "descriptors are placed between fork and exec")]
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod worker;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, WaitOptions, waitpid};
use rustix::thread::{Uid, set_thread_res_uid};
use socketmaster::sys::waiting::{BlindReason, How, Sight, Watcher};
use worker::Worker;

const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/waiting/apps");

/// Someone who has no rights over anybody else's processes: nobody, or ourselves if we are not root.
fn humble() -> Uid {
    let own = rustix::process::getuid();
    if own.is_root() {
        Uid::from_raw(65_534)
    } else {
        own
    }
}

/// Says past the capture of output what could not run here; under `CI=true` that is a failure.
fn cannot_run(what: &str) {
    assert!(
        std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{what}, and CI=true"
    );
    let _ = writeln!(io::stderr(), "not run: {what}");
}

/// The program as Debian has it, else by PATH; a wrapper of a version manager would come before it there.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(PathBuf::from("/usr/bin"))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        cannot_run(&format!("{name} is not installed"));
    }
    found
}

fn python(mode: &str) -> Option<Command> {
    let mut command = Command::new(program("python3")?);
    command.arg(Path::new(APPS).join("server.py")).arg(mode);
    Some(command)
}

/// Three runs: never seen before it waits, and at best within 20 ms after.
fn is_seen(name: &str, how: How, command: impl Fn() -> Option<Command>) {
    let mut delays = Vec::new();
    for _ in 0..3 {
        let Some(command) = command() else { return };
        let seen = Worker::start(command).watch();
        assert_eq!(seen.how, how, "{name}");
        let (before, last) = seen.looks_ns;
        let _ = writeln!(
            io::stderr(),
            "{name}: seen by {how:?} after {:.1} ms; a look before it took {} µs, the last one {} µs",
            seen.delay_ns as f64 / 1e6,
            before / 1000,
            last / 1000
        );
        delays.push(seen.delay_ns);
    }
    assert!(
        delays.iter().any(|&delay| delay <= 20_000_000),
        "{name}: {delays:?} ns"
    );
}

#[test]
fn node_by_epoll() {
    is_seen("node", How::Epoll, || {
        let mut command = Command::new(program("node")?);
        command.arg(Path::new(APPS).join("server.js"));
        Some(command)
    });
}

#[test]
fn go_by_epoll() {
    let Some(go) = program("go") else { return };
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("server");
    let status = Command::new(go)
        .args(["build", "-o"])
        .arg(&binary)
        .arg(Path::new(APPS).join("server.go"))
        .env("GO111MODULE", "off")
        .status()
        .unwrap();
    assert!(status.success());
    is_seen("go", How::Epoll, || Some(Command::new(&binary)));
}

#[test]
fn gunicorn_by_select() {
    is_seen("gunicorn", How::Select, || {
        let mut command = Command::new(program("gunicorn")?);
        command
            .args([
                "--log-level",
                "error",
                "-b",
                "fd://3",
                "-c",
                "late_gunicorn.py",
                "late_gunicorn:app",
            ])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(APPS);
        Some(command)
    });
}

#[test]
fn asyncio_by_epoll() {
    is_seen("asyncio", How::Epoll, || python("epoll"));
}

#[test]
fn a_blocking_accept() {
    is_seen("accept", How::Accept, || python("accept"));
}

#[test]
fn a_poll_loop() {
    is_seen("poll", How::Poll, || python("poll"));
}

#[test]
fn a_select_loop() {
    is_seen("select", How::Select, || python("select"));
}

#[test]
fn a_forking_server_under_a_shell() {
    is_seen("sh and fork", How::Accept, || {
        let server = python("prefork")?;
        let mut command = Command::new("/bin/sh");
        // What follows keeps the shell from becoming the server.
        command
            .args(["-c", "\"$@\"; exit 1", "sh"])
            .arg(server.get_program())
            .args(server.get_args());
        Some(command)
    });
}

#[test]
fn a_stopped_process_does_not_wait() {
    let Some(command) = python("epoll") else {
        return;
    };
    let mut worker = Worker::start(command);
    worker.watch();
    worker.signal(Signal::STOP);
    waitpid(Some(worker.pid()), WaitOptions::UNTRACED).unwrap();
    assert_eq!(worker.look(), Sight::NotYet);
    worker.signal(Signal::CONT);
    assert!(
        worker
            .look_until(|sight| sight == Sight::Waiting(How::Epoll))
            .is_some()
    );
}

#[test]
fn an_ended_process_does_not_wait() {
    let Some(command) = python("epoll") else {
        return;
    };
    let mut worker = Worker::start(command);
    worker.watch();
    worker.signal(Signal::KILL);
    worker.look_until(|_| false);
    assert_eq!(worker.look(), Sight::NotYet, "a zombie");
    worker.await_end();
    assert_eq!(worker.look(), Sight::NotYet, "nobody");
}

#[test]
fn io_uring_is_blind() {
    let Some(command) = python("uring") else {
        return;
    };
    let mut worker = Worker::start(command);
    let blind = worker.look_until(|sight| sight == Sight::Blind(BlindReason::IoUring));
    if blind.is_none() {
        assert!(!worker.runs(), "was not seen to be blind");
        assert_eq!(worker.await_end().code(), Some(77));
        cannot_run("io_uring is not allowed here");
    }
}

/// Runs `body` on a thread of its own that is [`humble`]: credentials belong to threads (credentials(7), "NOTES").
fn as_humble(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let uid = humble();
        set_thread_res_uid(uid, uid, uid).unwrap();
        body();
    });
    thread.join().unwrap();
}

fn humble_command(mut command: Command) -> Command {
    use std::os::unix::process::CommandExt;
    command.uid(humble().as_raw());
    command
}

#[test]
fn only_what_does_not_let_itself_be_looked_at_is_blind() {
    let (Some(plain), Some(protected)) = (python("accept"), python("nondumpable")) else {
        return;
    };
    let mut plain = Worker::start(humble_command(plain));
    let mut protected = Worker::start(humble_command(protected));
    protected.await_report();
    as_humble(move || {
        assert_eq!(plain.watch().how, How::Accept);
        assert_eq!(protected.look(), Sight::Blind(BlindReason::Protected));
    });
}

#[test]
fn another_users_process_is_blind_at_the_third_look() {
    as_humble(|| {
        // The first process of the machine or container.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/1").unwrap());
        if owner == humble().as_raw() {
            return cannot_run("no process of another user here");
        }
        let mut watcher = Watcher::new(1);
        assert_eq!(watcher.look(&[1]), Sight::NotYet);
        assert_eq!(watcher.look(&[1]), Sight::NotYet);
        assert_eq!(
            watcher.look(&[1]),
            Sight::Blind(BlindReason::OtherUser { uid: owner })
        );
    });
}

/// Looks, as someone without rights over others, until the program has ended by itself; nothing may be hidden from that look.
fn is_never_blind(command: Command) {
    let worker = Worker::start(humble_command(command));
    as_humble(move || {
        let mut looks = 0;
        while worker.runs() {
            assert_eq!(worker.look(), Sight::NotYet, "look {looks}");
            looks += 1;
        }
        assert!(looks > 100, "only {looks} looks");
    });
}

#[test]
fn starting_and_ending_is_not_blindness() {
    let mut command = Command::new("/bin/sh");
    command.args([
        "-c",
        "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done; exec /bin/sh -c 'exit 0'",
    ]);
    is_never_blind(command);
}

#[test]
fn a_thread_that_ends_is_not_blindness() {
    let Some(command) = python("threads") else {
        return;
    };
    is_never_blind(command);
}
