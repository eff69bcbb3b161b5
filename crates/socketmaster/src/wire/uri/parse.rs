//! From the text of a `-listen` or `-adopt` value to a [`ListenUri`]: what stands before the address, and escapes.

use std::net::Ipv6Addr;

use super::address::{address, relative};
use super::options::Options;
use super::{ListenUri, UriError};
use crate::nearest::nearest;

const SCHEMES: [&str; 12] = [
    "tcp",
    "tcp4",
    "tcp6",
    "udp",
    "udp4",
    "udp6",
    "unix",
    "unixgram",
    "unixpacket",
    "vsock",
    "systemd",
    "fd",
];

/// The longest name: systemd's limit for FDNAME (sd_listen_fds_with_names(3)), which may carry it to the program.
const LONGEST_NAME: usize = 255;

pub(super) fn listen_uri(value: &str) -> Result<ListenUri, UriError> {
    // As Go's net/url: such a character is never meant, and it would break the log line that names the listener.
    if let Some(control) = value.chars().find(char::is_ascii_control) {
        return Err(UriError::Control(control));
    }
    if value.contains('#') {
        return Err(UriError::Fragment);
    }
    let (name, text) = split_name(value)?;
    let (before, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, rest) = split_scheme(before)?;
    let address = address(scheme, rest)?;
    let options = Options::parse(query, &address)?;
    Ok(ListenUri {
        text: text.into(),
        name: name.map(str::to_owned),
        address,
        backlog: options.backlog,
        mode: options.mode,
        owner: options.owner,
        group: options.group,
    })
}

/// Splits `NAME=` off. A path or a query may hold `=` too, so only one before the first `/` or `?` ends a name.
fn split_name(value: &str) -> Result<(Option<&str>, &str), UriError> {
    let Some((name, text)) = value.split_once('=') else {
        return Ok((None, value));
    };
    if name.contains(['/', '?']) {
        return Ok((None, value));
    }
    if name.is_empty() {
        return Err(UriError::NameEmpty);
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    if !name.bytes().all(allowed) {
        return Err(UriError::NameCharacter { name: name.into() });
    }
    if name.len() > LONGEST_NAME {
        let length = name.len();
        return Err(UriError::NameLong { length });
    }
    Ok((Some(name), text))
}

/// Splits `SCHEME://` off; of `unix:/path`, which says the same to Go, only `unix:`; and `systemd:`, which an address in
/// the network's sense never follows.
fn split_scheme(text: &str) -> Result<(&'static str, &str), UriError> {
    let known = |word: &str| SCHEMES.into_iter().find(|s| s.eq_ignore_ascii_case(word));
    if let Some((word, name)) = text.split_once(':')
        && known(word) == Some("systemd")
    {
        return match name.strip_prefix("//") {
            None => Ok(("systemd", name)),
            Some(name) => Err(UriError::SystemdSlashes { name: name.into() }),
        };
    }
    if let Some((word, rest)) = text.split_once("://").filter(|(word, _)| !word.is_empty()) {
        return known(word)
            .map(|scheme| (scheme, rest))
            .ok_or_else(|| UriError::UnknownScheme {
                scheme: word.into(),
                nearest: match &*word.to_ascii_lowercase() {
                    "seqpacket" => Some("unixpacket"),
                    "dgram" => Some("unixgram"),
                    word => nearest(word, &SCHEMES),
                },
            });
    }
    match text.split_once(':').map(|(word, rest)| (known(word), rest)) {
        Some((Some(scheme), path)) if scheme.starts_with("unix") => match path.starts_with('/') {
            true => Ok((scheme, path)),
            false => Err(relative(scheme, path)),
        },
        Some((Some(scheme), rest)) => Err(UriError::NoSlashes {
            suggestion: match rest.trim_start_matches('/') {
                port if scheme != "fd" && is_number(port) => format!("{scheme}://:{port}"),
                rest => format!("{scheme}://{rest}"),
            },
        }),
        _ => Err(UriError::NoScheme {
            suggestion: guess(text.trim_start_matches("://").trim_start_matches("//")),
        }),
    }
}

/// Digits alone after a scheme are meant as a port.
pub(super) fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What somebody meant who left out the scheme.
fn guess(text: &str) -> String {
    let is_port = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    match text.rsplit_once(':') {
        _ if text.is_empty() => "tcp://:8080".into(),
        _ if text.starts_with(['/', '@']) => format!("unix://{text}"),
        _ if text.contains('/') => format!("unix:///{}", text.trim_start_matches("./")),
        _ if is_port(text) => format!("tcp://:{text}"),
        Some((host, port)) if is_port(port) => match host.parse::<Ipv6Addr>() {
            Ok(host) => format!("tcp://[{host}]:{port}"),
            Err(_) => format!("tcp://{text}"),
        },
        _ => format!("tcp://{}:8080", text.trim_end_matches(':')),
    }
}

/// Decimal digits alone; Rust's own parser also takes a `+`.
pub(super) fn decimal(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Resolves `%XX`, as Go's `url.Parse` does in a path: `+` is no blank.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, UriError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |at: usize| Some(char::from(*rest.get(at)?).to_digit(16)? as u8);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            let text = String::from_utf8_lossy(&rest[..rest.len().min(2)]);
            return Err(UriError::Escape {
                text: format!("%{text}"),
            });
        };
        bytes.push(high << 4 | low);
        rest = &rest[2..];
    }
    Ok(bytes)
}
