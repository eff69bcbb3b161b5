//! What the control socket tells: the output of a version that failed, and how things are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write, pipe};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Address, App, Setup, Supervisor, get, now, poll, setup, until};

const MS: Duration = Duration::from_millis(1);

/// A supervisor whose control socket is in a directory of the test's.
struct Controlled {
    directory: TempDir,
    supervisor: Supervisor,
}

impl Controlled {
    fn start(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let supervisor = setup
            .flag("-settle=50ms")
            .variable("RUNTIME_DIRECTORY", directory.path())
            .start();
        let this = Self {
            directory,
            supervisor,
        };
        until("a generation is ready", || {
            get(&Address::Unix(this.socket()), "/readyz").is_ok_and(|answer| answer.status == 200)
        });
        this
    }

    fn socket(&self) -> PathBuf {
        let name = format!("socketmaster.{}", self.supervisor.pid());
        self.directory.path().join(name).join("control")
    }

    fn status(&self) -> Value {
        let answer = get(&Address::Unix(self.socket()), "/v1/status").unwrap();
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// All that a reload tells, to its verdict. HTTP/1.0 ends it with the connection.
    fn reload(&self) -> Vec<Value> {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
        stream
            .write_all(b"POST /v1/reload HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let lines = body.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// What the verdict of a reload says that fails.
    fn output_of_failure(&self) -> Vec<String> {
        let told = self.reload();
        let verdict = told.last().unwrap();
        assert_eq!(verdict["event"], "failed", "{told:?}");
        let lines = verdict["output"].as_array().unwrap();
        let lines = lines.iter().map(|line| line.as_str().unwrap().to_owned());
        lines.collect()
    }
}

fn worker(status: &Value, generation: u64) -> Value {
    let workers = status["workers"].as_array().unwrap().iter();
    let mut found = workers.filter(|worker| worker["generation"] == generation);
    let worker = found.next().cloned().unwrap_or_default();
    assert!(found.next().is_none(), "{status}");
    worker
}

fn lines(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|n| format!("line {n}")).collect()
}

#[test]
fn the_verdict_has_the_last_lines_of_the_version_that_failed() {
    let app = App::new("version one\nprint one");
    let it = Controlled::start(setup!().app(&app));
    app.deploy("print-lines 1000\nexit 7");
    assert_eq!(it.output_of_failure(), lines(981..=1000));
    // One after the other: each has its own.
    app.deploy("print-lines 3\nexit 7");
    assert_eq!(it.output_of_failure(), lines(1..=3));
    app.deploy("exit 7");
    assert_eq!(it.output_of_failure(), [""; 0]);
}

#[test]
fn a_version_that_is_killed_because_it_is_never_ready_has_its_lines_told_too() {
    let app = App::new("version one");
    let it = Controlled::start(setup!().flag("-ready-timeout=300ms").app(&app));
    app.deploy("print-lines 3\nhang");
    assert_eq!(it.output_of_failure(), lines(1..=3));
}

#[test]
fn both_streams_are_told_and_no_more_than_eight_kibibytes() {
    let app = App::new("version one");
    let it = Controlled::start(
        setup!()
            .flag("-log-format=json")
            .variable("RUST_BACKTRACE", "0")
            .app(&app),
    );
    app.deploy("print-lines 3\nno-such-word");
    let output = it.output_of_failure();
    assert_eq!(output[..3], lines(1..=3));
    assert!(
        output.iter().any(|line| line.contains("no-such-word")),
        "{output:?}"
    );
    app.deploy("print-bytes 100000\nexit 1");
    assert_eq!(it.output_of_failure(), ["x".repeat(8192)]);
}

#[test]
fn a_log_that_nobody_reads_holds_a_verdict_back_for_a_second_at_most() {
    let app = App::new("version one\nafter 1 flood");
    let (reader, writer) = pipe().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let port = testbed::free_port();
    let setup = setup!()
        .app(&app)
        .stderr(writer)
        .listen(format!("tcp://127.0.0.1:{port}"));
    let it = Controlled::start(setup.directory(directory.path()));
    let forwarder = it.supervisor.forwarder();
    let stuck = || {
        let call = std::fs::read_to_string(format!("/proc/{forwarder}/wchan")).unwrap();
        call.contains("pipe_write")
    };
    until("the forwarder is stuck", stuck);
    app.deploy("print-lines 3\nexit 7");
    let asked = now();
    assert_eq!(it.output_of_failure(), [""; 0]);
    let took = now() - asked;
    assert!(took >= 900 * MS && took < 5000 * MS, "{took:?}");
    drop(reader);
}

/// Connections are counted while they drain, and no longer than they are open.
#[track_caller]
fn the_connections_of_the_old_generation_are_counted(setup: Setup, app: &App) {
    let it = Controlled::start(setup.app(app));
    let held: Vec<_> = (0..3).map(|_| it.supervisor.get_slowly(1500)).collect();
    let ready = worker(&it.status(), 1);
    assert_eq!(
        (&ready["phase"], &ready["connections"]),
        (&"ready".into(), &Value::Null)
    );
    app.deploy("version two");
    assert_eq!(it.reload().last().unwrap()["event"], "done");
    let status = it.status();
    let old = worker(&status, 1);
    assert_eq!(
        (&old["phase"], &old["connections"]),
        (&"draining".into(), &3.into())
    );
    assert_eq!(worker(&status, 2)["connections"], Value::Null);
    for client in held {
        assert_eq!(client.join().unwrap().unwrap().version(), "one");
    }
    until("the old one has gone", || worker(&it.status(), 1).is_null());
}

#[test]
fn tcp_connections_of_what_drains_are_counted() {
    let app = App::new("version one");
    the_connections_of_the_old_generation_are_counted(setup!(), &app);
}

#[test]
fn unix_connections_of_what_drains_are_counted() {
    let app = App::new("version one");
    let socket = app.path("socket");
    let setup = setup!().listen(format!("unix://{}", socket.display()));
    the_connections_of_the_old_generation_are_counted(setup, &app);
}

#[test]
fn what_a_worker_says_of_itself_is_told_through_an_upgrade() {
    let app = App::new("version one\nsays warming up\nsays warm: 7 of 9\nnotify");
    let it = Controlled::start(setup!().app(&app));
    until("its last word", || {
        worker(&it.status(), 1)["says"] == "warm: 7 of 9"
    });
    it.supervisor.upgrade();
    assert_eq!(worker(&it.status(), 1)["says"], "warm: 7 of 9");
}

/// Its first process ends at TERM, its second serves on until its standard input ends.
const LEAVES_A_CHILD: &str = "
import os, signal, socket, sys
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen()
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    open = [s.accept()[0] for _ in range(2)]
    for c in open:
        c.send(b'x')
    for c in open:
        c.recv(1)
    os._exit(0)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    signal.pause()
";

#[test]
fn what_a_worker_has_left_behind_is_shown_with_its_connections() {
    let Some(python) = testbed::program("python3") else {
        return;
    };
    let port = testbed::free_port();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let setup = setup!().run(&[Address::Tcp(address)]);
    let args = ["-c", LEAVES_A_CHILD, &port.to_string()];
    let it = Controlled::start(setup.command(python, &args));
    let mut clients = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
    for client in &mut clients {
        client.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(it.reload().last().unwrap()["event"], "done");
    let left = poll(testbed::PATIENCE, || {
        it.supervisor.log().nth("has left processes behind", 1, MS)
    });
    assert!(left.is_some());
    let old = worker(&it.status(), 1);
    assert_eq!(
        (&old["phase"], &old["connections"]),
        (&"draining".into(), &2.into())
    );
    assert!(testbed::processes::is_alive(
        i32::try_from(old["pid"].as_i64().unwrap()).unwrap()
    ));
    assert!(old["age_ms"].as_u64().unwrap() > 0);
    drop(clients);
    until("it has gone", || worker(&it.status(), 1).is_null());
}
