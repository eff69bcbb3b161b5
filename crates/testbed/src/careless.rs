//! Clients that keep their connection and do not look before they write: what a pooled HTTP client is at its worst.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What they saw.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests that were answered.
    pub ok: usize,
    /// Requests that were not.
    pub failed: usize,
    /// How many connections it took.
    pub connections: usize,
    /// Why the first of them failed.
    pub first_error: Option<String>,
}

/// Clients at work.
#[derive(Debug)]
pub struct Careless {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Tally>>,
}

impl Careless {
    /// Sets clients to work until [`Careless::stop`]. Each waits up to `gap` between two requests.
    #[must_use]
    pub fn start(address: SocketAddr, clients: usize, gap: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |seed| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                let mut tally = Tally::default();
                let mut kept = None;
                while !stop.load(Ordering::Relaxed) {
                    match ask(&mut kept, address, &mut tally.connections) {
                        Ok(()) => tally.ok += 1,
                        Err(error) => {
                            kept = None;
                            tally.failed += 1;
                            tally.first_error.get_or_insert(error.to_string());
                        }
                    }
                    let gap = u64::try_from(gap.as_micros()).unwrap();
                    thread::sleep(Duration::from_micros(random.u64(0..=gap)));
                }
                tally
            })
        };
        let clients = (1..=clients as u64).map(client).collect();
        Self { stop, clients }
    }

    /// Lets each client finish its request, and adds up.
    ///
    /// # Panics
    /// A client has.
    #[must_use]
    pub fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Tally::default();
        for client in self.clients {
            let tally = client.join().unwrap();
            sum.ok += tally.ok;
            sum.failed += tally.failed;
            sum.connections += tally.connections;
            sum.first_error = sum.first_error.or(tally.first_error);
        }
        sum
    }
}

/// One request over the connection that was kept, or a new one.
fn ask(
    kept: &mut Option<BufReader<TcpStream>>,
    address: SocketAddr,
    opened: &mut usize,
) -> io::Result<()> {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            *opened += 1;
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
            BufReader::new(stream)
        }
    };
    stream
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")?;
    let (mut length, mut close) = (None, false);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok();
        }
        close |= line == "connection: close";
    }
    let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
    stream.read_exact(&mut vec![0; length])?;
    if !close {
        *kept = Some(stream);
    }
    Ok(())
}
