//! A server that does as little as can be, so that what is measured is the supervisor.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use crate::report::{now, say};

/// What it waits for before it ends, and how it gets its listener:
/// `notify` says READY=1; `hold` takes no notice of the stop; `at ADDRESS` binds by itself; `keep` keeps connections.
pub(crate) fn serve(reports: &Path, args: &[String]) -> io::Result<()> {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block()?;
    let given = |word: &str| args.iter().position(|arg| arg == word);
    let listener = match given("at") {
        Some(at) => TcpListener::bind(&args[at + 1])?,
        None => inherited(),
    };
    say(reports, "ready", now());
    if given("notify").is_some() {
        let path = std::env::var_os("NOTIFY_SOCKET").ok_or(io::ErrorKind::NotFound)?;
        UnixDatagram::unbound()?.send_to(b"READY=1", path)?;
    }
    let keeps = given("keep").is_some();
    thread::spawn(move || match keeps {
        true => drop(listener.incoming().collect::<Vec<_>>()),
        false => answer(&listener),
    });
    loop {
        term.wait()?;
        say(reports, "term", now());
        if given("hold").is_none() {
            return Ok(());
        }
    }
}

/// A request is a packet, and so is the answer.
fn answer(listener: &TcpListener) {
    let mut request = [0; 256];
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        if stream.read(&mut request).is_ok_and(|n| n > 0) {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        }
    }
}

/// The supervisor's listener.
pub(super) fn inherited() -> TcpListener {
    #[expect(unsafe_code, reason = "the protocol is a number")]
    // SAFETY: the supervisor left it open for us, and nothing else here knows its number.
    let fd = unsafe { OwnedFd::from_raw_fd(3) };
    fd.into()
}
