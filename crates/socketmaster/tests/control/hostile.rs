//! Clients of the control socket that speak nonsense, slowly, or not at all.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use testbed::now;

use super::Site;

/// A reload of the fixture takes some 10 ms; a machine under load is given its time.
const BOUND: Duration = Duration::from_secs(3);

#[test]
fn they_do_not_delay_a_reload() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let socket = site
        .directory()
        .join(format!("socketmaster.{}/control", supervisor.pid()));
    let mut clients = Vec::new();
    // Not more than the queue takes, or connecting would block here.
    for n in 0..150 {
        let mut client = UnixStream::connect(&socket).unwrap();
        client.set_nonblocking(true).unwrap();
        // Whoever has been thrown out cannot be written to.
        let _ = match n % 3 {
            0 => client.write(&vec![b'x'; 1 << 20]),
            1 => client.write(b"\x00\xff\r\n\r\n{}\r\n"),
            _ => client
                .write(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n{"),
        };
        clients.push(client);
    }
    let begin = now();
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    let by_signal = begin.elapsed();
    let begin = now();
    let reload = site.ask(&["reload"]);
    let by_verb = begin.elapsed();
    eprintln!(
        "a reload among {} hostile clients: HUP {by_signal:?}, verb {by_verb:?}",
        clients.len()
    );
    assert_eq!(reload.status, 0, "{reload:?}");
    assert!(by_signal < BOUND, "{by_signal:?}");
}
