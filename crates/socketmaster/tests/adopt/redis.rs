//! Redis, whose data stays with the old process: no program to reload for its data's sake, but its socket is held too.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use testbed::{Report, free_port, program, setup};

use crate::service::{CLIENTS, RELOADS, leaves_nothing, loses_little, reload, serve, tcp};

/// The process that answers over a new connection.
fn ask(port: u16) -> io::Result<i32> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    (&stream).write_all(b"INFO server\r\n")?;
    for line in BufReader::new(stream).lines() {
        if let Some(pid) = line?.strip_prefix("process_id:") {
            return pid.parse().map_err(io::Error::other);
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// It closes its clients when it is told to stop.
#[test]
fn redis() {
    let Some(redis) = program("redis-server") else {
        return;
    };
    let (port, place) = (free_port(), tempfile::tempdir().unwrap());
    let (text, folder) = (port.to_string(), place.path().to_str().unwrap());
    let args = [
        "--port",
        &text,
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        folder,
    ];
    let mut supervisor = serve(setup!().command(redis, &args), &[tcp(port)]);
    let (done, mut report) = (AtomicBool::new(false), Report::default());
    thread::scope(|scope| {
        let client = || {
            let mut report = Report::default();
            while !done.load(Ordering::Relaxed) {
                report.count(ask(port).map(Some));
            }
            report
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for _ in 0..RELOADS {
            reload(&supervisor);
        }
        done.store(true, Ordering::Relaxed);
        for client in clients {
            report.add(client.join().unwrap());
        }
    });
    loses_little(&report);
    assert!(report.by_pid.len() > RELOADS, "{report:?}");
    leaves_nothing(&mut supervisor);
}
