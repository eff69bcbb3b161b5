//! The values of flags: numbers, booleans and durations as Go reads them, signals and choices.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;

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

/// The longest duration Go has: about 292 years, in nanoseconds.
const LONGEST: u64 = i64::MAX as u64;

/// UTF-8 text.
pub fn text(value: &OsStr) -> Result<&str, ValueError> {
    value.to_str().ok_or(ValueError::NotText)
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

/// Go's `strconv.ParseBool`.
pub fn boolean(value: &OsStr) -> Result<bool, ValueError> {
    match value.as_bytes() {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        _ => Err(ValueError::Parse),
    }
}

/// Go's `strconv.ParseInt(value, 0, 64)`: `0x`, `0o`, `0b`, a leading 0 is octal, `_` between digits.
pub fn integer(value: &OsStr) -> Result<i64, ValueError> {
    let (negative, unsigned) = match value.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (radix, digits) = match unsigned {
        [] => return Err(ValueError::Parse),
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] if !digits.is_empty() => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => (2, digits),
        [b'0', digits @ ..] => (8, digits),
        digits => (10, digits),
    };
    let mut number = 0_u64;
    // A `_` follows a digit or the base, and a digit follows it. Go finds that out last, after the range.
    let mut after_digit = radix != 10;
    let mut misplaced = false;
    for &byte in digits {
        if byte == b'_' {
            misplaced |= !after_digit;
            after_digit = false;
            continue;
        }
        let digit = char::from(byte).to_digit(radix).ok_or(ValueError::Parse)?;
        after_digit = true;
        number = number
            .checked_mul(radix.into())
            .and_then(|number| number.checked_add(digit.into()))
            .ok_or(ValueError::Range)?;
    }
    if misplaced || digits.ends_with(b"_") {
        return Err(ValueError::Parse);
    }
    let number = if negative {
        0_i64.checked_sub_unsigned(number)
    } else {
        i64::try_from(number).ok()
    };
    number.ok_or(ValueError::Range)
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
    let number = integer(value)?;
    u32::try_from(number)
        .ok()
        .filter(|count| (1..=MOST_WORKERS).contains(count))
        .ok_or(ValueError::Workers)
}

/// Milliseconds; none at or below zero. Capped at Go's longest duration, so that adding it to a time cannot overflow.
pub fn millis(value: &OsStr) -> Result<Duration, ValueError> {
    let millis = u64::try_from(integer(value)?).unwrap_or(0);
    Ok(Duration::from_millis(millis).min(Duration::from_nanos(LONGEST)))
}

/// Go's `time.ParseDuration`, not below zero: `500ms`, `3s`, `1m30s`, `1.5h`, and a bare `0`.
pub fn duration(value: &OsStr) -> Result<Duration, ValueError> {
    let text = value.to_str().ok_or(ValueError::Duration)?;
    if text.starts_with('-') {
        return Err(ValueError::Negative);
    }
    match text.strip_prefix('+').unwrap_or(text) {
        "" => Err(ValueError::Duration),
        "0" => Ok(Duration::ZERO),
        terms => nanos(terms)
            .map(Duration::from_nanos)
            .ok_or(ValueError::Duration),
    }
}

/// As [`duration`], but more than zero.
pub fn some_time(value: &OsStr) -> Result<Duration, ValueError> {
    match duration(value)? {
        Duration::ZERO => Err(ValueError::Zero),
        time => Ok(time),
    }
}

/// The sum of terms like `1m` and `1.5s`.
fn nanos(mut terms: &str) -> Option<u64> {
    let mut sum = 0_u64;
    while !terms.is_empty() {
        let (whole, rest) = digits(terms);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let unit: u64 = match unit {
            "ns" => 1,
            // Unicode has two of the letter: the micro sign and the Greek one.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        sum = sum.checked_add(whole.checked_mul(unit)?)?;
        // A nanosecond is the 14th digit of an hour's fraction; what follows the 18th changes nothing.
        let mut scale = 1_u128;
        let mut part = 0_u128;
        for digit in fraction.bytes().take(18) {
            scale *= 10;
            part = part * 10 + u128::from(digit - b'0');
        }
        sum = sum.checked_add(u64::try_from(part * u128::from(unit) / scale).ok()?)?;
        terms = rest;
    }
    (sum <= LONGEST).then_some(sum)
}

/// Splits the decimal digits at the start off.
fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
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
    fn integers_as_go() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("+5", Ok(5)),
            ("0x1F", Ok(31)),
            ("0X_f", Ok(15)),
            ("-0b11", Ok(-3)),
            ("0o17", Ok(15)),
            ("017", Ok(15)),
            ("0_7", Ok(7)),
            ("1_000", Ok(1000)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(ValueError::Range)),
            ("-9223372036854775809", Err(ValueError::Range)),
            // The range is exceeded before the letter is seen.
            ("99999999999999999999x", Err(ValueError::Range)),
            ("9999999999x9999999999", Err(ValueError::Parse)),
            ("", Err(ValueError::Parse)),
            ("-", Err(ValueError::Parse)),
            ("+-1", Err(ValueError::Parse)),
            ("0x", Err(ValueError::Parse)),
            ("09", Err(ValueError::Parse)),
            ("_1", Err(ValueError::Parse)),
            ("1_", Err(ValueError::Parse)),
            ("1__0", Err(ValueError::Parse)),
            ("0_", Err(ValueError::Parse)),
            (" 3", Err(ValueError::Parse)),
            ("1e3", Err(ValueError::Parse)),
        ] {
            assert_eq!(integer(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn durations_as_go() {
        let nanos = |n| Ok(Duration::from_nanos(n));
        for (text, expected) in [
            ("0", nanos(0)),
            ("+0", nanos(0)),
            ("0s", nanos(0)),
            ("3s", nanos(3_000_000_000)),
            ("500ms", nanos(500_000_000)),
            ("1m30s", nanos(90_000_000_000)),
            ("1.5s", nanos(1_500_000_000)),
            (".5s", nanos(500_000_000)),
            ("5.s", nanos(5_000_000_000)),
            ("1h1us1ns", nanos(3_600_000_001_001)),
            ("3µs", nanos(3_000)),
            ("3μs", nanos(3_000)),
            ("1.00000000000000000001s", nanos(1_000_000_000)),
            ("9223372036854775807ns", nanos(LONGEST)),
            ("9223372036854775808ns", Err(ValueError::Duration)),
            ("2562048h", Err(ValueError::Duration)),
            ("99999999999999999999h", Err(ValueError::Duration)),
            ("", Err(ValueError::Duration)),
            ("+", Err(ValueError::Duration)),
            ("3", Err(ValueError::Duration)),
            ("3 s", Err(ValueError::Duration)),
            ("1d", Err(ValueError::Duration)),
            (".s", Err(ValueError::Duration)),
            ("s", Err(ValueError::Duration)),
            ("1s1", Err(ValueError::Duration)),
            ("-1s", Err(ValueError::Negative)),
        ] {
            assert_eq!(duration(OsStr::new(text)), expected, "{text}");
        }
        assert_eq!(some_time(OsStr::new("0s")), Err(ValueError::Zero));
    }

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
    fn millis_never_overflow() {
        assert_eq!(millis(OsStr::new("-5")), Ok(Duration::ZERO));
        assert_eq!(millis(OsStr::new("3000")), Ok(Duration::from_secs(3)));
        assert_eq!(
            millis(OsStr::new("9223372036854775807")),
            Ok(Duration::from_nanos(LONGEST))
        );
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
