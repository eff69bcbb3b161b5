//! Listen URIs: `[NAME=]SCHEME://ADDRESS[?OPTION=VALUE&…]`, and `[NAME=]systemd:[FDNAME]`. The schemes are Go's words for
//! its networks, with three more: `vsock`, `fd` and `systemd`.
//!
//! The text is read as Go's `net/url` reads it (the scheme in any case, `%XX` in paths) as far as that does what the
//! text says. Where it silently did something else — a random port for `tcp:127.0.0.1:80`, `/x` for `unix://rel/x` —
//! the text is refused, with the spelling that does what was meant.

use std::path::PathBuf;
use std::str::FromStr;

mod address;
mod adopt;
mod error;
mod options;
mod parse;

#[cfg(test)]
mod tests;

pub use error::UriError;

/// One `-listen` or `-adopt` value, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenUri {
    /// The text as typed, without the name: what the log says.
    pub text: String,
    /// The name given with `NAME=`, if any.
    pub name: Option<String>,
    /// What to listen on.
    pub address: Address,
    /// `?backlog=N`, 4096 by default; without a meaning where datagrams come.
    pub backlog: i32,
    /// `?mode=0660`: permission bits of a unix socket path; `None` follows the umask.
    pub mode: Option<u32>,
    /// `?owner=LOGIN` of a unix socket path.
    pub owner: Option<String>,
    /// `?group=NAME` of a unix socket path.
    pub group: Option<String>,
}

/// What to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `tcp://`, `tcp4://`, `tcp6://`.
    Tcp {
        /// Which address families may be used.
        family: Family,
        /// The host as typed, without brackets; empty for every address. An IPv6 zone follows a `%`.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
    /// `udp://`, `udp4://`, `udp6://`, with the fields of `Tcp`.
    Udp {
        /// Which address families may be used.
        family: Family,
        /// The host as typed, without brackets; empty for every address.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
    /// `unix:///path`, `unixgram:///path`, `unixpacket:///path`: absolute, at most 107 bytes (`sun_path` of unix(7)),
    /// without NUL.
    UnixPath(Carries, PathBuf),
    /// `unix://@name` and so on: the bytes after the `@`, 1 to 107 of them.
    UnixAbstract(Carries, Vec<u8>),
    /// `vsock://CID:PORT`, `vsock://:PORT`: between a virtual machine and its host (vsock(7)).
    Vsock {
        /// The address; `None` for all that this machine has.
        cid: Option<u32>,
        /// The port; 0 lets the kernel choose.
        port: u32,
    },
    /// `systemd:` for all sockets received by activation, `systemd:FDNAME` for those of that name.
    Systemd(Option<String>),
    /// `fd://N`: a descriptor that the supervisor inherited.
    Fd(i32),
}

/// What a unix socket carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// `unix://`: connections, each a stream of bytes.
    Stream,
    /// `unixgram://`: datagrams, without connections.
    Datagrams,
    /// `unixpacket://`: connections that keep the bounds of messages (`SOCK_SEQPACKET`).
    Packets,
}

impl Address {
    /// Whether the kernel chooses the port, so that the same text can be listened on twice.
    #[must_use]
    pub fn any_port(&self) -> bool {
        matches!(
            self,
            Self::Tcp { port: 0, .. } | Self::Udp { port: 0, .. } | Self::Vsock { port: 0, .. }
        )
    }

    /// Whether it is known to take no connections; what is received may be of any kind.
    #[must_use]
    pub fn is_datagram(&self) -> bool {
        use Carries::Datagrams;
        matches!(
            self,
            Self::Udp { .. } | Self::UnixPath(Datagrams, _) | Self::UnixAbstract(Datagrams, _)
        )
    }
}

/// Which address families a listener may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `tcp://`, `udp://`: IPv6 that also takes IPv4 where the host is empty or a wildcard, else what the host is.
    Any,
    /// `tcp4://`, `udp4://`.
    V4,
    /// `tcp6://`, `udp6://`: IPv6 alone.
    V6,
}

impl ListenUri {
    /// Reads one `-adopt` value: the address that a program is expected to bind. It has neither name nor options, its
    /// host is an IP address or empty, its port is not 0, and it may be `udp`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn to_adopt(value: &str) -> Result<Self, UriError> {
        adopt::adopt_uri(value)
    }
}

impl FromStr for ListenUri {
    type Err = UriError;

    /// Reads one `-listen` value. What comes back can be opened unless the system says no.
    fn from_str(value: &str) -> Result<Self, UriError> {
        parse::listen_uri(value)
    }
}
