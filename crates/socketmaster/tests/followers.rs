//! Those who read the log from the forwarder, which is a real process; the verb is tested in `control/logs.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socketmaster::config::LogFormat;
use socketmaster::forwarder::options::Options;
use socketmaster::sys::scm;
use socketmaster::wire::forward::{FOLLOW_MAX, Follow, Origin, Stream, ToForwarder};

/// The supervisor's side.
struct Forwarder {
    child: Child,
    control: OwnedFd,
}

/// The client's side.
struct Reader(OwnedFd);

const EVERYTHING: Follow = Follow {
    lines: usize::MAX,
    after: None,
    follow: true,
};

impl Forwarder {
    fn start(syslog: Option<PathBuf>, stderr: impl Into<Stdio>) -> Self {
        let options = Options {
            supervisor: 4321,
            format: LogFormat::Text,
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
        Self { child, control }
    }

    fn say(&self, text: &str) {
        let message = ToForwarder::Line(text.into()).encode();
        scm::send(self.control.as_fd(), &message, &[]).unwrap();
    }

    /// Somebody who reads, and the position where that begins.
    fn read(&self, wanted: Follow) -> (Reader, u64) {
        let (ours, theirs) = scm::pair().unwrap();
        let message = ToForwarder::Follow(wanted).encode();
        scm::send(self.control.as_fd(), &message, &[theirs.as_fd()]).unwrap();
        drop(theirs);
        let mut reader = Reader(ours);
        let position = reader.next().unwrap().parse().unwrap();
        (reader, position)
    }

    /// A program whose output goes to the log as that of pid 77.
    fn worker(&self, script: &str) -> Child {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
        let origin = Origin {
            pid: 77,
            generation: 1,
            slot: 0,
            stream: Stream::Output,
        };
        let message = ToForwarder::Pipe { id: 1, origin };
        scm::send(self.control.as_fd(), &message.encode(), &[read.as_fd()]).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdout(write).spawn().unwrap()
    }

    /// Lets it print all that there is and end.
    fn finish(mut self) {
        let finish = ToForwarder::Finish { grace_ms: 5000 }.encode();
        scm::send(self.control.as_fd(), &finish, &[]).unwrap();
        self.child.wait().unwrap();
    }
}

impl Reader {
    /// The next message; `None` at the end.
    fn next(&mut self) -> Option<String> {
        let patience = Timespec {
            tv_sec: 20,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "no message");
        let mut buffer = vec![0; FOLLOW_MAX];
        let (length, _) = scm::receive(self.0.as_fd(), &mut buffer).unwrap();
        buffer.truncate(length);
        (length > 0).then(|| String::from_utf8(buffer).unwrap())
    }

    /// All that comes up to a line with this.
    fn up_to(&mut self, pattern: &str) -> String {
        let mut all = String::new();
        while !all.contains(pattern) {
            all += &self.next().expect("there is more");
        }
        all
    }

    fn rest(mut self) -> String {
        std::iter::from_fn(|| self.next()).collect()
    }
}

/// Whoever does not read delays nobody, and every line is either there or counted.
#[test]
fn of_a_flood_each_line_has_come_or_is_counted() {
    const LINES: usize = 300_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let forwarder = Forwarder::start(None, File::create(&path).unwrap());
    let stuck: Vec<_> = (0..3).map(|_| forwarder.read(EVERYTHING).0).collect();
    let mut worker = forwarder.worker(&format!("seq -f 'line %.0f' 1 {LINES}"));
    assert!(worker.wait().unwrap().success());
    forwarder.say("the end");
    // All is in the log before anybody has read anything.
    let (mut after, _) = forwarder.read(Follow {
        lines: 1,
        ..EVERYTHING
    });
    assert!(after.up_to("\n").ends_with(" the end\n"));
    let log = fs::read_to_string(&path).unwrap();
    let lines: HashSet<_> = log.lines().collect();
    assert_eq!(lines.len(), LINES + 1);
    for mut reader in stuck {
        let text = reader.up_to("the end\n");
        let (mut got, mut left_out) = (0, 0);
        for line in text.lines() {
            match line.split_once("Lines left out here: ") {
                Some((_, rest)) => {
                    left_out += rest.split(' ').next().unwrap().parse::<usize>().unwrap();
                }
                None => {
                    assert!(lines.contains(line), "{line}");
                    got += 1;
                }
            }
        }
        assert!(left_out > LINES / 2, "{left_out}");
        assert_eq!(got + left_out, LINES + 1);
    }
    forwarder.finish();
}

#[test]
fn a_position_goes_on_where_another_reader_has_stopped() {
    let forwarder = Forwarder::start(None, Stdio::null());
    for text in ["one", "two", "three"] {
        forwarder.say(text);
    }
    let last = |lines, after| {
        let wanted = Follow {
            lines,
            after,
            follow: false,
        };
        let (reader, position) = forwarder.read(wanted);
        let text = reader.rest();
        let words: Vec<_> = text
            .lines()
            .map(|line| line.rsplit(' ').next().unwrap().to_owned())
            .collect();
        (position, text.len() as u64, words.join(" "))
    };
    let (begin, length, words) = last(usize::MAX, None);
    assert_eq!(words, "one two three");
    let (position, of_last, words) = last(1, None);
    assert_eq!(
        (position + of_last, words.as_str()),
        (begin + length, "three")
    );
    assert_eq!(last(9, Some(position)).2, "three");
    assert_eq!(last(9, Some(begin + length)).2, "");
    // Of a forwarder that was there before, and of nowhere.
    assert_eq!(last(0, Some(0)).2, "one two three");
    assert_eq!(last(0, Some(u64::MAX)).2, "");
    assert_eq!(last(0, None).2, "");
    forwarder.finish();
}

#[test]
fn a_line_that_is_larger_than_a_message_comes_whole() {
    let forwarder = Forwarder::start(None, Stdio::null());
    let (mut reader, _) = forwarder.read(EVERYTHING);
    let mut worker = forwarder.worker("head -c 60000 /dev/zero | tr '\\0' x; echo; echo after");
    let text = reader.up_to("after\n");
    worker.wait().unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with(&"x".repeat(60_000)));
    forwarder.finish();
}

#[test]
fn lines_for_syslog_are_lines_for_people() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let syslog = UnixDatagram::bind(&path).unwrap();
    let forwarder = Forwarder::start(Some(path), Stdio::null());
    let (mut reader, _) = forwarder.read(EVERYTHING);
    forwarder.say("one > none\ntwo");
    let text = reader.up_to("two\n");
    let mut sent = String::new();
    for _ in 0..2 {
        let mut buffer = [0; 1000];
        let length = syslog.recv(&mut buffer).unwrap();
        let line = std::str::from_utf8(&buffer[..length]).unwrap();
        sent += line.strip_prefix("<14>").unwrap();
        sent.push('\n');
    }
    assert_eq!(text, sent);
    forwarder.finish();
}

#[test]
fn a_log_that_takes_nothing_is_no_loss_to_those_who_read() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let forwarder = Forwarder::start(None, full);
    let (mut reader, _) = forwarder.read(EVERYTHING);
    forwarder.say("one");
    assert!(reader.up_to("one\n").ends_with(" one\n"));
    forwarder.finish();
}

#[test]
fn whoever_goes_leaves_nothing_behind() {
    let (mut log, stderr) = std::io::pipe().unwrap();
    let forwarder = Forwarder::start(None, stderr);
    let open = || {
        let directory = format!("/proc/{}/fd", forwarder.child.id());
        fs::read_dir(directory).unwrap().count()
    };
    let (reader, _) = forwarder.read(EVERYTHING);
    let with_one = open();
    let many: Vec<_> = (0..20).map(|_| forwarder.read(EVERYTHING)).collect();
    assert_eq!(open(), with_one + 20);
    drop(many);
    testbed::until("their sockets are closed", || open() == with_one);
    forwarder.say("still here");
    forwarder.finish();
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert_eq!(reader.rest(), text);
}
