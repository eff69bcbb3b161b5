//! Asks a worker by HTTP, so that nobody else can answer in its place.
//!
//! A port may be shared: with an older generation that holds the same socket, by `SO_REUSEPORT`, or with whoever has
//! taken it since. So nothing is asked before the process that has accepted this very connection is found among the
//! worker's. That is known from the inode of the socket at the other end, which is on this host (sock_diag(7)), and from
//! who holds it (`/proc/PID/fd`). Some programs are given a connection only when there is something to read
//! (`TCP_DEFER_ACCEPT`): for them the request is sent without its end after a while, so that it cannot be answered yet.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::Failure;
use crate::config::HttpCheck;
use crate::sys::waiting::held_by;
use crate::sys::{diag, process};

/// How long a request may take, all in all.
const BOUND: Duration = Duration::from_secs(2);

/// How long of this the connection may wait to be accepted, before anything is sent and after it.
const SILENT: Duration = Duration::from_millis(200);
const ACCEPTED: Duration = Duration::from_secs(1);

/// Between two looks who has accepted it: the first ones, and later ones.
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(50);

/// How long the descriptor of an accepted connection may take to come to the process that accepts it.
const ON_ITS_WAY: Duration = Duration::from_millis(10);

/// As much of an answer is read as its first line may take.
const LINE: usize = 1024;

/// Asks the process `worker` and its descendants, by so many connections at once. Any 2xx is a yes.
///
/// Where a port is shared, an idle kernel may give each connection to the same process: always to the one that has
/// waited longest, with `EPOLLEXCLUSIVE` (epoll_ctl(2)). Several at once keep that one busy.
///
/// # Errors
/// The answer was another, or there was none that is the worker's.
pub(super) async fn ask(
    check: HttpCheck,
    port: u16,
    worker: i32,
    connections: usize,
) -> Result<(), Failure> {
    let mut talks = JoinSet::new();
    for _ in 0..connections {
        let talk = tokio::time::timeout(BOUND, talk(check.clone(), port, worker));
        talks.spawn(talk);
    }
    let mut other = Failure::Late(BOUND);
    // The first that is the worker's own counts; the others are given up.
    while let Some(Ok(talked)) = talks.join_next().await {
        match talked.unwrap_or(Err(Failure::Late(BOUND))) {
            Ok(200..300) => return Ok(()),
            Ok(status @ 300..400) => return Err(Failure::Redirect(status)),
            Ok(status) => return Err(Failure::Answer(status)),
            Err(failure) => other = failure,
        }
    }
    Err(other)
}

async fn talk(check: HttpCheck, port: u16, worker: i32) -> Result<u16, Failure> {
    let mut stream = connect(&check.addresses, port).await?;
    let HttpCheck { host, path, .. } = check;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: socketmaster\r\nConnection: close\r\n\r\n"
    );
    let (beginning, end) = request.split_at(request.len() - 2);
    let rest = match find_accepter(&stream, worker, SILENT).await {
        Err(Failure::NotAccepted(_)) => {
            stream.write_all(beginning.as_bytes()).await?;
            find_accepter(&stream, worker, ACCEPTED).await?;
            end
        }
        other => other.map(|()| &*request)?,
    };
    stream.write_all(rest.as_bytes()).await?;
    let mut answer = [0; LINE];
    let mut length = 0;
    while length < LINE && !answer[..length].contains(&b'\n') {
        match stream.read(&mut answer[length..]).await? {
            0 => break,
            more => length += more,
        }
    }
    status(&answer[..length]).ok_or(Failure::NotHttp)
}

async fn connect(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        let socket = match address {
            IpAddr::V4(_) => TcpSocket::new_v4()?,
            IpAddr::V6(_) => TcpSocket::new_v6()?,
        };
        // From an address to itself: if it is none of this host, that is refused before anything is sent.
        let stream = match socket.bind(SocketAddr::new(*address, 0)) {
            Ok(()) => socket.connect(SocketAddr::new(*address, port)).await,
            Err(error) => Err(error),
        };
        match stream {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Waits until a process of the worker holds the other end.
async fn find_accepter(stream: &TcpStream, worker: i32, patience: Duration) -> Result<(), Failure> {
    let (server, client) = (stream.peer_addr()?, stream.local_addr()?);
    let (mut pause, mut waited) = (SHORT, Duration::ZERO);
    let mut accepted_for = None;
    loop {
        let inode = diag::accepted(server, client)?;
        if let Some(inode) = inode {
            match held_by(&[worker], &[inode]) {
                Some(1..) => return Ok(()),
                Some(0) if accepted_for.is_some_and(|since| waited - since >= ON_ITS_WAY) => {
                    if let Some(pid) = holder(inode, worker) {
                        return Err(Failure::Other(pid));
                    }
                }
                Some(0) => {}
                None => return Err(Failure::Hidden),
            }
            accepted_for.get_or_insert(waited);
        }
        if waited >= patience {
            return Err(match inode {
                Some(_) => Failure::Stranger,
                // Our own end is always there.
                None if diag::accepted(client, server)?.is_none() => Failure::NoDiag,
                None => Failure::NotAccepted(patience),
            });
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(LONG);
    }
}

/// Which of our other children, or its descendants, holds the socket.
fn holder(inode: u64, worker: i32) -> Option<i32> {
    let mut others = process::children().into_iter();
    others.find(|pid| *pid != worker && held_by(&[*pid], &[inode]).is_some_and(|held| held > 0))
}

/// The number in `HTTP/1.1 200 OK` (RFC 9112, 4).
fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let (number, rest) = rest.get(1..)?.strip_prefix(b" ")?.split_at_checked(3)?;
    let digits = number.iter().all(u8::is_ascii_digit);
    let ends = matches!(rest.first(), Some(b' ' | b'\r' | b'\n'));
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    (digits && ends).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_is_read() {
        for (answer, expected) in [
            (&b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"[..], Some(200)),
            (b"HTTP/1.0 503\r\n", Some(503)),
            (b"HTTP/1.1 204 \n", Some(204)),
            (b"", None),
            (b"HTTP/1.1 200", None),
            (b"HTTP/1.1 2000 OK\r\n", None),
            (b"HTTP/1.1 +20 OK\r\n", None),
            (b"HTTP/2 200 OK\r\n", None),
            (b"\x15\x03\x01\x00\x02\x02\x16", None),
            (b"SSH-2.0-OpenSSH_9.6\r\n", None),
        ] {
            assert_eq!(status(answer), expected, "{}", answer.escape_ascii());
        }
    }
}
