//! What systemd, or a supervisor that speaks its protocol, is told: sd_notify(3).

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::sys::clock;

/// What there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Ready,
    /// An upgrade begins.
    Reloading,
    /// It ended well: this is the main process from now on. Said by the old one, because only the main process is
    /// listened to (`NotifyAccess=main` of systemd.service(5)).
    Successor(u32),
    Stopping,
}

/// Says it, if there is anybody to listen. That nobody is, or that it is too busy, is no reason not to serve.
pub(crate) fn say(word: Word) {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let _ = address(&path).and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to_addr(text(word).as_bytes(), &address)
    });
}

fn address(path: &OsStr) -> std::io::Result<SocketAddr> {
    match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(path),
    }
}

fn text(word: Word) -> String {
    match word {
        Word::Ready => "READY=1".to_owned(),
        Word::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", clock::now().as_micros()),
        Word::Successor(pid) => format!("MAINPID={pid}\nREADY=1"),
        Word::Stopping => "STOPPING=1".to_owned(),
    }
}
