//! Clients that ask a program in a steady rhythm, and remember each request: when, how long, and who answered.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::report::now;

/// So many at once, and the pause that each makes between its requests: steady, and far from all the machine can do.
const CLIENTS: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);

/// When an answer counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a client treats its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// A connection for each request.
    New,
    /// One for all, until the server says that it closes it, written to without a look whether it still is there.
    Careless,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// As [`now`] says.
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    /// The process that answered; `None` if none did.
    pub(crate) pid: Option<i32>,
}

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Request>>>,
}

impl Clients {
    pub(crate) fn start(address: SocketAddr, habit: Habit) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut requests = Vec::new();
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    let begun = now();
                    let pid = ask(address, habit, &mut kept).ok();
                    let ended = now();
                    requests.push(Request { begun, ended, pid });
                    testbed::pause(PAUSE);
                }
                requests
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { stop, threads }
    }

    /// Lets each finish its request; all requests.
    pub(crate) fn stop(mut self) -> Vec<Request> {
        self.stop.store(true, Ordering::Relaxed);
        let joined = self.threads.drain(..).map(JoinHandle::join);
        joined
            .flat_map(|requests| requests.expect("a client that does not panic"))
            .collect()
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Who answered; the connection is put back if it is to be kept.
fn ask(address: SocketAddr, habit: Habit, kept: &mut Option<TcpStream>) -> io::Result<i32> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            stream
        }
    };
    let connection = match habit {
        Habit::New => "close",
        Habit::Careless => "keep-alive",
    };
    let request = format!("GET / HTTP/1.1\r\nHost: bench\r\nConnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 512];
    let mut length = 0;
    // The body is a number in brackets.
    while !answer[..length].ends_with(b"]") {
        let read = stream.read(&mut answer[length..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
    }
    let text = String::from_utf8_lossy(&answer[..length]);
    if !text.contains("Connection: close") {
        *kept = Some(stream);
    }
    let pid = text
        .rsplit_once('[')
        .map(|(_, body)| body.trim_end_matches(']').parse());
    match pid {
        Some(Ok(pid)) if text.starts_with("HTTP/1.1 200") => Ok(pid),
        _ => Err(io::Error::other(text)),
    }
}
