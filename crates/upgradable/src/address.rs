//! Where a server listens, and where its clients come from.

use std::ffi::OsStr;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::Error;

/// Where a socket is bound, or who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port: ip(7).
    Ip(SocketAddr),
    /// The path of a unix socket: unix(7).
    Unix(PathBuf),
    /// The name of a unix socket in Linux's abstract namespace: unix(7).
    Abstract(Vec<u8>),
    /// A unix socket without a name, as that of a client mostly is.
    Unnamed,
}

impl Address {
    /// Reads `HOST:PORT`, `:PORT` (all addresses, IPv4 and IPv6), `unix:PATH`, `unix:@NAME`, and the same after
    /// `tcp://` and `unix://`.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why| Error::Address(text.to_owned(), why);
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.strip_prefix('@') {
                Some("") => Err(bad("the name after unix:@ is missing")),
                Some(name) => Ok(Self::Abstract(name.into())),
                None if path.is_empty() => Err(bad("the path after unix: is missing")),
                None => Ok(Self::Unix(path.into())),
            };
        }
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        if let Some(port) = text.strip_prefix(':') {
            let port = port.parse().map_err(|_| bad("the port is no number"))?;
            return Ok(Self::Ip((Ipv6Addr::UNSPECIFIED, port).into()));
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let mut found = text
            .to_socket_addrs()
            .map_err(|_| bad("expected HOST:PORT, :PORT, unix:PATH or unix:@NAME"))?;
        found
            .next()
            .map(Self::Ip)
            .ok_or_else(|| bad("the host has no address"))
    }

    /// What `:PORT` means where there is no IPv6: all addresses of IPv4. `None` for any other text.
    pub(crate) fn without_ipv6(text: &str) -> Option<Self> {
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        let port = text.strip_prefix(':')?.parse().ok()?;
        Some(Self::Ip((Ipv4Addr::UNSPECIFIED, port).into()))
    }

    /// Whether a socket bound to `held` is what is meant by this.
    pub(crate) fn is_served_by(&self, held: &Self) -> bool {
        let (Self::Ip(asked), Self::Ip(held)) = (self, held) else {
            return self == held;
        };
        let port = asked.port() == 0 || asked.port() == held.port();
        // A socket on [::] takes IPv4 too, unless somebody made it otherwise (ipv6(7), net.ipv6.bindv6only).
        let all = asked.ip().is_unspecified() && held.ip() == Ipv6Addr::UNSPECIFIED;
        port && (all || asked.ip() == held.ip())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", String::from_utf8_lossy(name)),
            Self::Unnamed => f.write_str("unix:"),
        }
    }
}

pub(crate) fn path(bytes: &[u8]) -> PathBuf {
    OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Address {
        Address::Ip(text.parse().unwrap())
    }

    #[test]
    fn reads_what_people_write() {
        let read = |text| Address::parse(text).unwrap();
        assert_eq!(read("127.0.0.1:80"), ip("127.0.0.1:80"));
        assert_eq!(read("tcp://[::1]:80"), ip("[::1]:80"));
        assert_eq!(read(":80"), ip("[::]:80"));
        assert_eq!(read("unix:/run/a"), Address::Unix("/run/a".into()));
        assert_eq!(read("unix:///run/a"), Address::Unix("/run/a".into()));
        assert_eq!(read("unix:@a"), Address::Abstract(b"a".into()));
        for bad in [
            "",
            "80",
            ":x",
            "127.0.0.1",
            "127.0.0.1:99999",
            "unix:",
            "unix:@",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["127.0.0.1:80", "[::]:80", "unix:/run/a", "unix:@a"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_address_is_every_ipv4_address_where_there_is_no_other() {
        assert_eq!(Address::without_ipv6(":80"), Some(ip("0.0.0.0:80")));
        assert_eq!(Address::without_ipv6("tcp://:80"), Some(ip("0.0.0.0:80")));
        assert_eq!(Address::without_ipv6("[::]:80"), None);
        assert_eq!(Address::without_ipv6("unix::80"), None);
    }

    #[test]
    fn a_socket_serves_its_own_address_and_what_that_covers() {
        let serves = |held, asked| ip(asked).is_served_by(&ip(held));
        assert!(serves("127.0.0.1:80", "127.0.0.1:80"));
        assert!(serves("127.0.0.1:80", "127.0.0.1:0"));
        assert!(serves("[::]:80", "0.0.0.0:80"));
        assert!(!serves("0.0.0.0:80", "[::]:80"));
        assert!(!serves("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!serves("[::]:80", "127.0.0.1:80"));
    }
}
