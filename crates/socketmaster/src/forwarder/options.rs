//! What the supervisor tells the forwarder when it starts it: `KEY=VALUE` words, because no person types them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use thiserror::Error;

use crate::config::LogFormat;
use crate::wire::forward::PROTOCOL;

/// Where the local syslog listens: the one path that every Linux syslog has in common.
pub const SYSLOG: &str = "/dev/log";

/// How to forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The supervisor's pid, which stands in each line.
    pub supervisor: i32,
    /// How a line looks.
    pub format: LogFormat,
    /// The syslog socket to send to, or `None` for standard error.
    pub syslog: Option<PathBuf>,
}

/// Why the forwarder can't start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// A word that has no use without the other.
    #[error(
        "the log forwarder is started by socketmaster itself, which says `{0}=`; run socketmaster instead"
    )]
    Missing(&'static str),
    /// Another time's supervisor.
    #[error(
        "the log forwarder speaks protocol {PROTOCOL}, the supervisor {0:?}: are two versions installed?"
    )]
    Protocol(OsString),
}

impl Options {
    /// The words after `argv[0]`.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let format = match self.format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        let mut args = vec![
            format!("protocol={PROTOCOL}").into(),
            format!("supervisor={}", self.supervisor).into(),
            format!("format={format}").into(),
        ];
        if let Some(path) = &self.syslog {
            args.push(
                [OsStr::new("syslog="), path.as_os_str()]
                    .into_iter()
                    .collect(),
            );
        }
        args
    }

    /// Reads the words back. One that this version doesn't know is skipped.
    ///
    /// # Errors
    /// If the supervisor's pid is missing, or the protocol isn't ours.
    pub fn from_args(args: &[OsString]) -> Result<Self, OptionsError> {
        let value = |key: &str| {
            args.iter().find_map(|word| {
                word.as_bytes()
                    .strip_prefix(key.as_bytes())?
                    .strip_prefix(b"=")
            })
        };
        let number = |key: &str| std::str::from_utf8(value(key)?).ok()?.parse().ok();
        match value("protocol") {
            None => return Err(OptionsError::Missing("protocol")),
            Some(_) if number("protocol") == i32::try_from(PROTOCOL).ok() => {}
            Some(other) => return Err(OptionsError::Protocol(OsString::from_vec(other.to_vec()))),
        }
        Ok(Self {
            supervisor: number("supervisor").ok_or(OptionsError::Missing("supervisor"))?,
            format: if value("format") == Some(b"json") {
                LogFormat::Json
            } else {
                LogFormat::Text
            },
            syslog: value("syslog").map(|path| PathBuf::from(OsStr::from_bytes(path))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_back_as_they_were() {
        for format in [LogFormat::Text, LogFormat::Json] {
            for syslog in [None, Some(PathBuf::from(OsStr::from_bytes(b"/\xff=x")))] {
                let options = Options {
                    supervisor: 7,
                    format,
                    syslog,
                };
                let mut args = options.to_args();
                args.push("colour=red".into());
                assert_eq!(Options::from_args(&args), Ok(options));
            }
        }
    }

    #[test]
    fn a_person_is_told_what_to_run() {
        let read = |args: &[&str]| {
            Options::from_args(&args.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert_eq!(read(&[]), Err(OptionsError::Missing("protocol")));
        assert_eq!(
            read(&["protocol=1", "supervisor=x"]),
            Err(OptionsError::Missing("supervisor"))
        );
        assert_eq!(
            read(&["protocol=2", "supervisor=1"]),
            Err(OptionsError::Protocol("2".into()))
        );
    }
}
