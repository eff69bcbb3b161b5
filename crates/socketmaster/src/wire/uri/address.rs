//! What stands behind the scheme: a host and a port, a path, a descriptor.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::parse::{decimal, is_number, unescape};
use super::{Address, Carries, Family, UriError};

/// The longest path or abstract name: `sun_path` has 108 bytes, one of them a NUL after the path or before the name
/// (unix(7)).
const LONGEST_UNIX: usize = 107;

/// Reads the address of a known scheme.
pub(super) fn address(scheme: &'static str, rest: &str) -> Result<Address, UriError> {
    match scheme {
        "unix" => unix(scheme, Carries::Stream, rest),
        "unixgram" => unix(scheme, Carries::Datagrams, rest),
        "unixpacket" => unix(scheme, Carries::Packets, rest),
        "vsock" => vsock(rest),
        "systemd" => systemd(rest),
        "fd" => fd(rest),
        scheme => inet(scheme, rest),
    }
}

fn inet(scheme: &'static str, rest: &str) -> Result<Address, UriError> {
    let family = match scheme.as_bytes().last() {
        Some(b'4') => Family::V4,
        Some(b'6') => Family::V6,
        _ => Family::Any,
    };
    let authority = without_path(scheme, rest)?;
    let (host, port) = if let Some(inside) = authority.strip_prefix('[') {
        let bad = || UriError::Ipv6 {
            text: authority.into(),
        };
        let (host, port) = inside.split_once(']').ok_or_else(bad)?;
        let host = ipv6(host).ok_or_else(bad)?;
        if !(port.is_empty() || port.starts_with(':')) {
            return Err(bad());
        }
        (host, port.strip_prefix(':').unwrap_or(port))
    } else {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        // Without brackets the last group of an address cannot be told from a port.
        if authority.parse::<Ipv6Addr>().is_ok() || host.contains(':') {
            let suggestion = match host.parse::<Ipv6Addr>() {
                Ok(_) => format!("{scheme}://[{host}]:{port}"),
                Err(_) => format!("{scheme}://[::1]:8080"),
            };
            return Err(UriError::NoBrackets { suggestion });
        }
        (host.to_owned(), port)
    };
    let v6 = host.contains(':');
    if !v6 && !is_host(&host) {
        return Err(UriError::Host { host });
    }
    if port.is_empty() {
        return Err(match host {
            host if host.is_empty() => UriError::NoAddress { scheme },
            host if v6 => UriError::NoPort {
                scheme,
                host: format!("[{host}]"),
            },
            port if is_number(&port) => UriError::NoColon { scheme, port },
            host => UriError::NoPort { scheme, host },
        });
    }
    let port = decimal(port).ok_or_else(|| UriError::Port { port: port.into() })?;
    match family {
        Family::V4 if v6 => Err(UriError::Family { scheme, host }),
        Family::V6 if host.parse::<Ipv4Addr>().is_ok() => Err(UriError::Family { scheme, host }),
        _ if scheme.starts_with("udp") => Ok(Address::Udp { family, host, port }),
        _ => Ok(Address::Tcp { family, host, port }),
    }
}

/// The inside of the brackets: an address, and perhaps a zone after `%25` (RFC 6874) or, as people write it, `%`.
fn ipv6(text: &str) -> Option<String> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (text, None),
    };
    address.parse::<Ipv6Addr>().ok()?;
    match zone {
        None => Some(address.into()),
        Some(zone) if !zone.is_empty() && is_host(zone) => Some(format!("{address}%{zone}")),
        Some(_) => None,
    }
}

/// The letters of host names and interfaces. Whether there is one of that name, the system knows.
fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

fn unix(scheme: &'static str, carries: Carries, rest: &str) -> Result<Address, UriError> {
    let bytes = unescape(rest.strip_prefix('@').unwrap_or(rest))?;
    if bytes.contains(&0) {
        return Err(UriError::Nul);
    }
    if bytes.len() > LONGEST_UNIX {
        let length = bytes.len();
        return Err(UriError::Long { length });
    }
    match (rest.as_bytes().first(), bytes.last()) {
        (None, _) => Err(UriError::NoPath { scheme }),
        (Some(b'@'), None) => Err(UriError::NoAbstractName { scheme }),
        (Some(b'@'), Some(_)) => Ok(Address::UnixAbstract(carries, bytes)),
        (Some(b'/'), Some(b'/')) => Err(UriError::DirectoryPath),
        (Some(b'/'), _) => {
            let path = PathBuf::from(OsString::from_vec(bytes));
            Ok(Address::UnixPath(carries, path))
        }
        _ => Err(relative(scheme, rest)),
    }
}

/// The error for a path without a slash in front.
pub(super) fn relative(scheme: &'static str, path: &str) -> UriError {
    match path.trim_start_matches("./") {
        "" => UriError::NoPath { scheme },
        name if name.starts_with('@') => UriError::NoSlashes {
            suggestion: format!("{scheme}://{name}"),
        },
        path => UriError::RelativePath {
            suggestion: format!("{scheme}:///{path}"),
        },
    }
}

fn vsock(rest: &str) -> Result<Address, UriError> {
    let text = without_path("vsock", rest)?;
    let bad = || UriError::Vsock { text: text.into() };
    // The largest number stands for every address and for any port (vsock(7)), which are written otherwise here.
    let number = |text: &str| {
        let digits = is_number(text).then(|| text.parse().ok())?;
        digits.filter(|number| *number != u32::MAX)
    };
    let (cid, port) = text.split_once(':').ok_or_else(bad)?;
    let cid = match cid {
        "" => None,
        cid => Some(number(cid).ok_or_else(bad)?),
    };
    let port = number(port).ok_or_else(bad)?;
    Ok(Address::Vsock { cid, port })
}

/// The name is `FileDescriptorName=` of systemd.socket(5): ASCII without a colon.
fn systemd(rest: &str) -> Result<Address, UriError> {
    if rest.is_empty() {
        return Ok(Address::Systemd(None));
    }
    let name = String::from_utf8(unescape(rest)?).unwrap_or_default();
    let allowed = |b: u8| b.is_ascii_graphic() && b != b':';
    if name.is_empty() || !name.bytes().all(allowed) {
        return Err(UriError::SystemdName { name: rest.into() });
    }
    Ok(Address::Systemd(Some(name)))
}

fn fd(rest: &str) -> Result<Address, UriError> {
    let text = without_path("fd", rest)?;
    match decimal(text) {
        Some(fd @ (1 | 2)) => Err(UriError::FdStandard { fd }),
        Some(fd) => Ok(Address::Fd(fd.into())),
        None => Err(UriError::Fd { text: text.into() }),
    }
}

/// Drops a slash at the end, which the original ignored, and refuses more than that.
fn without_path<'a>(scheme: &'static str, rest: &'a str) -> Result<&'a str, UriError> {
    match rest.find('/') {
        None => Ok(rest),
        Some(at) if rest.len() == at + 1 => Ok(&rest[..at]),
        Some(at) => Err(UriError::PathNotHere {
            scheme,
            path: rest[at..].into(),
        }),
    }
}
