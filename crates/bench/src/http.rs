//! A client of the control socket.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use testbed::{Setup, Supervisor};

use crate::report::{millis, now};
use crate::subject::Place;

/// When an answer counts as never.
const PATIENCE: Duration = Duration::from_secs(60);

/// Puts the run directories of a measurement into its own.
pub(crate) fn with_control(place: &Place, setup: Setup) -> Setup {
    let directory = runs(place);
    fs::create_dir(&directory).expect("a directory of our own");
    setup.variable("RUNTIME_DIRECTORY", directory)
}

/// Where the run directories are.
pub(crate) fn runs(place: &Place) -> PathBuf {
    place.path("run")
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Control(BufReader<UnixStream>);

impl Control {
    pub(crate) fn connect(place: &Place, supervisor: &Supervisor) -> Self {
        let run = runs(place).join(format!("socketmaster.{}", supervisor.pid()));
        let stream = UnixStream::connect(run.join("control")).expect("a control socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        Self(BufReader::new(stream))
    }

    /// The body of an answer, and how many milliseconds it took.
    pub(crate) fn get(&mut self, path: &str) -> (String, f64) {
        let begun = now();
        let body = self.ask("GET", path).and_then(|length| {
            let mut body = vec![0; length.unwrap_or(0)];
            self.0.read_exact(&mut body)?;
            Ok(body)
        });
        let body = body.expect("an answer");
        (
            String::from_utf8_lossy(&body).into_owned(),
            millis(begun, now()),
        )
    }

    /// Has a reload done: how many milliseconds it took to be told that it has begun, and until the verdict.
    pub(crate) fn reload(&mut self) -> (f64, f64) {
        let begun = now();
        self.ask("POST", "/v1/reload").expect("an answer");
        let (mut accepted, mut done) = (None, false);
        let mut line = String::new();
        // A chunk for each line (RFC 9112, section 7.1); the last is empty.
        while !line.starts_with('0') {
            line.clear();
            self.0.read_line(&mut line).expect("a line");
            done |= line.contains("\"done\"");
            accepted.get_or_insert_with(|| millis(begun, now()));
        }
        self.0.read_line(&mut line).expect("the last line");
        assert!(done, "a reload of a program that works");
        (accepted.unwrap_or_default(), millis(begun, now()))
    }

    /// The length of the body, if it is known.
    fn ask(&mut self, method: &str, path: &str) -> io::Result<Option<usize>> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut length) = (String::new(), None);
        self.0.read_line(&mut line)?;
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line.trim_end() != "" {
            line.clear();
            self.0.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
        }
        Ok(length)
    }
}
