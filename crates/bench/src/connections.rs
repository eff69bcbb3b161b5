//! What new connections cost with a supervisor behind their listener.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;
use testbed::Supervisor;

use crate::figure::{Figure, Target::AtMost, Target::Within, median};
use crate::options::Options;
use crate::process::switches;
use crate::subject::{Alone, Place, Subject, free_address};

const CLIENTS: usize = 4;

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    let mut place = Place::new();
    let under = free_address();
    let setup = subject.setup().listen(format!("tcp://{under}"));
    let supervisor = place.app(setup, &["serve"]).start();
    place.reports.wait("ready");
    if subject.is_ours {
        supervisor.wait_for_line("is ready");
    }
    // What the start has stirred up comes to rest.
    testbed::pause(Duration::from_secs(1));
    vec![
        per_connection(&supervisor, under, options.count(20_000, 1_000)),
        throughput(&mut place, under, options),
    ]
}

fn per_connection(supervisor: &Supervisor, address: SocketAddr, count: usize) -> Figure {
    let before = switches(supervisor.pid());
    let left = AtomicUsize::new(count);
    let next = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
            .is_ok()
    };
    let asked = clients(address, &next);
    assert_eq!(asked, count, "every request is answered");
    let switched = switches(supervisor.pid()) - before;
    Figure::new(
        "supervisor's context switches per new connection",
        "",
        switched as f64 / count as f64,
        AtMost(0.0),
        "0.77",
    )
}

/// The app under the supervisor and the app alone take turns, the one or the other first.
fn throughput(place: &mut Place, under: SocketAddr, options: &Options) -> Figure {
    let address = free_address();
    let _alone = Alone::start(place, &["serve", "at", &address.to_string()]);
    let span = options.count(Duration::from_millis(250), Duration::from_millis(100));
    let run = |address: SocketAddr| {
        let end = Instant::now() + span;
        clients(address, &|| Instant::now() < end) as f64
    };
    run(under);
    let ratios: Vec<f64> = (0..options.count(80, 4))
        .map(|round| {
            if round % 2 == 0 {
                let first = run(under);
                first / run(address)
            } else {
                let first = run(address);
                run(under) / first
            }
        })
        .collect();
    Figure::new(
        "throughput under it ÷ alone, new connections",
        "",
        median(&ratios),
        Within(0.99, 1.01),
        "0.94",
    )
}

/// Asks over new connections, as long as `more` says so; how many answers came.
fn clients(address: SocketAddr, more: &(dyn Fn() -> bool + Sync)) -> usize {
    thread::scope(|scope| {
        let client = || {
            let mut answered = 0;
            while more() {
                ask(address).expect("an answer");
                answered += 1;
            }
            answered
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a client that got its answers"))
            .sum()
    })
}

fn ask(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")?;
    let mut answer = [0; 256];
    let mut length = 0;
    while !answer[..length].ends_with(b"ok") {
        let read = stream.read(&mut answer[length..])?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        length += read;
    }
    // Ends the connection at once: thousands that wait for their end would use up the ports.
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(())
}
