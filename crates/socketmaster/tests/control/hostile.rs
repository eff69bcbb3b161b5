//! Clients of the control socket that speak nonsense, slowly, too much, or not at all.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use testbed::{now, until};

use super::crowd::{Crowd, MANNERS, connect};
use super::{Site, end};

/// A reload of the fixture takes some 10 ms; 1,000 threads of clients on a small machine take their time too. If clients
/// had to be waited for, that would be 5 s for each that has a place.
const BOUND: Duration = Duration::from_secs(3);

const CLIENTS: usize = 1000;

#[test]
fn a_thousand_do_not_delay_a_reload() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let socket = site.socket(&supervisor);
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
        let begin = now();
        let reload = site.ask(&["reload"]);
        let verb_took = begin.elapsed();
        over.store(true, Ordering::Relaxed);
        // Those that wait to be let in are let go.
        let _ = supervisor.stop();
        eprintln!("a reload by HUP among {CLIENTS} hostile clients: {took:?}");
        eprintln!("and by the verb: {verb_took:?}");
        assert!(
            took < BOUND && verb_took < BOUND * 3,
            "{took:?}, {verb_took:?}"
        );
        assert_eq!((reload.status, reload.err.as_str()), (0, ""), "{reload:?}");
        assert!(!reload.out.contains("meanwhile"), "{reload:?}");
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
fn those_who_hold_their_places_delay_no_verb() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let alone = slowest(&site);
    for (clients, manner) in [64, CLIENTS]
        .into_iter()
        .flat_map(|n| MANNERS.map(|manner| (n, manner)))
    {
        let crowd = Crowd::come(&site.socket(&supervisor), clients, manner);
        let among = slowest(&site);
        eprintln!("reload and status take {alone:?}, among {clients} {manner:?} clients {among:?}");
        assert!(
            among < alone + BOUND,
            "{clients} {manner:?}: {among:?}, alone {alone:?}"
        );
        crowd.go();
    }
}

#[test]
fn a_reload_that_is_told_of_is_not_cut_off_by_others() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    site.app.deploy("version two\nsleep 6000\nnotify");
    let reload = site.begin(&["reload"]);
    supervisor.wait_for_nth_line("Starting", 2);
    let socket = site.socket(&supervisor);
    let all = MANNERS.map(|manner| Crowd::come(&socket, CLIENTS / MANNERS.len(), manner));
    // Whoever came before this one has been let in.
    assert_eq!(site.ask(&["status"]).status, 0);
    assert_eq!(supervisor.log().count("Reload done"), 0);
    let reload = end(reload);
    assert_eq!((reload.status, reload.err.as_str()), (0, ""), "{reload:?}");
    assert!(reload.out.contains("generation 2 serves"), "{reload:?}");
    assert!(!reload.out.contains("meanwhile"), "{reload:?}");
    all.into_iter().for_each(Crowd::go);
}

#[test]
fn those_who_wait_for_verdicts_keep_nobody_out() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    site.app.deploy("sleep 3000\nnotify");
    let words = "POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut clients: Vec<_> = (0..300)
        .map(|_| connect(&site.socket(&supervisor)))
        .collect();
    for client in &mut clients {
        client.write_all(words.as_bytes()).unwrap();
    }
    let begin = now();
    let status = site.ask(&["status"]);
    assert_eq!(status.status, 0, "{status:?}");
    assert!(status.out.contains("reload"), "{status:?}");
    let took = begin.elapsed();
    assert!(took < BOUND, "{took:?}");
    assert_eq!(supervisor.log().count("Reload done"), 0);
}

/// How long the slowest of some reloads and looks takes.
fn slowest(site: &Site) -> Duration {
    let one = || {
        let begin = now();
        let (reload, status) = (site.ask(&["reload"]), site.ask(&["status"]));
        assert_eq!(
            (reload.status, status.status),
            (0, 0),
            "{reload:?} {status:?}"
        );
        begin.elapsed()
    };
    (0..5).map(|_| one()).max().unwrap()
}
