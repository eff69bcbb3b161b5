//! Why a listener can't be opened, and what to do about it.

use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::sys::holder::Holder;
use crate::sys::socket::Kind;
use crate::wire::activation::NotReceived;

/// A listener that can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("Unable to open socket {uri}: {reason}")]
pub struct OpenError {
    /// The listen URI as typed.
    pub uri: String,
    /// Why.
    pub reason: Reason,
}

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// What the system said is all there is to say.
    #[error("{0}")]
    System(#[from] io::Error),

    /// The address is in use.
    #[error("{error}; {}", held_by(holders))]
    Busy {
        /// What the system said.
        error: io::Error,
        /// Who holds it, as far as that can be seen.
        holders: Vec<Holder>,
    },

    /// The port is reserved for privileged processes.
    #[error(
        "{0}; ports below 1024 need CAP_NET_BIND_SERVICE: give it to the service (systemd: \
         AmbientCapabilities=CAP_NET_BIND_SERVICE), or start as root and let -user take the rights from the program"
    )]
    Privileged(io::Error),

    /// The address belongs to another machine.
    #[error("{error}; {address} is not an address of this machine (`ip address` lists those)")]
    NotHere {
        /// What the system said.
        error: io::Error,
        /// The address.
        address: IpAddr,
    },

    /// The host name can't be looked up.
    #[error("the host {host} can't be found: {error}")]
    Lookup {
        /// The host as typed.
        host: String,
        /// What the resolver said.
        error: io::Error,
    },

    /// The host has no address of the family that was asked for.
    #[error("the host {host} has no {family} address")]
    NoSuitableAddress {
        /// The host as typed.
        host: String,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },

    /// The directory of the socket file can't be used.
    #[error("the directory {} can't be used: {error}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },

    /// Another program has the directory locked.
    #[error(
        "another program has held a lock on the directory {} for too long; /proc/locks shows which",
        .0.display()
    )]
    Locked(PathBuf),

    /// Something that is not ours to replace.
    #[error("{} exists and is not a socket; it was left alone: move it away, or choose another path", .0.display())]
    NotASocket(PathBuf),

    /// `owner=` names nobody.
    #[error("there is no user {0} (owner=)")]
    NoSuchUser(String),

    /// `group=` names nothing.
    #[error("there is no group {0} (group=)")]
    NoSuchGroup(String),

    /// The socket file can't be given away.
    #[error(
        "{0}; only root may give the socket to another owner (owner=) or to a group it is not in (group=)"
    )]
    Ownership(io::Error),

    /// The descriptor of an `fd://` is not open.
    #[error(
        "descriptor {0} is not open: it must be inherited, for example from the parent shell or from systemd"
    )]
    NotOpen(i32),

    /// The descriptor is not a socket that clients can find.
    #[error(
        "descriptor {number} is {kind}, but must be a socket with an address that takes connections or datagrams"
    )]
    NotListening {
        /// The descriptor.
        number: i32,
        /// What it is instead.
        kind: Kind,
    },

    /// Socket activation has not brought it.
    #[error("{0}")]
    NotReceived(#[from] NotReceived),

    /// One socket under two names.
    #[error("this socket is there already, as {0}: take one of them away")]
    Twice(String),

    /// The kernel knows no vsock.
    #[error(
        "{0}; this kernel has no vsock: load the module `vsock` (modprobe vsock), or boot a kernel with \
         CONFIG_VSOCKETS; a systemd unit must not leave AF_VSOCK out of RestrictAddressFamilies="
    )]
    NoVsock(io::Error),

    /// The vsock address is not ours.
    #[error(
        "{0}; {1} is no vsock address of this machine, or the module that carries it is not loaded (virtio: \
         vmw_vsock_virtio_transport, within one machine: vsock_loopback); vsock://:PORT takes any"
    )]
    VsockNotHere(io::Error, u32),

    /// A socket that was shut down and can't be opened anew.
    #[error(
        "a worker has shut this socket down for good; only TCP, and unix paths that were made here, can be brought back"
    )]
    Dead,
}

/// More holders than this are counted, not named: the workers of a pre-forking server all hold its socket.
const NAMED_HOLDERS: usize = 3;

fn held_by(holders: &[Holder]) -> String {
    match holders {
        [] => "who holds it can't be seen from here (root sees all processes)".into(),
        [one] if one.pid == std::process::id() => {
            "this program holds it already: was it given twice?".into()
        }
        _ => {
            let named: Vec<_> = holders
                .iter()
                .take(NAMED_HOLDERS)
                .map(ToString::to_string)
                .collect();
            let mut text = format!("held by {}", named.join(", "));
            if holders.len() > NAMED_HOLDERS {
                // Writing to a string cannot fail.
                let _ = write!(text, " and {} more", holders.len() - NAMED_HOLDERS);
            }
            text
        }
    }
}
