//! A supervisor that runs, and goes with all it has started when the test lets go of it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use crate::http::{Address, Answer, get};
use crate::log::{Line, Log};
use crate::{PATIENCE, poll, processes};

/// What the fixture says when it begins with a request for `/slow`.
const BEGUN: &str = "] serving slowly";

/// A supervisor under test.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) child: Child,
    pub(crate) log: Log,
    /// The variable with its value that all its processes have in their environment.
    pub(crate) mark: String,
    pub(crate) addresses: Vec<Address>,
    /// Whether it is the original, which has other words for things.
    pub(crate) original: bool,
}

impl Supervisor {
    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Where its first listener is reached.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.addresses[0]
    }

    /// Where its listeners are reached, in order.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        processes::signal(self.pid(), signal);
    }

    /// Asks for a reload.
    pub fn hup(&self) {
        self.signal(Signal::HUP);
    }

    /// Asks it to replace its program, and waits until it says that it has.
    #[track_caller]
    pub fn upgrade(&self) {
        let before = self.log.count("Upgraded to version");
        self.signal(Signal::USR1);
        self.wait_for_nth_line("Upgraded to version", before + 1);
    }

    /// The process that carries its log.
    ///
    /// # Panics
    /// There is none within [`PATIENCE`].
    #[track_caller]
    #[must_use]
    pub fn forwarder(&self) -> i32 {
        let of_name = |pid: &i32| {
            // The kernel cuts names to 15 bytes.
            processes::status(*pid, "Name").as_deref() == Some("socketmaster-lo")
                && processes::is_alive(*pid)
        };
        let found = poll(PATIENCE, || {
            processes::children(self.pid()).into_iter().find(of_name)
        });
        found.unwrap_or_else(|| panic!("no forwarder; the log:\n{}", self.log.text()))
    }

    /// Waits for the first line that contains this.
    #[track_caller]
    pub fn wait_for_line(&self, pattern: &str) -> Line {
        self.wait_for_nth_line(pattern, 1)
    }

    /// Waits for the `n`th line, from 1, that contains this.
    ///
    /// # Panics
    /// It does not come within [`PATIENCE`], or cannot come any more.
    #[track_caller]
    pub fn wait_for_nth_line(&self, pattern: &str, n: usize) -> Line {
        match self.log.nth(pattern, n, PATIENCE) {
            Some(line) => line,
            None => panic!("no line {n} with {pattern:?} in the log"),
        }
    }

    /// Asks the app, which must answer.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        match get(self.address(), path) {
            Ok(answer) => answer,
            Err(error) => panic!("GET {path}: {error}"),
        }
    }

    /// Asks the app for something that takes so long, and returns when the app has begun with it.
    #[track_caller]
    pub fn get_slowly(&self, millis: u64) -> JoinHandle<io::Result<Answer>> {
        let address = self.address().clone();
        let before = self.log.count(BEGUN);
        let client = thread::spawn(move || get(&address, &format!("/slow?ms={millis}")));
        self.wait_for_nth_line(BEGUN, before + 1);
        client
    }

    /// Asks until this version answers. Every request on the way must be answered too.
    ///
    /// # Panics
    /// It does not within [`PATIENCE`].
    #[track_caller]
    pub fn wait_for_version(&self, version: &str) -> Answer {
        let answer = poll(PATIENCE, || {
            Some(self.get("/")).filter(|answer| answer.version() == version)
        });
        answer.unwrap_or_else(|| panic!("version {version} never answered"))
    }

    /// Waits until its first generation is ready; for a binary that does not say so, until somebody answers.
    #[track_caller]
    pub fn wait_until_serving(&self) {
        if self.original {
            let answers = poll(PATIENCE, || get(self.address(), "/").ok());
            assert!(answers.is_some(), "nobody answers");
        } else {
            self.wait_for_line("Generation 1 is ready");
        }
    }

    /// Asks it to stop with TERM, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end within [`PATIENCE`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        match poll(PATIENCE, || self.ended()) {
            Some(status) => {
                // What it printed last has been read too, unless somebody still holds its log.
                self.log.ended(Duration::from_secs(2));
                status
            }
            None => panic!("it does not end"),
        }
    }

    /// Its exit status, if it has ended.
    ///
    /// # Panics
    /// It is no child of ours.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Its live processes, itself included while it lives, with their command lines.
    #[must_use]
    pub fn processes(&self) -> Vec<(i32, String)> {
        processes::with_variable(&self.mark)
    }

    /// Its live children that are workers: all but its own helpers.
    #[must_use]
    pub fn workers(&self) -> Vec<i32> {
        let children = processes::children(self.pid()).into_iter();
        children
            .filter(|pid| {
                processes::is_alive(*pid)
                    && !processes::command_line(*pid).starts_with("socketmaster")
            })
            .collect()
    }

    /// The `n`th port, from 0, that it was given by the system and says so.
    pub(crate) fn reported_port(&self, n: usize) -> Address {
        let port = poll(PATIENCE, || {
            let lines = self.log.lines();
            // As text or as JSON.
            let uris = lines.iter().filter_map(|line| {
                let text = line.text.trim_end_matches(['"', '}']);
                text.split_once("Listening on ")
            });
            // First it names all listeners as it was told, then those whose port it was given.
            let (asked, rest): (Vec<_>, Vec<_>) = uris.partition(|(_, uri)| uri.ends_with(":0"));
            let (_, uri) = rest
                .into_iter()
                .filter(|(_, uri)| uri.starts_with("tcp"))
                .nth(n)
                .filter(|_| n < asked.len())?;
            let port = uri.rsplit_once(':')?.1.parse().ok()?;
            Some(Address::Tcp(([127, 0, 0, 1], port).into()))
        });
        port.unwrap_or_else(|| panic!("it does not say where it listens"))
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the log of {}:\n{}", self.pid(), self.log.text());
        }
        // It first, or it would start anew what we kill.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        while let [_, ..] = self.processes().as_slice() {
            for (pid, _) in self.processes() {
                processes::signal(pid, Signal::KILL);
            }
            crate::pause(Duration::from_millis(1));
        }
    }
}

/// The exit status as a shell shows it: 128 + the signal for one that was killed.
#[must_use]
pub fn shell_status(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
