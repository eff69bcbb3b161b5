//! Which of a program's sockets the operator wants adopted.

use std::net::IpAddr;
use std::path::Path;

use crate::config::{Adopt, Config};
use crate::daemon::listeners::{Place, Spot};
use crate::sys::socket::Type;
use crate::wire::uri::{Address, Carries, Family, ListenUri};

/// Whether a socket at this place is to be held for later generations.
pub(super) fn is_adopted(config: &Config, place: &Place, file: Option<&Path>) -> bool {
    match &config.adopt {
        None => false,
        // Who binds a port for datagrams may be a client: it is adopted only if the operator names it.
        Some(Adopt::Anything) => place.kind != Type::Datagram,
        Some(Adopt::These(uris)) => uris.iter().any(|uri| admits(uri, place, file)),
    }
}

/// Whether the URI means this place. An empty host means every address.
fn admits(uri: &ListenUri, place: &Place, file: Option<&Path>) -> bool {
    match (&uri.address, place.kind, &place.spot) {
        (Address::Tcp { family, host, port }, Type::Stream, Spot::Inet { address, .. })
        | (Address::Udp { family, host, port }, Type::Datagram, Spot::Inet { address, .. }) => {
            *port == address.port() && admits_host(*family, host, address.ip())
        }
        (Address::UnixPath(carries, path), kind, Spot::Entry(_)) => {
            fits(*carries, kind) && file == Some(path)
        }
        (Address::UnixAbstract(carries, name), kind, Spot::Abstract(bound)) => {
            fits(*carries, kind) && name == bound
        }
        _ => false,
    }
}

/// `unix://` means every socket with connections.
fn fits(carries: Carries, kind: Type) -> bool {
    match carries {
        Carries::Stream => kind != Type::Datagram,
        Carries::Datagrams => kind == Type::Datagram,
        Carries::Packets => kind == Type::Packets,
    }
}

fn admits_host(family: Family, host: &str, ip: IpAddr) -> bool {
    let of_family = match family {
        Family::Any => true,
        Family::V4 => ip.is_ipv4(),
        Family::V6 => ip.is_ipv6(),
    };
    of_family && (host.is_empty() || host.parse() == Ok(ip))
}
