//! Go's walk through argv: `-n v`, `-n=v`, `--n v`, `--n=v`, up to `--` (eaten) or to the first word that is no flag.
//!
//! The rules are those of `FlagSet.parseOne` in Go's flag package. Each value is checked as it is read, so a bad value
//! before `-h` is an error and one after it is never seen. `tests/goflag` holds this against the original.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::error::{CliError, quote};
use super::flag::Flag;
use crate::nearest::nearest;

/// Where the walk ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End<'a> {
    /// All flags are read; these words are the program's.
    Words(&'a [OsString]),
    /// `-h` or `-help`.
    Help,
}

/// Reads the flags at the beginning of `args` into `draft`, and adds their names to `given`.
pub fn walk<'a, T>(
    flags: &[&'static Flag<T>],
    args: &'a [OsString],
    draft: &mut T,
    given: &mut Vec<&'static str>,
) -> Result<End<'a>, CliError> {
    let mut words = args;
    while let Some((word, rest)) = words.split_first() {
        let typed = word.as_bytes();
        if typed == b"--" {
            words = rest;
            break;
        }
        // A lone `-` is a word, as is one without a dash.
        let Some(name) = typed.strip_prefix(b"-").filter(|name| !name.is_empty()) else {
            break;
        };
        let name = name.strip_prefix(b"-").unwrap_or(name);
        if let [] | [b'-' | b'=', ..] = name {
            let word = word.to_string_lossy().into();
            return Err(CliError::Syntax { word });
        }
        let mut halves = name.splitn(2, |byte| *byte == b'=');
        let (name, joined) = (halves.next().unwrap_or_default(), halves.next());
        let Some(flag) = flags.iter().find(|flag| flag.name.as_bytes() == name) else {
            return match name {
                b"h" | b"help" => Ok(End::Help),
                _ => Err(undefined(flags, name)),
            };
        };
        words = rest;
        let value = match (joined, flag.value) {
            (Some(value), _) => OsStr::from_bytes(value),
            (None, None) => OsStr::new("true"),
            (None, Some(_)) if flag.may_stand_alone() => match words.split_first() {
                Some((value, rest)) if is_uri(value) => {
                    words = rest;
                    value
                }
                _ => OsStr::new("true"),
            },
            (None, Some(_)) => {
                let flag = flag.name;
                let (value, rest) = words.split_first().ok_or(CliError::NoValue { flag })?;
                words = rest;
                value
            }
        };
        set(flag, draft, value)?;
        given.push(flag.name);
    }
    Ok(End::Words(words))
}

/// Puts a value in its place.
pub fn set<T>(flag: &Flag<T>, draft: &mut T, value: &OsStr) -> Result<(), CliError> {
    (flag.set)(draft, value).map_err(|reason| {
        let (value, name) = (quote(value.as_bytes()), flag.name);
        match flag.value {
            Some(_) => CliError::Value {
                flag: name,
                value,
                reason,
            },
            None => CliError::Boolean {
                flag: name,
                value,
                reason,
            },
        }
    })
}

/// Whether a word can be the value of a flag that may stand alone: a flag and a path cannot.
fn is_uri(word: &OsStr) -> bool {
    let bytes = word.as_bytes();
    !bytes.starts_with(b"-") && bytes.windows(3).any(|bytes| bytes == b"://")
}

fn undefined<T>(flags: &[&'static Flag<T>], name: &[u8]) -> CliError {
    let name = String::from_utf8_lossy(name).into_owned();
    let names: Vec<&'static str> = flags.iter().map(|flag| flag.name).collect();
    let nearest = nearest(&name, &names);
    CliError::Undefined { name, nearest }
}
