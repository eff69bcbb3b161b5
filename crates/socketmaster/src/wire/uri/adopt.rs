//! An address to adopt: what a program is seen to bind, so a pattern and nothing that is opened here.

use std::net::IpAddr;

use super::{Address, ListenUri, UriError, parse};

/// Reads one `-adopt` value. What comes back names one address as a program binds it: a path, an abstract name, or an
/// IP address (or none, for every address) with a port that is not 0.
pub(super) fn adopt_uri(value: &str) -> Result<ListenUri, UriError> {
    let uri = parse::listen_uri(value).map_err(|error| match error {
        // What is missing there may be 0, which would be the next mistake here.
        UriError::NoAddress { scheme } => UriError::AdoptPort {
            example: format!("{scheme}://:8080"),
        },
        UriError::NoPort { scheme, host } => UriError::AdoptPort {
            example: format!("{scheme}://{host}:8080"),
        },
        error => error,
    })?;
    let plain = uri.text.split('?').next().unwrap_or_default();
    if uri.name.is_some() {
        let suggestion = plain.into();
        return Err(UriError::AdoptName { suggestion });
    }
    if plain != uri.text {
        let suggestion = plain.into();
        return Err(UriError::AdoptOptions { suggestion });
    }
    match &uri.address {
        Address::Fd(_) | Address::Systemd(_) => Err(UriError::AdoptFd),
        Address::Vsock { .. } => Err(UriError::AdoptVsock { text: uri.text }),
        Address::Tcp { host, .. } | Address::Udp { host, .. }
            if !host.is_empty() && host.parse::<IpAddr>().is_err() =>
        {
            Err(UriError::AdoptHost { host: host.clone() })
        }
        Address::Tcp { port: 0, .. } | Address::Udp { port: 0, .. } => Err(UriError::AdoptPort {
            example: match uri.text.trim_end_matches('/').rsplit_once(':') {
                Some((before, _)) => format!("{before}:8080"),
                None => "tcp://:8080".into(),
            },
        }),
        _ => Ok(uri),
    }
}
