//! What a program gives to bind(2): the bytes of a `struct sockaddr`, understood.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The longest address there is: `struct sockaddr_storage` (socket(7)). bind(2) refuses more.
pub const LONGEST: usize = 128;

/// Address families, the same on x86-64 and aarch64 (linux/socket.h).
const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// An address of a family that a listener can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SockAddr {
    /// IPv4 or IPv6. The flow of IPv6 is left out, because bind(2) makes nothing of it.
    Inet(SocketAddr),
    /// A unix socket's path as typed, absolute or not.
    Path(PathBuf),
    /// A unix socket's abstract name, without the leading zero byte.
    Abstract(Vec<u8>),
}

/// Reads an address as the kernel would (ip(7), ipv6(7), unix(7)); `None` for one that it would refuse, for one that
/// leaves the choice to the kernel (port 0, a unix address without a name), and for other families.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<SockAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    match u16::from_ne_bytes(*family) {
        AF_UNIX => unix(rest),
        AF_INET => inet(rest),
        AF_INET6 => inet6(rest),
        _ => None,
    }
}

fn inet(rest: &[u8]) -> Option<SockAddr> {
    // struct sockaddr_in has 16 bytes: after the family a port, an address, and 8 of padding, which the kernel wants.
    let (port, rest) = port(rest.get(..14)?)?;
    let (address, _) = rest.split_first_chunk::<4>()?;
    let address = SocketAddrV4::new(Ipv4Addr::from(*address), port);
    Some(SockAddr::Inet(address.into()))
}

fn inet6(rest: &[u8]) -> Option<SockAddr> {
    let (port, rest) = port(rest)?;
    let (_flow, rest) = rest.split_first_chunk::<4>()?;
    let (address, rest) = rest.split_first_chunk::<16>()?;
    // A scope may be missing (SIN6_LEN_RFC2133); it counts only where addresses are those of a link.
    let scope = rest
        .first_chunk::<4>()
        .map_or(0, |b| u32::from_ne_bytes(*b));
    let address = Ipv6Addr::from(*address);
    let scope = if address.is_unicast_link_local() {
        scope
    } else {
        0
    };
    Some(SockAddr::Inet(
        SocketAddrV6::new(address, port, 0, scope).into(),
    ))
}

fn port(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (port, rest) = bytes.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    (port != 0).then_some((port, rest))
}

fn unix(rest: &[u8]) -> Option<SockAddr> {
    match rest {
        [] => None,
        [0, name @ ..] if rest.len() <= 108 => Some(SockAddr::Abstract(name.to_vec())),
        path if path.len() <= 108 => {
            let end = path
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(path.len());
            Some(SockAddr::Path(
                OsString::from_vec(path[..end].to_vec()).into(),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(family: u16, rest: &[u8]) -> Vec<u8> {
        [&family.to_ne_bytes(), rest].concat()
    }

    fn inet(text: &str) -> Option<SockAddr> {
        Some(SockAddr::Inet(text.parse().unwrap()))
    }

    #[test]
    fn reads_what_programs_bind() {
        let v4 = [&[0x1f, 0x90, 127, 0, 0, 1][..], &[0; 8]].concat();
        assert_eq!(parse(&bytes(AF_INET, &v4)), inet("127.0.0.1:8080"));
        let mut v6 = [&[0, 80][..], &[9; 4], &[0; 15], &[1], &[7, 0, 0, 0]].concat();
        assert_eq!(parse(&bytes(AF_INET6, &v6)), inet("[::1]:80"));
        v6.truncate(22);
        assert_eq!(parse(&bytes(AF_INET6, &v6)), inet("[::1]:80"));
        let link = [
            &[0, 80][..],
            &[0; 4],
            &[0xfe, 0x80],
            &[0; 13],
            &[1],
            &2u32.to_ne_bytes(),
        ]
        .concat();
        assert_eq!(parse(&bytes(AF_INET6, &link)), inet("[fe80::1%2]:80"));
        for path in [&b"/run/a"[..], b"/run/a\0", b"/run/a\0junk"] {
            assert_eq!(
                parse(&bytes(AF_UNIX, path)),
                Some(SockAddr::Path("/run/a".into()))
            );
        }
        assert_eq!(
            parse(&bytes(AF_UNIX, b"\0a\0b")),
            Some(SockAddr::Abstract(b"a\0b".to_vec()))
        );
        // All 108 bytes, without a NUL at the end.
        let long = [b'x'; 108];
        assert!(
            matches!(parse(&bytes(AF_UNIX, &long)), Some(SockAddr::Path(p)) if p.as_os_str().len() == 108)
        );
    }

    #[test]
    fn leaves_to_the_kernel_what_it_chooses_or_refuses() {
        let port_zero = [&[0, 0, 127, 0, 0, 1][..], &[0; 8]].concat();
        let short = [0x1f, 0x90, 127, 0, 0, 1];
        for other in [
            bytes(AF_INET, &port_zero),
            bytes(AF_INET, &short),
            bytes(AF_INET6, &[0, 80, 0, 0, 0, 0]),
            bytes(AF_UNIX, &[]),
            bytes(AF_UNIX, &[b'x'; 109]),
            bytes(AF_UNIX, &[0; 109]),
            bytes(16, &[1; 10]),
            bytes(0, &[1; 14]),
            vec![1],
            vec![],
        ] {
            assert_eq!(parse(&other), None, "{other:?}");
        }
    }

    #[test]
    fn no_bytes_break_it() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100_000 {
            let mut bytes: Vec<u8> = (0..random.usize(0..LONGEST + 8))
                .map(|_| random.u8(..))
                .collect();
            if let Some(family) = bytes.first_chunk_mut::<2>() {
                *family = random
                    .choice([AF_UNIX, AF_INET, AF_INET6, 77])
                    .unwrap()
                    .to_ne_bytes();
            }
            if let Some(SockAddr::Inet(address)) = parse(&bytes) {
                assert_ne!(address.port(), 0);
            }
        }
    }
}
