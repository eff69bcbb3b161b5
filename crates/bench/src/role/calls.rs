//! A server that makes system calls over and over when it is asked to, and says how long they take.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use rustix::net::sockopt::{set_socket_linger, set_socket_reuseport, socket_acceptconn};
use rustix::net::{AddressFamily, SocketType, accept, bind, listen, socket};
use rustix::process::getppid;

use crate::report::{now, say};

/// Of each of the dear ones, at a time.
const COUNT: u64 = 100;

/// Of the cheapest, which takes less than the look at the clock.
const MANY: u64 = 10_000;

/// Listens on the first address. At USR1 it makes one round of calls, among them binds of the second address, which
/// nobody listens on, and of its own once more; at TERM it ends.
///
/// Reports are picoseconds of one call.
pub(crate) fn calls(reports: &Path, args: &[String]) -> io::Result<()> {
    let [own, free, ..] = args else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let [own, free] = [own, free].map(|text| text.parse::<SocketAddr>());
    let (own, free) = (own.expect("an address"), free.expect("an address"));
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGUSR1);
    signals.thread_block()?;
    let listener = unbound()?;
    bind(&listener, &own)?;
    listen(&listener, 128)?;
    say(reports, "ready", now());
    while signals.wait()? == Signal::SIGUSR1 {
        let each = |word, call: &dyn Fn() -> io::Result<u64>| {
            let sum = (0..COUNT).map(|_| call()).sum::<io::Result<u64>>()?;
            say(reports, word, sum * 1000 / COUNT);
            io::Result::Ok(())
        };
        each("free", &|| bind_to(free))?;
        each("own", &|| bind_to(own))?;
        say(reports, "answered", u64::from(is_answered(own)?));
        each("unlink", &|| unlink(reports))?;
        each("connection", &|| connection(&listener, own))?;
        let took = timed(|| {
            for _ in 0..MANY {
                let _ = getppid();
            }
            Ok(())
        })?;
        say(reports, "getppid", took * 1000 / MANY);
    }
    Ok(())
}

fn timed(call: impl FnOnce() -> io::Result<()>) -> io::Result<u64> {
    let begun = now();
    call()?;
    Ok(now() - begun)
}

/// A socket that shares its port: so it may bind again what it listens on, with or without a supervisor.
fn unbound() -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    set_socket_reuseport(&socket, true)?;
    Ok(socket)
}

fn bind_to(address: SocketAddr) -> io::Result<u64> {
    let socket = unbound()?;
    timed(|| Ok(bind(&socket, &address)?))
}

/// Whether a socket listens when it has only been bound.
fn is_answered(own: SocketAddr) -> io::Result<bool> {
    let socket = unbound()?;
    bind(&socket, &own)?;
    Ok(socket_acceptconn(&socket)?)
}

fn unlink(reports: &Path) -> io::Result<u64> {
    let path = reports.with_file_name(format!("unlink-{}", process::id()));
    File::create(&path)?;
    timed(|| fs::remove_file(&path))
}

/// A connection to itself, from its beginning to its end.
fn connection(listener: &OwnedFd, own: SocketAddr) -> io::Result<u64> {
    timed(|| {
        let stream = TcpStream::connect(own)?;
        let accepted = accept(listener)?;
        // Ends at once, or the ports would be used up.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        drop((stream, accepted));
        Ok(())
    })
}
