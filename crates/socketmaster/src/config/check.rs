//! What is asked whether a worker is ready: an address of its own, or a command.
//!
//! What neither can do is chosen on purpose: no host but this one, because the answer must be the worker's own; no
//! https, because that would be one more thing that can fail; and no shell, unless the command is one.

use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Stands for the port that the supervisor chooses for each worker.
pub const PORT: &str = "{port}";

/// What is asked whether a worker is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// `http://HOST:PORT/PATH`.
    Http(HttpCheck),
    /// `exec:COMMAND`.
    Exec(ExecCheck),
}

/// An HTTP request to this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCheck {
    /// The addresses to try, one after the other.
    pub addresses: Vec<IpAddr>,
    /// The port; `None` is one that the supervisor chooses.
    pub port: Option<u16>,
    /// The host as typed, for the `Host` header.
    pub host: String,
    /// Path and query, from the slash on.
    pub path: String,
}

/// A command, as words: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCheck {
    words: Vec<OsString>,
}

/// Why it is not a check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// Not plain HTTP.
    #[error(
        "https:// is not asked: name a plain http:// port of the program, or exec:curl -fsSk https://HOST:PORT/PATH"
    )]
    Https,
    /// A host that may not be this one.
    #[error("{0:?} is not localhost or an IP address: only a program on this machine is asked")]
    Host(String),
    /// No port, or not a number.
    #[error(
        "the port must be a number from 1 to 65535, or {PORT} for one that is chosen for each worker: http://127.0.0.1:{PORT}/PATH"
    )]
    Port,
    /// What cannot stand in the first line of a request.
    #[error("{0:?} cannot be asked for: a path is printable ASCII without spaces or #")]
    Path(String),
    /// `exec:` alone.
    #[error("no command after exec:")]
    NoCommand,
    /// A quote without its end.
    #[error("a {0} without its end")]
    Quote(char),
}

impl Check {
    /// Reads what follows `http://`.
    ///
    /// # Errors
    /// Not an address of this host.
    pub fn http(text: &str) -> Result<Self, CheckError> {
        let (authority, path) = match text.find(['/', '?', '#']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once("]:").ok_or(CheckError::Port)?,
            None => authority.rsplit_once(':').ok_or(CheckError::Port)?,
        };
        let port = match port {
            PORT => None,
            number => {
                let digits = number.bytes().all(|b| b.is_ascii_digit());
                let number = number.parse().ok().filter(|port| digits && *port != 0);
                Some(number.ok_or(CheckError::Port)?)
            }
        };
        let addresses = match host {
            "" => vec![Ipv4Addr::LOCALHOST.into()],
            "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            literal => {
                let address: Option<IpAddr> = literal.parse().ok();
                let address = address.filter(|address| !address.is_unspecified());
                vec![address.ok_or_else(|| CheckError::Host(host.into()))?]
            }
        };
        if path.bytes().any(|b| !b.is_ascii_graphic() || b == b'#') {
            return Err(CheckError::Path(path.into()));
        }
        let host = match addresses[0] {
            IpAddr::V6(address) => format!("[{address}]"),
            IpAddr::V4(_) if host.is_empty() => "127.0.0.1".into(),
            IpAddr::V4(_) => host.into(),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self::Http(HttpCheck {
            addresses,
            port,
            host,
            path: format!("{slash}{path}"),
        }))
    }

    /// Reads what follows `exec:`. Words are divided by blanks. In single quotes everything stands for itself; in double
    /// quotes too, but for a backslash before a double quote or a backslash; elsewhere a backslash takes the meaning of
    /// what follows it. Nothing else means anything.
    ///
    /// # Errors
    /// No word, or a quote without its end.
    pub fn exec(command: &OsStr) -> Result<Self, CheckError> {
        let words = split(command.as_bytes())?;
        if words.first().is_none_or(|word| word.is_empty()) {
            return Err(CheckError::NoCommand);
        }
        Ok(Self::Exec(ExecCheck { words }))
    }

    /// Whether the supervisor chooses a port for each worker.
    #[must_use]
    pub fn wants_port(&self) -> bool {
        match self {
            Self::Http(http) => http.port.is_none(),
            Self::Exec(exec) => {
                let names_it = |word: &OsString| find(word.as_bytes(), PORT.as_bytes()).is_some();
                exec.words.iter().any(names_it)
            }
        }
    }

    /// What is asked, for people; `port` is the one that was chosen.
    #[must_use]
    pub fn shown(&self, port: Option<u16>) -> String {
        match self {
            Self::Http(http) => match http.port.or(port) {
                Some(port) => format!("http://{}:{port}{}", http.host, http.path),
                None => format!("http://{}:{PORT}{}", http.host, http.path),
            },
            Self::Exec(exec) => {
                let words = exec.words(port).collect::<Vec<_>>();
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
                words.join(" ")
            }
        }
    }
}

impl ExecCheck {
    /// The words, with the port that was chosen; at least one.
    pub fn words(&self, port: Option<u16>) -> impl Iterator<Item = OsString> {
        self.words.iter().map(move |word| with_port(word, port))
    }
}

/// The text with the port that was chosen in the place of each `{port}`; without one as it is.
#[must_use]
pub fn with_port(text: &OsStr, port: Option<u16>) -> OsString {
    let Some(port) = port else {
        return text.into();
    };
    let (mut rest, mut done) = (text.as_bytes(), Vec::new());
    while let Some(at) = find(rest, PORT.as_bytes()) {
        done.extend_from_slice(&rest[..at]);
        done.extend(port.to_string().bytes());
        rest = &rest[at + PORT.len()..];
    }
    done.extend_from_slice(rest);
    OsString::from_vec(done)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn split(text: &[u8]) -> Result<Vec<OsString>, CheckError> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take().map(OsString::from_vec)),
            b'\'' | b'"' => quoted(byte, &mut bytes, word.get_or_insert_default())?,
            b'\\' => word
                .get_or_insert_default()
                .push(bytes.next().ok_or(CheckError::Quote('\\'))?),
            byte => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word.map(OsString::from_vec));
    Ok(words)
}

fn quoted(
    quote: u8,
    bytes: &mut impl Iterator<Item = u8>,
    word: &mut Vec<u8>,
) -> Result<(), CheckError> {
    let mut next = || bytes.next().ok_or(CheckError::Quote(quote.into()));
    loop {
        match next()? {
            byte if byte == quote => return Ok(()),
            b'\\' if quote == b'"' => match next()? {
                escaped @ (b'"' | b'\\') => word.push(escaped),
                other => word.extend([b'\\', other]),
            },
            byte => word.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Result<(String, Option<u16>, String), CheckError> {
        Check::http(text).map(|check| match check {
            Check::Http(http) => (http.host, http.port, http.path),
            Check::Exec(_) => unreachable!(),
        })
    }

    #[test]
    fn an_address_of_this_host_is_read() {
        let read = |host: &str, port, path: &str| Ok((host.into(), port, path.into()));
        for (text, expected) in [
            ("127.0.0.1:80/ok", read("127.0.0.1", Some(80), "/ok")),
            ("127.0.0.1:80", read("127.0.0.1", Some(80), "/")),
            (":65535/?a=/b", read("127.0.0.1", Some(65535), "/?a=/b")),
            ("localhost:1?a", read("localhost", Some(1), "/?a")),
            ("[::1]:{port}/x:1", read("[::1]", None, "/x:1")),
            ("10.1.2.3:{port}/{port}", read("10.1.2.3", None, "/{port}")),
        ] {
            assert_eq!(http(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_of_this_host_is_refused() {
        for (text, expected) in [
            ("", CheckError::Port),
            ("127.0.0.1", CheckError::Port),
            ("127.0.0.1:/", CheckError::Port),
            ("127.0.0.1:0/", CheckError::Port),
            ("127.0.0.1:+80/", CheckError::Port),
            ("127.0.0.1:65536/", CheckError::Port),
            ("127.0.0.1:{PORT}/", CheckError::Port),
            ("[::1]/", CheckError::Port),
            ("[::1:80", CheckError::Port),
            ("example.com:80/", CheckError::Host("example.com".into())),
            ("a@127.0.0.1:80/", CheckError::Host("a@127.0.0.1".into())),
            ("0.0.0.0:80/", CheckError::Host("0.0.0.0".into())),
            (":80/a b", CheckError::Path("/a b".into())),
            (":80/a\r\nX: y", CheckError::Path("/a\r\nX: y".into())),
            (":80/é", CheckError::Path("/é".into())),
            (":80#top", CheckError::Path("#top".into())),
        ] {
            assert_eq!(http(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_command_is_split_into_words_and_nothing_is_expanded() {
        for (text, expected) in [
            ("true", Ok(vec!["true"])),
            ("  a\t b\nc ", Ok(vec!["a", "b", "c"])),
            (
                "sh -c 'a \"b\" \\ $c; d'",
                Ok(vec!["sh", "-c", "a \"b\" \\ $c; d"]),
            ),
            (
                r#"a "b \" \\ \n 'c'" d"#,
                Ok(vec!["a", r#"b " \ \n 'c'"#, "d"]),
            ),
            (r"a\ b \' \\", Ok(vec!["a b", "'", "\\"])),
            ("a'b'\"c\"d '' e", Ok(vec!["abcd", "", "e"])),
            ("$HOME ~ * a|b", Ok(vec!["$HOME", "~", "*", "a|b"])),
            ("", Err(CheckError::NoCommand)),
            (" \t", Err(CheckError::NoCommand)),
            ("'' a", Err(CheckError::NoCommand)),
            ("a 'b", Err(CheckError::Quote('\''))),
            ("a \"b\\\"", Err(CheckError::Quote('"'))),
            ("a \\", Err(CheckError::Quote('\\'))),
        ] {
            let words = Check::exec(OsStr::new(text)).map(|check| match check {
                Check::Exec(exec) => exec.words,
                Check::Http(_) => unreachable!(),
            });
            let expected = expected.map(|words| words.iter().map(Into::into).collect::<Vec<_>>());
            assert_eq!(words, expected, "{text}");
        }
    }

    #[test]
    fn the_chosen_port_stands_where_it_is_asked_for() {
        let exec = |text: &str| Check::exec(OsStr::new(text)).unwrap();
        let asks = exec("curl -fs 'http://[::1]:{port}/{port}'");
        assert!(asks.wants_port() && !exec("curl {fd:0} {Port}").wants_port());
        assert_eq!(asks.shown(Some(4711)), "curl -fs http://[::1]:4711/4711");
        let url = Check::http("127.0.0.1:{port}/a").unwrap();
        assert!(url.wants_port() && !Check::http(":80").unwrap().wants_port());
        assert_eq!(url.shown(Some(4711)), "http://127.0.0.1:4711/a");
        assert_eq!(with_port(OsStr::new("-p={port}"), None), "-p={port}");
        assert_eq!(with_port(OsStr::new("-p={port}"), Some(1)), "-p=1");
        let bytes = OsStr::from_bytes(b"\xff{port}\xff");
        assert_eq!(with_port(bytes, Some(22)).as_bytes(), b"\xff22\xff");
    }
}
