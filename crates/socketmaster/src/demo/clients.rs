//! Steady requests, each on a connection of its own, and what became of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};

/// How many clients ask at the same time.
pub(super) const CLIENTS: usize = 8;

/// How long a client thinks between two requests.
const THINK: Duration = Duration::from_millis(10);

/// Longer than this no client waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of the requests.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) lost: u64,
    /// The first of them, in the system's words.
    pub(super) first_loss: Option<String>,
    /// How many each version answered.
    pub(super) answered: BTreeMap<String, u64>,
}

/// The clients while they run.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) tally: Rc<RefCell<Tally>>,
    stop: Rc<RefCell<bool>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts them, inside a `LocalSet`.
    pub(super) fn start(port: u16) -> Self {
        let tally = Rc::new(RefCell::new(Tally::default()));
        let stop = Rc::new(RefCell::new(false));
        let client = |_| spawn_local(ask_steadily(port, Rc::clone(&tally), Rc::clone(&stop)));
        let tasks = (0..CLIENTS).map(client).collect();
        Self { tally, stop, tasks }
    }

    /// Lets each finish its last request.
    pub(super) async fn finish(self) -> Rc<RefCell<Tally>> {
        *self.stop.borrow_mut() = true;
        for task in self.tasks {
            // None panics; if one did, what it counted counts.
            let _ = task.await;
        }
        self.tally
    }
}

async fn ask_steadily(port: u16, tally: Rc<RefCell<Tally>>, stop: Rc<RefCell<bool>>) {
    while !*stop.borrow() {
        tally.borrow_mut().sent += 1;
        let answer = tokio::time::timeout(PATIENCE, ask(port)).await;
        let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        {
            let mut tally = tally.borrow_mut();
            match answer {
                Ok(version) => *tally.answered.entry(version).or_default() += 1,
                Err(error) => {
                    tally.lost += 1;
                    tally.first_loss.get_or_insert_with(|| error.to_string());
                }
            }
        }
        tokio::time::sleep(THINK).await;
    }
}

async fn ask(port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200 ") && !body.is_empty() => {
            Ok(body.to_owned())
        }
        _ => Err(io::Error::other("the answer was cut short")),
    }
}
