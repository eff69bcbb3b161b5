//! The log forwarder as a real process, with real processes as workers.

#![allow(clippy::unwrap_used)] // a test that can't go on has failed

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use socketmaster::config::LogFormat;
use socketmaster::forwarder::options::Options;
use socketmaster::sys::scm;
use socketmaster::wire::forward::{FromForwarder, MESSAGE_MAX, Origin, Stream, ToForwarder};
use socketmaster::wire::line::CONTINUES;
use socketmaster::wire::split::LINE_MAX;

/// The supervisor's side.
struct Forwarder {
    child: Child,
    control: OwnedFd,
    /// Copies of the read ends, as the supervisor keeps them for its next program.
    pipes: Vec<OwnedFd>,
}

impl Forwarder {
    fn start(format: LogFormat, syslog: Option<PathBuf>, stderr: impl Into<Stdio>) -> Self {
        let options = Options {
            supervisor: 4321,
            format,
            syslog,
        };
        let (control, theirs) = scm::pair().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
            .arg0("socketmaster-log")
            .args(options.to_args())
            .stdin(theirs)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self {
            child,
            control,
            pipes: Vec::new(),
        }
    }

    fn text(stderr: impl Into<Stdio>) -> Self {
        Self::start(LogFormat::Text, None, stderr)
    }

    fn send(&self, message: &ToForwarder) {
        scm::send(self.control.as_fd(), &message.encode(), &[]).unwrap();
    }

    fn say(&self, text: &str) {
        self.send(&ToForwarder::Line(text.into()));
    }

    /// A new pipe into the log; the worker's end of it.
    fn pipe(&mut self, pid: i32, stream: Stream) -> OwnedFd {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let origin = Origin {
            pid,
            generation: 3,
            slot: 1,
            stream,
        };
        let message = ToForwarder::Pipe {
            id: self.pipes.len() as u64,
            origin,
        };
        scm::send(self.control.as_fd(), &message.encode(), &[read.as_fd()]).unwrap();
        self.pipes.push(read);
        write
    }

    /// A shell whose output goes to the log as that of pid 77.
    fn worker(&mut self, script: &str) -> Child {
        let output = self.pipe(77, Stream::Output);
        Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(output)
            .spawn()
            .unwrap()
    }

    /// Waits until a pipe has ended.
    fn closed(&self) -> u64 {
        readable(self.control.as_fd());
        let mut buffer = [0; 100];
        let (n, _) = scm::receive(self.control.as_fd(), &mut buffer).unwrap();
        let Some(FromForwarder::Closed { id }) = FromForwarder::decode(&buffer[..n]) else {
            panic!("{buffer:?}")
        };
        id
    }

    /// A number from /proc/PID/status.
    fn status(&self, key: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn finish(self, grace_ms: u64) {
        self.send(&ToForwarder::Finish { grace_ms });
        self.ended();
    }

    /// Waits until it has ended, and well.
    fn ended(mut self) {
        let pid = Pid::from_child(&self.child);
        readable(pidfd_open(pid, PidfdFlags::empty()).unwrap().as_fd());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Waits until there is something, far longer than it may take.
fn readable(fd: std::os::fd::BorrowedFd<'_>) {
    let limit = Timespec {
        tv_sec: 30,
        tv_nsec: 0,
    };
    assert_eq!(
        poll(
            &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
            Some(&limit)
        ),
        Ok(1),
        "nothing for 30 s"
    );
}

/// The log as a file, and what it holds at the end.
fn file() -> (File, impl FnOnce() -> String) {
    let file = tempfile::NamedTempFile::new().unwrap();
    (file.reopen().unwrap(), move || {
        std::fs::read_to_string(file.path()).unwrap()
    })
}

/// The log as a pipe.
fn reader() -> (std::io::PipeWriter, BufReader<std::io::PipeReader>) {
    let (read, write) = std::io::pipe().unwrap();
    (write, BufReader::new(read))
}

/// Reads on to a line that ends so.
fn expect(log: &mut impl BufRead, end: &str) -> String {
    let mut line = String::new();
    while log.read_line(&mut line).unwrap() > 0 {
        if line.trim_end().ends_with(end) {
            return line;
        }
        line.clear();
    }
    panic!("the log ended without {end:?}");
}

/// What follows `socketmaster[4321] 2006/01/02 15:04:05 `.
fn after_header(line: &str) -> &str {
    let (time, text) = line
        .strip_prefix("socketmaster[4321] ")
        .unwrap()
        .split_at("2006/01/02 15:04:05 ".len());
    let shape: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000/00/00 00:00:00 ");
    text
}

#[test]
fn no_line_of_a_worker_that_exits_at_once_is_lost() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    forwarder.say("Starting seq");
    assert!(forwarder.worker("exec seq 20000").wait().unwrap().success());
    forwarder.say("gone");
    assert_eq!(forwarder.closed(), 0);
    forwarder.finish(10_000);
    let log = log();
    let lines: Vec<_> = log.lines().map(after_header).collect();
    let worker = (1..=20_000).map(|i| format!("[77] {i}"));
    let expected: Vec<_> = std::iter::once("Starting seq".into())
        .chain(worker)
        .chain(std::iter::once("gone".into()))
        .collect();
    assert!(
        lines == expected,
        "{} lines, the last {:?}",
        lines.len(),
        lines.last()
    );
}

#[test]
fn the_last_line_needs_no_newline() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    forwarder.worker("printf 'a\\r\\n\\nlast'").wait().unwrap();
    forwarder.say("gone");
    forwarder.finish(10_000);
    let log = log();
    let lines: Vec<_> = log
        .split('\n')
        .filter(|line| !line.is_empty())
        .map(after_header)
        .collect();
    assert_eq!(lines, ["[77] a\r", "[77] ", "[77] last", "gone"]);
}

#[test]
fn a_line_of_ten_megabytes_takes_little_memory() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    forwarder
        .worker("head -c 10000000 /dev/zero | tr '\\0' x")
        .wait()
        .unwrap();
    forwarder.closed();
    let peak = forwarder.status("VmHWM");
    forwarder.finish(10_000);
    assert!(peak < 12_000, "peak of {peak} kB");
    let log = log();
    let pieces: Vec<_> = log
        .lines()
        .map(|line| after_header(line).strip_prefix("[77] ").unwrap())
        .collect();
    let mark = std::str::from_utf8(CONTINUES).unwrap();
    let (last, marked) = pieces.split_last().unwrap();
    assert!(
        marked
            .iter()
            .all(|piece| piece.strip_suffix(mark).unwrap().len() == LINE_MAX)
    );
    assert_eq!(marked.len() * LINE_MAX + last.len(), 10_000_000);
}

#[test]
fn a_stuck_reader_of_the_log_holds_up_the_forwarder_alone() {
    for nonblocking in [false, true] {
        stuck_reader(nonblocking);
    }
}

fn stuck_reader(nonblocking: bool) {
    let (stderr, mut log) = reader();
    rustix::io::ioctl_fionbio(&stderr, nonblocking).unwrap();
    let mut forwarder = Forwarder::text(stderr);
    let mut worker = forwarder.worker("exec seq 100000");
    // Sends never wait: what the forwarder doesn't take yet waits in the socket, until that is full.
    let mut said = 0;
    let full = ToForwarder::Line("x".repeat(4000)).encode();
    let error = loop {
        match scm::send(forwarder.control.as_fd(), &full, &[]) {
            Ok(()) => said += 1,
            Err(error) => break error,
        }
        assert!(said < 10_000, "nobody reads, and still it takes more");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    let mut text = String::new();
    let control = forwarder.control.try_clone().unwrap();
    std::thread::spawn(move || {
        let finish = ToForwarder::Finish { grace_ms: 10_000 }.encode();
        while scm::send(control.as_fd(), &finish, &[]).is_err() {
            let mut writable = [PollFd::new(&control, PollFlags::OUT)];
            poll(&mut writable, None).unwrap();
        }
    });
    log.read_to_string(&mut text).unwrap();
    worker.wait().unwrap();
    forwarder.ended();
    assert_eq!(
        text.lines().filter(|line| line.ends_with("xxx")).count(),
        said
    );
    assert_eq!(
        text.lines().filter(|line| line.contains("[77] ")).count(),
        100_000
    );
}

#[test]
fn workers_write_on_after_the_supervisor_was_killed() {
    let (stderr, mut log) = reader();
    let mut forwarder = Forwarder::text(stderr);
    let mut worker = forwarder.worker("echo before; read line; echo after; printf end");
    expect(&mut log, "[77] before");
    forwarder.control = File::open("/dev/null").unwrap().into();
    let line = expect(&mut log, "nobody restarts or reloads its workers any more");
    assert!(after_header(&line).starts_with("The supervisor has gone"));
    drop(worker.stdin.take());
    assert!(
        worker.wait().unwrap().success(),
        "it must not die of SIGPIPE"
    );
    expect(&mut log, "[77] after");
    expect(&mut log, "[77] end");
    forwarder.ended();
}

#[test]
fn it_ends_with_the_supervisor_if_there_is_no_worker() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    forwarder.say("last words");
    forwarder.control = File::open("/dev/null").unwrap().into();
    forwarder.ended();
    assert_eq!(
        log().lines().map(after_header).collect::<Vec<_>>(),
        ["last words"]
    );
}

#[test]
fn signals_for_everybody_are_not_for_it() {
    let (stderr, mut log) = reader();
    let forwarder = Forwarder::text(stderr);
    forwarder.say("up");
    expect(&mut log, "up");
    for signal in [
        Signal::TERM,
        Signal::INT,
        Signal::QUIT,
        Signal::HUP,
        Signal::USR1,
        Signal::USR2,
        Signal::PIPE,
    ] {
        kill_process(Pid::from_child(&forwarder.child), signal).unwrap();
    }
    forwarder.say("still there");
    expect(&mut log, "still there");
    forwarder.finish(10_000);
}

#[test]
fn finish_does_not_wait_for_ever_for_a_grandchild() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    let held = forwarder.pipe(5, Stream::Output);
    rustix::io::write(&held, b"half a line").unwrap();
    forwarder.finish(100);
    assert!(log().ends_with("[5] half a line\n"));
}

#[test]
fn a_flood_starves_nobody() {
    let (stderr, mut log) = reader();
    let mut forwarder = Forwarder::text(stderr);
    let mut flood = forwarder.worker("exec yes");
    expect(&mut log, "[77] y");
    let quiet = forwarder.pipe(78, Stream::Output);
    rustix::io::write(&quiet, b"quiet\n").unwrap();
    expect(&mut log, "[78] quiet");
    forwarder.say("said");
    expect(&mut log, "said");
    flood.kill().unwrap();
    flood.wait().unwrap();
    drop(quiet);
    forwarder.send(&ToForwarder::Finish { grace_ms: 10_000 });
    std::io::copy(&mut log, &mut std::io::sink()).unwrap();
    forwarder.ended();
}

#[test]
fn json_says_whose_line_it_is() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::start(LogFormat::Json, None, stderr);
    forwarder.say("Starting \"it\"");
    for (stream, bytes) in [
        (Stream::Stdout, &b"out\n"[..]),
        (Stream::Stderr, b"\xff\x1b\n"),
        (Stream::Stdout, b""),
    ] {
        let mut file = File::from(forwarder.pipe(77, stream));
        file.write_all(bytes).unwrap();
        drop(file);
        forwarder.closed();
    }
    File::from(forwarder.pipe(77, Stream::Stdout))
        .write_all(&[b'x'; LINE_MAX + 1])
        .unwrap();
    forwarder.finish(10_000);
    let log = log();
    let mut lines = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut next = || {
        let mut line = lines.next().unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert_eq!(
            time.as_str().unwrap().len(),
            "2006-01-02T15:04:05.000Z".len()
        );
        line
    };
    assert_eq!(
        next(),
        serde_json::json!({"pid": 4321, "stream": "supervisor", "line": "Starting \"it\""})
    );
    let from = |stream, line: &str| serde_json::json!({"worker": 1, "pid": 77, "generation": 3, "stream": stream, "line": line});
    assert_eq!(next(), from("stdout", "out"));
    assert_eq!(next(), from("stderr", "\u{fffd}\u{1b}"));
    let mut piece = from("stdout", &"x".repeat(LINE_MAX));
    piece["partial"] = true.into();
    assert_eq!(next(), piece);
    assert_eq!(next(), from("stdout", "x"));
}

#[test]
fn syslog_gets_a_datagram_a_line_and_an_account_of_those_it_missed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let receive = |socket: &UnixDatagram| {
        readable(socket.as_fd());
        let mut buffer = [0; 1000];
        let n = socket.recv(&mut buffer).unwrap();
        let text = String::from_utf8(buffer[..n].to_vec()).unwrap();
        assert!(text.starts_with("<14>"), "{text}");
        text.split_at("<14>Jan _2 15:04:05 ".len()).1.to_owned()
    };
    let (stderr, mut log) = reader();
    let syslog = UnixDatagram::bind(&path).unwrap();
    let mut forwarder = Forwarder::start(LogFormat::Text, Some(path.clone()), stderr);
    forwarder.say("Starting");
    forwarder.worker("echo one; echo two").wait().unwrap();
    for expected in ["Starting", "[77] one", "[77] two"] {
        assert_eq!(receive(&syslog), format!("socketmaster[4321]: {expected}"));
    }
    std::fs::remove_file(&path).unwrap();
    drop(syslog);
    forwarder.say("lost");
    expect(&mut log, "No such file or directory (os error 2)");
    let syslog = UnixDatagram::bind(&path).unwrap();
    forwarder.say("found");
    assert!(receive(&syslog).starts_with("socketmaster[4321]: Lines of the log lost: 1 (/"));
    assert_eq!(receive(&syslog), "socketmaster[4321]: found");
    forwarder.finish(10_000);
}

#[test]
fn a_full_disk_stops_no_worker() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut forwarder = Forwarder::text(full);
    assert!(
        forwarder
            .worker("exec seq 100000")
            .wait()
            .unwrap()
            .success()
    );
    forwarder.closed();
    forwarder.finish(10_000);
}

#[test]
fn what_a_newer_supervisor_says_is_skipped() {
    let (stderr, log) = file();
    let forwarder = Forwarder::text(stderr);
    let long = vec![b'x'; 2 * MESSAGE_MAX];
    for message in [&b"{\"Rotate\":{}}"[..], b"\xff", &long] {
        scm::send(forwarder.control.as_fd(), message, &[]).unwrap();
    }
    forwarder.say("known");
    forwarder.finish(10_000);
    assert_eq!(
        log().lines().map(after_header).collect::<Vec<_>>(),
        ["known"]
    );
}

#[test]
fn at_rest_it_neither_wakes_nor_keeps_memory() {
    let (stderr, log) = file();
    let mut forwarder = Forwarder::text(stderr);
    forwarder.say("up");
    let quiet = forwarder.pipe(78, Stream::Output);
    forwarder.worker("exec seq 300000").wait().unwrap();
    assert_eq!(forwarder.closed(), 1);
    let pidfd = pidfd_open(Pid::from_child(&forwarder.child), PidfdFlags::empty()).unwrap();
    let wait = |millis: i64| {
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: millis * 1_000_000,
        };
        assert_eq!(
            poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)),
            Ok(0),
            "it ended"
        );
    };
    let busy = forwarder.status("VmData");
    let schedstat = format!("/proc/{}/schedstat", forwarder.child.id());
    let mut turns = 0;
    while forwarder.status("VmData") + 200 > busy {
        wait(100);
        turns += 1;
        assert!(turns < 100, "{busy} kB of data are kept");
    }
    // Time on the processor, time waiting for it, and how often it ran.
    let ran = || std::fs::read_to_string(&schedstat).unwrap();
    let before = ran();
    wait(900);
    assert_eq!(ran(), before);
    drop(quiet);
    forwarder.finish(10_000);
    assert_eq!(log().lines().count(), 300_001);
}
