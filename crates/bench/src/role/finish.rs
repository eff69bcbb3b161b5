//! A server that finishes what it has accepted before it ends, and is one of many on one listener.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use super::serve::inherited;
use crate::report::{now, say};

const CONNECTION: u64 = 0;
const END: u64 = 1;

/// Answers with its pid, one request at a time, until TERM.
pub(crate) fn finish(reports: &Path) -> io::Result<()> {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block()?;
    let term = SignalFd::with_flags(&term, SfdFlags::SFD_CLOEXEC)?;
    let listener = inherited();
    // Others that wait for the same connection may be faster.
    listener.set_nonblocking(true)?;
    let waits = epoll::create(CreateFlags::CLOEXEC)?;
    // A connection is to wake one of them and not all.
    let alone = EventFlags::IN | EventFlags::EXCLUSIVE;
    epoll::add(&waits, &listener, EventData::new_u64(CONNECTION), alone)?;
    epoll::add(&waits, &term, EventData::new_u64(END), EventFlags::IN)?;
    say(reports, "ready", now());
    let path = std::env::var_os("NOTIFY_SOCKET").ok_or(io::ErrorKind::NotFound)?;
    UnixDatagram::unbound()?.send_to(b"READY=1", path)?;
    let mut events: Vec<Event> = Vec::with_capacity(2);
    loop {
        events.clear();
        epoll::wait(&waits, rustix::buffer::spare_capacity(&mut events), None)?;
        if events.iter().any(|event| event.data.u64() == END) {
            return Ok(());
        }
        if let Ok((stream, _)) = listener.accept() {
            let _ = answer(stream);
        }
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut request = [0; 256];
    if stream.read(&mut request)? == 0 {
        return Ok(());
    }
    let body = format!("[{}]", process::id());
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all((head + &body).as_bytes())
}
