//! The options of a socket that takes the place of another (socket(7), tcp(7), ip(7), ipv6(7), udp(7)).

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET, c_int};

/// An option that was set on one socket and then on another, or could not be.
#[derive(Debug)]
pub struct Change {
    /// As setsockopt(2) calls it.
    pub name: &'static str,
    /// What the other socket had.
    pub old: Value,
    /// What the first one has.
    pub new: Value,
    /// Why the other still has the old value, if so.
    pub refused: Option<io::Error>,
}

/// A value, in the units that setsockopt(2) takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, or a switch.
    Number(i32),
    /// A name.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// How the kernel treats an option.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Number,
    /// A size, of which the kernel makes twice as much, and less than what is asked for beyond a limit of the system;
    /// only the second number, which needs CAP_NET_ADMIN, knows no limit.
    Size(c_int),
    Text,
    /// A name that changes what the socket is; it is told and not carried over.
    Told,
}

/// Name, level, number.
type Entry = (&'static str, c_int, c_int, Kind);

macro_rules! options {
    ($($level:ident $name:ident $kind:expr;)*) => {
        &[$((stringify!($name), $level, libc::$name, $kind),)*]
    };
}

/// Every option that a server may set once for all its connections and that getsockopt(2) tells. Not here: those that
/// say who may bind (`SO_REUSEADDR`, `SO_REUSEPORT`, `IPV6_V6ONLY`), which have done their work.
const OPTIONS: &[Entry] = options! {
    SOL_SOCKET SO_RCVBUF Kind::Size(libc::SO_RCVBUFFORCE);
    SOL_SOCKET SO_SNDBUF Kind::Size(libc::SO_SNDBUFFORCE);
    SOL_SOCKET SO_RCVLOWAT Kind::Number;
    SOL_SOCKET SO_KEEPALIVE Kind::Number;
    SOL_SOCKET SO_MARK Kind::Number;
    SOL_SOCKET SO_BROADCAST Kind::Number;
    SOL_SOCKET SO_PASSCRED Kind::Number;
    SOL_SOCKET SO_BINDTODEVICE Kind::Told;
    IPPROTO_TCP TCP_NODELAY Kind::Number;
    IPPROTO_TCP TCP_DEFER_ACCEPT Kind::Number;
    IPPROTO_TCP TCP_FASTOPEN Kind::Number;
    IPPROTO_TCP TCP_KEEPIDLE Kind::Number;
    IPPROTO_TCP TCP_KEEPINTVL Kind::Number;
    IPPROTO_TCP TCP_KEEPCNT Kind::Number;
    IPPROTO_TCP TCP_USER_TIMEOUT Kind::Number;
    IPPROTO_TCP TCP_NOTSENT_LOWAT Kind::Number;
    IPPROTO_TCP TCP_MAXSEG Kind::Number;
    IPPROTO_TCP TCP_CONGESTION Kind::Text;
    IPPROTO_UDP UDP_GRO Kind::Number;
    IPPROTO_IP IP_TRANSPARENT Kind::Number;
    IPPROTO_IP IP_FREEBIND Kind::Number;
    IPPROTO_IP IP_TTL Kind::Number;
    IPPROTO_IP IP_TOS Kind::Number;
    IPPROTO_IP IP_MTU_DISCOVER Kind::Number;
    IPPROTO_IP IP_PKTINFO Kind::Number;
    IPPROTO_IP IP_RECVTOS Kind::Number;
    IPPROTO_IP IP_RECVERR Kind::Number;
    IPPROTO_IPV6 IPV6_TRANSPARENT Kind::Number;
    IPPROTO_IPV6 IPV6_FREEBIND Kind::Number;
    IPPROTO_IPV6 IPV6_UNICAST_HOPS Kind::Number;
    IPPROTO_IPV6 IPV6_TCLASS Kind::Number;
    IPPROTO_IPV6 IPV6_MTU_DISCOVER Kind::Number;
    IPPROTO_IPV6 IPV6_RECVPKTINFO Kind::Number;
    IPPROTO_IPV6 IPV6_RECVTCLASS Kind::Number;
    IPPROTO_IPV6 IPV6_RECVERR Kind::Number;
    // After IP_TOS, which sets it too (ip(7)).
    SOL_SOCKET SO_PRIORITY Kind::Number;
};

/// Sets on `to` what was set on `from` and is different there, and returns what that was. An option counts as set if
/// `from` does not have it as a new socket does; what a socket of this kind does not have, and what the kernel does
/// not tell, is left alone.
#[must_use]
pub fn carry_over(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Vec<Change> {
    let Ok(fresh) = fresh(from) else {
        return Vec::new();
    };
    let options = OPTIONS.iter();
    options
        .filter_map(|option| carry(option, from, fresh.as_fd(), to))
        .collect()
}

fn carry(
    option: &Entry,
    from: BorrowedFd<'_>,
    fresh: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
) -> Option<Change> {
    let new = get(from, option).ok()?;
    if get(fresh, option).ok()? == new {
        return None;
    }
    let old = get(to, option).ok()?;
    if old == new {
        return None;
    }
    let refused = set(to, option, &new).err();
    let (name, ..) = *option;
    Some(Change {
        name,
        old,
        new,
        refused,
    })
}

/// A new socket of the same family, type and protocol.
fn fresh(like: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let number = |option| get_number(like, SOL_SOCKET, option);
    let (domain, kind) = (number(libc::SO_DOMAIN)?, number(libc::SO_TYPE)?);
    let protocol = number(libc::SO_PROTOCOL)?;
    // SAFETY: socket takes three numbers and touches no memory.
    let socket = unsafe { libc::socket(domain, kind | libc::SOCK_CLOEXEC, protocol) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn get(socket: BorrowedFd<'_>, &(_, level, option, kind): &Entry) -> io::Result<Value> {
    Ok(match kind {
        Kind::Number => Value::Number(get_number(socket, level, option)?),
        Kind::Size(_) => Value::Number(get_number(socket, level, option)? / 2),
        Kind::Text | Kind::Told => {
            // Longer than the name of any device (IFNAMSIZ) or algorithm (TCP_CA_NAME_MAX): both have 16 bytes.
            let mut name = [0; 32];
            let length = get_bytes(socket, level, option, &mut name)?;
            let name = name[..length].split(|byte| *byte == 0).next();
            Value::Text(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
        }
    })
}

/// Sets the option, and looks whether it is set.
fn set(socket: BorrowedFd<'_>, option: &Entry, value: &Value) -> io::Result<()> {
    let &(_, level, number, kind) = option;
    match (value, kind) {
        (_, Kind::Told) => {
            let text = "it is part of what the held socket is";
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        (Value::Number(value), Kind::Size(force)) => {
            set_bytes(socket, level, number, &value.to_ne_bytes())?;
            if get(socket, option)? != Value::Number(*value) {
                set_bytes(socket, level, force, &value.to_ne_bytes())?;
            }
        }
        (Value::Number(value), _) => set_bytes(socket, level, number, &value.to_ne_bytes())?,
        (Value::Text(text), _) => set_bytes(socket, level, number, text.as_bytes())?,
    }
    let now = get(socket, option)?;
    if now == *value {
        return Ok(());
    }
    Err(io::Error::other(format!("the kernel made it {now}")))
}

fn get_number(socket: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<i32> {
    let mut bytes = [0; size_of::<i32>()];
    // Some are told as one byte if that is enough (`ip_getsockopt`), but only to those who ask for no more.
    get_bytes(socket, level, option, &mut bytes)?;
    Ok(i32::from_ne_bytes(bytes))
}

fn get_bytes(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    bytes: &mut [u8],
) -> io::Result<usize> {
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is how long `bytes` is, and then `length` itself.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(length as usize)
}

fn set_bytes(socket: BorrowedFd<'_>, level: c_int, option: c_int, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads as many bytes as `bytes` is long.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            bytes.as_ptr().cast(),
            bytes.len() as libc::socklen_t,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
