//! What the service manager is told about us: sd_notify(3). Nobody there: nothing is said.
//!
//! Written by hand rather than with a crate: fifteen lines, and the crate at hand does not know abstract addresses.

use std::env;
use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::sys::clock;

/// The service manager that started us.
#[derive(Debug)]
pub struct ServiceManager(Option<(UnixDatagram, SocketAddr)>);

impl ServiceManager {
    /// The one that `$NOTIFY_SOCKET` names.
    #[must_use]
    pub fn from_environment() -> Self {
        let address = env::var_os("NOTIFY_SOCKET").and_then(|name| address(&name));
        let socket = UnixDatagram::unbound().ok();
        if let Some(socket) = &socket {
            // A manager that does not read must not stop us.
            let _ = socket.set_nonblocking(true);
        }
        Self(socket.zip(address))
    }

    /// A generation serves: the start, or the reload under way, is over. Also said after a reload that failed, or
    /// `systemctl reload` would wait for it until its time is over.
    pub fn ready(&self, status: &str) {
        self.say("READY=1", status);
    }

    /// A reload has begun. The time stamp is compulsory (`CLOCK_MONOTONIC`, microseconds).
    pub fn reloading(&self, status: &str) {
        let micros = clock::monotonic_nanos() / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"), status);
    }

    /// What has begun takes this long at least (`EXTEND_TIMEOUT_USEC`).
    pub fn extend(&self, span: Duration) {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.send(&format!("EXTEND_TIMEOUT_USEC={micros}"));
    }

    /// A stop has begun.
    pub fn stopping(&self, status: &str) {
        self.say("STOPPING=1", status);
    }

    /// Nothing has begun or ended, but there is something to say.
    pub fn status(&self, status: &str) {
        self.say("", status);
    }

    /// Whatever stands in the status, it is one line: the next line would be another word to the manager.
    fn say(&self, word: &str, status: &str) {
        let message = format!("{word}\nSTATUS={}", status.replace(['\n', '\r'], " "));
        self.send(message.trim_start());
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = &self.0 {
            // It is a courtesy: a manager that went away takes us with it anyhow.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

fn address(name: &OsStr) -> Option<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        [b'/', ..] => SocketAddr::from_pathname(name).ok(),
        _ => None,
    }
}
