//! Clients of the control socket that speak nonsense, slowly, too much, or not at all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use testbed::{now, until};

use super::Site;

/// A reload of the fixture takes some 10 ms; 1,000 threads of clients on a small machine take their time too.
const BOUND: Duration = Duration::from_secs(3);

const CLIENTS: usize = 1000;

#[test]
fn a_thousand_do_not_delay_a_reload() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let directory = format!("socketmaster.{}", supervisor.pid());
    let socket = site.directory().join(directory).join("control");
    let (over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for n in 0..CLIENTS {
            let (socket, over, begun) = (&socket, &over, &begun);
            scope.spawn(move || annoy(socket, n, over, begun));
        }
        until("all have begun", || {
            begun.load(Ordering::Relaxed) == CLIENTS
        });
        let begin = now();
        supervisor.hup();
        supervisor.wait_for_line("Reload done: generation 2 serves");
        let took = begin.elapsed();
        over.store(true, Ordering::Relaxed);
        // Those that wait to be let in are let go.
        let _ = supervisor.stop();
        eprintln!("a reload by HUP among {CLIENTS} hostile clients: {took:?}");
        assert!(took < BOUND, "{took:?}");
    });
}

/// One after the other, till all is over.
fn annoy(socket: &Path, n: usize, over: &AtomicBool, begun: &AtomicUsize) {
    let huge = vec![b'x'; 1 << 20];
    let words: &[u8] = match n % 4 {
        0 => b"",
        1 => &huge,
        2 => b"\x00\xff\r\n\r\n{}\r\n",
        _ => b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n{",
    };
    begun.fetch_add(1, Ordering::Relaxed);
    while !over.load(Ordering::Relaxed) {
        let Ok(mut client) = UnixStream::connect(socket) else {
            continue;
        };
        // Whoever is thrown out cannot go on.
        let _ = client.write_all(words);
        let _ = client.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_hundred_do_not_delay_a_verb() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let directory = format!("socketmaster.{}", supervisor.pid());
    let socket = site.directory().join(directory).join("control");
    // More than are served at once, and fewer than may wait: connecting does not block.
    let mut clients: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(&socket).unwrap())
        .collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.set_nonblocking(true).unwrap();
        let slow = format!("POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: {n}");
        client.write_all(slow.as_bytes()).unwrap();
    }
    let begin = now();
    let reload = site.ask(&["reload"]);
    let took = begin.elapsed();
    eprintln!("a reload by the verb behind 100 slow clients: {took:?}");
    assert_eq!(reload.status, 0, "{reload:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}
