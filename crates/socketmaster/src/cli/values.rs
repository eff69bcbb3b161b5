//! The values of flags: counts, names, signals, choices.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::go::{duration, integer};
use crate::config::{Check, CheckError, MOST_WORKERS, Readiness};
use crate::nearest::nearest;
use crate::wire::protocol::Protocol;
use crate::wire::uri::UriError;

/// Why a value is refused. Starts as Go words it, where Go has a word for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a number, or not a boolean.
    #[error("parse error")]
    Parse,
    /// A number beyond 64 bits.
    #[error("value out of range")]
    Range,
    /// Not a duration.
    #[error("parse error (write it like 500ms, 3s, 1m30s or 0)")]
    Duration,
    /// A duration below zero.
    #[error("time runs forward only (write it like 500ms, 3s or 1m30s)")]
    Negative,
    /// No time where some is needed.
    #[error("must be more than 0")]
    Zero,
    /// Not a signal.
    #[error("no such signal (write it like TERM, SIGTERM or 15)")]
    Signal,
    /// A signal that a program cannot catch.
    #[error("a program cannot catch {0}, and so not drain on it")]
    Uncatchable(Signal),
    /// Not a number of workers.
    #[error("must be a number from 1 to {MOST_WORKERS}")]
    Workers,
    /// Not a pid.
    #[error("no process has that number (write it like 4242)")]
    Pid,
    /// Not a name.
    #[error("a name has no control characters, no / and is not a number alone")]
    Name,
    /// Not one of the words that the flag takes.
    #[error("must be {0}")]
    Choice(&'static str),
    /// Not one of the protocols.
    #[error("there is no {word:?}, only {}{}", Protocol::ALL.map(Protocol::name).join(", "), .nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)")))]
    Protocol {
        /// The word as typed.
        word: String,
        /// The protocol that was probably meant.
        nearest: Option<&'static str>,
    },
    /// Not a kind of readiness.
    #[error("must be auto, notify, fd, fd:N, einhorn, http://…, or exec:COMMAND{}", .nearest.map_or_else(String::new, |kind| format!(" (did you mean {kind}?)")))]
    Ready {
        /// The kind that was probably meant.
        nearest: Option<&'static str>,
    },
    /// Not a check.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Not a descriptor on which a program can say that it is ready.
    #[error("N must be 1 or a number from 3 to {MOST_FD}: 0 is the program's input and 2 its log")]
    ReadyFd,
    /// Bytes where text is needed.
    #[error("not UTF-8")]
    NotText,
    /// Not a listen URI.
    #[error(transparent)]
    Uri(#[from] UriError),
}

/// The highest descriptor under the usual limit of 1024 (getrlimit(2)).
const MOST_FD: i32 = 1023;

/// UTF-8 text.
pub fn text(value: &OsStr) -> Result<&str, ValueError> {
    value.to_str().ok_or(ValueError::NotText)
}

/// What one of these words stands for; `wanted` names them in the error.
pub fn choice<T: Copy>(
    value: &OsStr,
    words: &[(&str, T)],
    wanted: &'static str,
) -> Result<T, ValueError> {
    let found = words.iter().find(|(word, _)| value == *word);
    let found = found.map(|(_, meant)| *meant);
    found.ok_or(ValueError::Choice(wanted))
}

/// The name of an instance. A number would be taken for a pid.
pub fn name(value: &OsStr) -> Result<&str, ValueError> {
    let name = text(value)?;
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || name.contains(|c: char| c.is_control() || c == '/') {
        return Err(ValueError::Name);
    }
    Ok(name)
}

/// Protocols with commas between; none for an empty text.
pub fn protocols(value: &OsStr) -> Result<Vec<Protocol>, ValueError> {
    let list = text(value)?;
    let words = list.split(',').filter(|_| !list.is_empty());
    let known = words.map(|word| {
        let found = Protocol::ALL.into_iter().find(|each| each.name() == word);
        found.ok_or_else(|| ValueError::Protocol {
            word: word.into(),
            nearest: nearest(word, &Protocol::ALL.map(Protocol::name)),
        })
    });
    known.collect()
}

/// How a program shows that it is ready; `None` is `auto`, whose settle time has a flag of its own.
pub fn readiness(value: &OsStr) -> Result<Option<Readiness>, ValueError> {
    if let Some(command) = value.as_bytes().strip_prefix(b"exec:") {
        let check = Check::exec(OsStr::from_bytes(command))?;
        return Ok(Some(Readiness::Check(check)));
    }
    let kind = text(value)?;
    if let Some(address) = kind.strip_prefix("http://") {
        return Ok(Some(Readiness::Check(Check::http(address)?)));
    }
    Ok(Some(match kind {
        "auto" => return Ok(None),
        "notify" => Readiness::Notify,
        "fd" => Readiness::Fd(None),
        "einhorn" => Readiness::Einhorn,
        _ if kind.starts_with("https://") => return Err(CheckError::Https.into()),
        _ => match kind.strip_prefix("fd:") {
            Some(number) => Readiness::Fd(Some(ready_fd(number)?)),
            None => {
                let kinds = ["auto", "notify", "fd", "einhorn", "http://", "exec:"];
                let nearest = nearest(kind, &kinds);
                return Err(ValueError::Ready { nearest });
            }
        },
    }))
}

/// Not 0, which programs read, and not 2, whose lines would be lost. Standard output is what s6's own programs take.
fn ready_fd(number: &str) -> Result<i32, ValueError> {
    let number = number.parse().ok();
    number
        .filter(|fd| *fd == 1 || (3..=MOST_FD).contains(fd))
        .ok_or(ValueError::ReadyFd)
}

/// A count from 0.
pub fn count(value: &OsStr) -> Result<u64, ValueError> {
    u64::try_from(integer(value)?).map_err(|_| ValueError::Range)
}

/// A process: decimal and more than 0, or Go's other spellings of such a number.
pub fn pid(value: &OsStr) -> Result<i32, ValueError> {
    let number = integer(value)?;
    i32::try_from(number)
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or(ValueError::Pid)
}

/// A number of workers, at least one.
pub fn workers(value: &OsStr) -> Result<u32, ValueError> {
    let number = integer(value).ok();
    number
        .and_then(|number| u32::try_from(number).ok())
        .filter(|count| (1..=MOST_WORKERS).contains(count))
        .ok_or(ValueError::Workers)
}

/// As [`duration`], but more than zero.
pub fn some_time(value: &OsStr) -> Result<Duration, ValueError> {
    match duration(value)? {
        Duration::ZERO => Err(ValueError::Zero),
        time => Ok(time),
    }
}

/// A signal that a program can catch: `TERM`, `SIGTERM`, `term` or `15`.
pub fn signal(value: &OsStr) -> Result<i32, ValueError> {
    let text = value.to_str().ok_or(ValueError::Signal)?;
    let name = text.to_ascii_uppercase();
    let signal = match text.parse::<u8>() {
        Ok(number) => Signal::try_from(i32::from(number)),
        Err(_) => Signal::from_str(&format!("SIG{}", name.strip_prefix("SIG").unwrap_or(&name))),
    };
    match signal.map_err(|_| ValueError::Signal)? {
        signal @ (Signal::SIGKILL | Signal::SIGSTOP) => Err(ValueError::Uncatchable(signal)),
        signal => Ok(signal as i32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_readiness() {
        let read = |text: &str| readiness(OsStr::new(text));
        for (text, kind) in [
            ("auto", None),
            ("notify", Some(Readiness::Notify)),
            ("fd", Some(Readiness::Fd(None))),
            ("fd:1", Some(Readiness::Fd(Some(1)))),
            ("fd:17", Some(Readiness::Fd(Some(17)))),
            ("einhorn", Some(Readiness::Einhorn)),
            (
                "http://:80/ok",
                Check::http(":80/ok").ok().map(Readiness::Check),
            ),
            (
                "exec:./ok a",
                Check::exec(OsStr::new("./ok a")).ok().map(Readiness::Check),
            ),
        ] {
            assert_eq!(read(text), Ok(kind), "{text}");
        }
        for text in ["fd:", "fd:0", "fd:2", "fd:-1", "fd:1024", "fd:x", "fd: 3"] {
            assert_eq!(read(text), Err(ValueError::ReadyFd), "{text}");
        }
        for (text, nearest) in [
            ("notfy", Some("notify")),
            ("ein", Some("einhorn")),
            ("http:/", Some("http://")),
            ("", None),
        ] {
            assert_eq!(read(text), Err(ValueError::Ready { nearest }), "{text}");
        }
        for (text, error) in [
            ("https://x", CheckError::Https),
            ("http://x:1", CheckError::Host("x".into())),
            ("exec:", CheckError::NoCommand),
        ] {
            assert_eq!(read(text), Err(ValueError::Check(error)), "{text}");
        }
    }

    #[test]
    fn signals_by_name_and_number() {
        for text in ["TERM", "SIGTERM", "term", "SigTerm", "15"] {
            assert_eq!(signal(OsStr::new(text)), Ok(15), "{text}");
        }
        assert_eq!(signal(OsStr::new("QUIT")), Ok(3));
        for text in ["", "SIG", "0", "-15", "64", "TERMINATE", "SIGSIGTERM", "é"] {
            assert_eq!(signal(OsStr::new(text)), Err(ValueError::Signal), "{text}");
        }
        for text in ["KILL", "9", "STOP"] {
            assert!(matches!(
                signal(OsStr::new(text)),
                Err(ValueError::Uncatchable(_))
            ));
        }
    }
}
