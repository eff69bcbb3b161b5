//! Listen URIs: `[NAME=]SCHEME://ADDRESS[?OPTION=VALUE&…]`.

use std::path::PathBuf;

/// One `-listen` value, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenUri {
    /// The text as typed, without the name: what the log says.
    pub text: String,
    /// The name given with `NAME=`, if any.
    pub name: Option<String>,
    /// What to listen on.
    pub address: Address,
    /// `?backlog=N`, 4096 by default.
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
        /// The host as typed, without brackets; empty for every address.
        host: String,
        /// The port; 0 lets the kernel choose.
        port: u16,
    },
    /// `unix:///path`.
    UnixPath(PathBuf),
    /// `unix://@name`: the bytes after the `@`.
    UnixAbstract(Vec<u8>),
    /// `fd://N`: a descriptor that the supervisor inherited.
    Fd(i32),
}

/// Which address families a `tcp` listener may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `tcp://`: IPv6 that also takes IPv4 where the host is empty or a wildcard, else what the host is.
    Any,
    /// `tcp4://`.
    V4,
    /// `tcp6://`: IPv6 alone.
    V6,
}
