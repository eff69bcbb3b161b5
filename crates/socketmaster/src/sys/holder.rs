//! Who holds an address that is busy, where /proc tells (proc(5), proc_pid_net(5)).
//!
//! A pass over all of /proc: for the moment when a start has failed, never for a running program.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The most characters of a command line that are worth showing.
const COMMAND_LENGTH: usize = 60;

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command line, shortened and made printable.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

/// The processes that keep a TCP socket from being bound to `address`. Processes whose descriptors we may not see are
/// missing; so are sockets bound without listening or connecting, which /proc doesn't list.
pub fn of_tcp(address: SocketAddr, v6only: bool) -> Vec<Holder> {
    of_port(["/proc/net/tcp", "/proc/net/tcp6"], address, v6only)
}

/// The processes that keep a UDP socket from being bound to `address`, as far as they can be seen.
pub fn of_udp(address: SocketAddr, v6only: bool) -> Vec<Holder> {
    of_port(["/proc/net/udp", "/proc/net/udp6"], address, v6only)
}

fn of_port(tables: [&str; 2], address: SocketAddr, v6only: bool) -> Vec<Holder> {
    let rows: Vec<_> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|text| text.lines().filter_map(port_row).collect::<Vec<_>>())
        .filter(|row| row.inode != 0 && overlap(address, v6only, row.local))
        .collect();
    let listening: HashSet<u64> = rows
        .iter()
        .filter(|row| row.listens)
        .map(|row| row.inode)
        .collect();
    if listening.is_empty() {
        // An outgoing connection may have drawn the port as its own.
        return of_inodes(&rows.iter().map(|row| row.inode).collect());
    }
    of_inodes(&listening)
}

/// The processes that listen on the unix path `path`.
pub fn of_unix_path(path: &Path) -> Vec<Holder> {
    of_unix(path.as_os_str().as_bytes())
}

/// The processes that hold the abstract unix name, given without the leading zero byte.
pub fn of_unix_abstract(name: &[u8]) -> Vec<Holder> {
    // The table shows every zero byte of an abstract name as `@`.
    let shown = [b"@", name].concat();
    of_unix(
        &shown
            .iter()
            .map(|&byte| if byte == 0 { b'@' } else { byte })
            .collect::<Vec<_>>(),
    )
}

fn of_unix(shown: &[u8]) -> Vec<Holder> {
    let text = fs::read("/proc/net/unix").unwrap_or_default();
    let rows = text.split(|&byte| byte == b'\n').filter_map(unix_row);
    // Accepted connections bear the listener's name too, so the listening ones come first.
    let rows: Vec<_> = rows.filter(|row| row.name == shown).collect();
    let listening: HashSet<u64> = rows
        .iter()
        .filter(|row| row.listens)
        .map(|row| row.inode)
        .collect();
    if listening.is_empty() {
        return of_inodes(&rows.iter().map(|row| row.inode).collect());
    }
    of_inodes(&listening)
}

struct PortRow {
    local: SocketAddr,
    listens: bool,
    inode: u64,
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12345 …`
fn port_row(line: &str) -> Option<PortRow> {
    let mut fields = line.split_ascii_whitespace();
    let (ip, port) = fields.nth(1)?.split_once(':')?;
    let listens = fields.nth(1)? == "0A";
    let inode = fields.nth(5)?.parse().ok()?;
    // Each 32-bit word stands in the machine's byte order.
    let words: Vec<_> = (0..ip.len() / 8)
        .map(|i| {
            u32::from_str_radix(ip.get(i * 8..i * 8 + 8)?, 16)
                .ok()
                .map(u32::to_ne_bytes)
        })
        .collect::<Option<_>>()?;
    let bytes = words.concat();
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(PortRow {
        local: SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?),
        listens,
        inode,
    })
}

struct UnixRow<'a> {
    name: &'a [u8],
    listens: bool,
    inode: u64,
}

/// `ffff…: 00000002 00000000 00010000 0001 01 12345 /run/app.sock`
fn unix_row(line: &[u8]) -> Option<UnixRow<'_>> {
    let fields: Vec<_> = line.splitn(7, |&byte| byte == b' ').collect();
    let &[_, _, _, flags, _, _, rest] = fields.as_slice() else {
        return None;
    };
    // The inode is padded, the name may hold blanks.
    let rest = rest.trim_ascii_start();
    let blank = rest.iter().position(|&byte| byte == b' ')?;
    let inode = std::str::from_utf8(&rest[..blank]).ok()?.parse().ok()?;
    Some(UnixRow {
        name: &rest[blank + 1..],
        listens: flags == b"00010000",
        inode,
    })
}

/// Whether a socket bound to `held` is in the way of `wanted`.
fn overlap(wanted: SocketAddr, v6only: bool, held: SocketAddr) -> bool {
    if wanted.port() != held.port() {
        return false;
    }
    match (wanted.ip(), held.ip().to_canonical()) {
        (IpAddr::V6(wanted), IpAddr::V4(_)) => wanted.is_unspecified() && !v6only,
        // Whether the held one takes IPv4 as well the table doesn't say.
        (IpAddr::V4(_), IpAddr::V6(held)) => held.is_unspecified(),
        (wanted, held) => wanted == held || wanted.is_unspecified() || held.is_unspecified(),
    }
}

fn of_inodes(inodes: &HashSet<u64>) -> Vec<Holder> {
    if inodes.is_empty() {
        return Vec::new();
    }
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&pid| holds(pid, inodes))
        .collect();
    pids.sort_unstable();
    pids.into_iter()
        .map(|pid| Holder {
            pid,
            command: command(pid),
        })
        .collect()
}

fn holds(pid: u32, inodes: &HashSet<u64>) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            fs::read_link(entry.path())
                .ok()
                .and_then(|link| {
                    link.to_str()?
                        .strip_prefix("socket:[")?
                        .strip_suffix(']')?
                        .parse()
                        .ok()
                })
                .is_some_and(|inode: u64| inodes.contains(&inode))
        })
}

fn command(pid: u32) -> String {
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = match read("cmdline") {
        empty if empty.is_empty() => read("comm"),
        line => line,
    };
    printable(&line)
}

/// Zero bytes end the words of a command line; another program's control characters must not reach our log.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let words = text.trim_end_matches(['\0', '\n', ' ']);
    let mut shown: String = words
        .chars()
        .take(COMMAND_LENGTH)
        .map(|c| match c {
            '\0' => ' ',
            c if c.is_control() => '?',
            c => c,
        })
        .collect();
    if words.chars().nth(COMMAND_LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::net::UnixListener;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_overlap_as_the_kernel_sees_it() {
        for (wanted, v6only, held, expected) in [
            ("127.0.0.1:80", false, "127.0.0.1:80", true),
            ("127.0.0.1:80", false, "127.0.0.1:81", false),
            ("127.0.0.1:80", false, "127.0.0.2:80", false),
            ("127.0.0.1:80", false, "0.0.0.0:80", true),
            ("0.0.0.0:80", false, "127.0.0.1:80", true),
            ("127.0.0.1:80", false, "[::]:80", true),
            ("127.0.0.1:80", false, "[::1]:80", false),
            ("127.0.0.1:80", false, "[::ffff:127.0.0.1]:80", true),
            ("[::]:80", false, "127.0.0.1:80", true),
            ("[::]:80", true, "127.0.0.1:80", false),
            ("[::1]:80", false, "0.0.0.0:80", false),
            ("[::1]:80", false, "[::]:80", true),
        ] {
            assert_eq!(
                overlap(address(wanted), v6only, address(held)),
                expected,
                "{wanted} {held}"
            );
        }
    }

    #[test]
    fn finds_the_holder_of_a_port_and_of_a_unix_socket() {
        // Other tests may have a child between fork and exec with a copy, so we look for ourselves alone.
        let me = std::process::id();
        let mine = |holders: Vec<Holder>| holders.iter().any(|holder| holder.pid == me);
        for ip in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = TcpListener::bind(ip) else {
                continue;
            };
            assert!(mine(of_tcp(socket.local_addr().unwrap(), false)), "{ip}");
            let socket = UdpSocket::bind(ip).unwrap();
            assert!(mine(of_udp(socket.local_addr().unwrap(), false)), "{ip}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a b.sock");
        let _socket = UnixListener::bind(&path).unwrap();
        assert!(mine(of_unix_path(&path)));
        assert!(!mine(of_unix_path(&directory.path().join("b.sock"))));
        let name = format!("holder\0test {me}");
        let _socket =
            crate::sys::socket::bind_abstract(name.as_bytes(), crate::sys::socket::Type::Stream)
                .unwrap();
        assert!(mine(of_unix_abstract(name.as_bytes())));
    }

    #[test]
    fn a_command_is_short_and_printable() {
        assert_eq!(
            printable(b"nginx: master process\0\0\0"),
            "nginx: master process"
        );
        assert_eq!(printable(b"sh\0-c\0a\x1b[31m\nb\0"), "sh -c a?[31m?b");
        let long = "é".repeat(COMMAND_LENGTH + 1);
        assert_eq!(
            printable(long.as_bytes()),
            format!("{}…", "é".repeat(COMMAND_LENGTH))
        );
        assert_eq!(printable(b"\xff"), "\u{fffd}");
    }
}
