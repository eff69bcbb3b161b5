//! A client that opens a connection per request and takes nothing for an answer but a whole one.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Where the app is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket by its path.
    Unix(PathBuf),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body, as long as its header said.
    pub body: String,
}

impl Answer {
    /// A member of the body, which is a JSON object; null if it has none of that name.
    #[must_use]
    pub fn member(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).map_or(Value::Null, |body| body[name].clone())
    }

    /// The process that answered.
    ///
    /// # Panics
    /// The body does not say.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.told_pid()
            .unwrap_or_else(|| panic!("a pid in {:?}", self.body))
    }

    /// The process that answered, if the body says so.
    #[must_use]
    pub fn told_pid(&self) -> Option<i32> {
        self.member("pid").as_i64()?.try_into().ok()
    }

    /// The version that the process says it is; empty if it says none.
    #[must_use]
    pub fn version(&self) -> String {
        self.member("version")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// Asks and waits for up to 30 s.
///
/// # Errors
/// No connection, or no whole answer.
pub fn get(address: &Address, path: &str) -> io::Result<Answer> {
    get_in(Duration::from_secs(30), address, path)
}

/// Asks, and waits so long for the connection and for each part of the answer.
///
/// # Errors
/// No connection, or no whole answer in time.
pub fn get_in(patience: Duration, address: &Address, path: &str) -> io::Result<Answer> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect_timeout(address, patience)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_nodelay(true)?;
            ask(stream, path)
        }
        Address::Unix(path_of_socket) => {
            let stream = UnixStream::connect(path_of_socket)?;
            stream.set_read_timeout(Some(patience))?;
            ask(stream, path)
        }
    }
}

fn ask(mut stream: impl Read + Write, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| {
        let what = if bytes.is_empty() {
            "closed without an answer"
        } else {
            "half an answer"
        };
        io::Error::new(io::ErrorKind::UnexpectedEof, what)
    })
}

fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let mut length = length.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.next()?.1.parse().ok()?;
    (body.len() == length).then(|| Answer {
        status,
        body: body.to_owned(),
    })
}
