//! Steady load: clients that ask over and over, each time over a new connection, and count.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::http::{Address, get};

/// Clients at work; dropping it lets them go.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Report>>,
}

/// What the clients saw.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Requests that were answered, with status 200.
    pub ok: usize,
    /// Requests that were not.
    pub failed: usize,
    /// Why the first of them failed.
    pub errors: Vec<String>,
    /// How many answers each process gave, of those that said which it was.
    pub by_pid: BTreeMap<i32, usize>,
}

const ERRORS_KEPT: usize = 10;

impl Load {
    /// Sets clients to work until [`Load::stop`].
    #[must_use]
    pub fn start(address: &Address, clients: usize, path: &str) -> Self {
        Self::bounded(address, clients, path, usize::MAX)
    }

    /// Sets clients to work, each of which asks so many times.
    #[must_use]
    pub fn bounded(address: &Address, clients: usize, path: &str, requests: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (stop, address, path) = (Arc::clone(&stop), address.clone(), path.to_owned());
            thread::spawn(move || {
                let mut report = Report::default();
                let mut left = requests;
                while left > 0 && !stop.load(Ordering::Relaxed) {
                    left -= 1;
                    report.ask(&address, &path);
                }
                report
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { stop, clients }
    }

    /// Lets each client finish its request, and adds up.
    ///
    /// # Panics
    /// A client has.
    #[must_use]
    pub fn stop(self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        self.finish()
    }

    /// Waits for clients that ask a number of times, and adds up.
    ///
    /// # Panics
    /// A client has.
    #[must_use]
    pub fn finish(mut self) -> Report {
        let mut sum = Report::default();
        for client in self.clients.drain(..) {
            sum.add(client.join().expect("a client that does not panic"));
        }
        sum
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Report {
    fn ask(&mut self, address: &Address, path: &str) {
        self.count(get(address, path).and_then(|answer| match answer.status {
            200 => Ok(answer.told_pid()),
            status => Err(io::Error::other(format!("status {status}"))),
        }));
    }

    /// Counts one request: the process that answered, if it said which it is, or why there was no answer.
    pub fn count(&mut self, answer: io::Result<Option<i32>>) {
        match answer {
            Ok(pid) => {
                self.ok += 1;
                if let Some(pid) = pid {
                    *self.by_pid.entry(pid).or_default() += 1;
                }
            }
            Err(error) => self.fail(error.to_string()),
        }
    }

    fn fail(&mut self, error: String) {
        self.failed += 1;
        if self.errors.len() < ERRORS_KEPT {
            self.errors.push(error);
        }
    }

    /// Adds what other clients saw.
    pub fn add(&mut self, other: Self) {
        self.ok += other.ok;
        self.failed += other.failed;
        self.errors.extend(other.errors);
        self.errors.truncate(ERRORS_KEPT);
        for (pid, count) in other.by_pid {
            *self.by_pid.entry(pid).or_default() += count;
        }
    }
}
