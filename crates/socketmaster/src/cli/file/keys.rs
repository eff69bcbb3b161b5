//! The text of a configuration file, key by key.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::draft::Draft;
use crate::cli::error::{CliError, quote};
use crate::cli::flag::Flag;
use crate::cli::flags::FLAGS;
use crate::nearest::nearest;
use crate::wire::env_file::{self, Variables};

/// A program and its arguments.
pub(super) type Program = (OsString, Vec<OsString>);

/// So many mistakes of a file are said: one that is no configuration at all has one in each line.
pub(super) const MOST_MISTAKES: usize = 100;

/// What is no flag.
const COMMAND: &str = "command";
const ENVIRONMENT: &str = "environment";
const ENV_FILE: &str = "env_file";

/// The keys that are no flags.
pub const OWN: [&str; 3] = [COMMAND, ENVIRONMENT, ENV_FILE];

/// The keys that stand for a flag, with it.
pub fn of_flags() -> impl Iterator<Item = (String, &'static Flag)> {
    // What has no meaning but on a command line is none, and the command has a key of its own.
    let flags = FLAGS
        .iter()
        .filter(|flag| !["version", COMMAND].contains(&flag.name));
    flags.map(|flag| (key_of(flag), flag))
}

/// What the keys have said.
#[derive(Debug)]
pub(super) struct Keys {
    /// What the flags of the command line say, and the keys of the file that it leaves out.
    pub draft: Draft,
    /// The keys that stand for a flag, and `command`, by the flag's name, with their places.
    pub said: BTreeMap<&'static str, usize>,
    /// `command`.
    pub program: Option<Program>,
    /// `env_file`, with the places.
    pub env_files: Vec<(PathBuf, usize)>,
    /// `[environment]`.
    pub variables: Variables,
}

/// What is wrong, and where it begins.
type Wrong = (usize, String);

type Value<'a> = Spanned<DeValue<'a>>;

impl Keys {
    /// Reads a text. Relative paths start at `base`; a flag that was `given` has its value, and its key is only checked.
    ///
    /// # Errors
    /// All that is wrong, in no order; of very many, some.
    pub(super) fn read(
        text: &str,
        base: &Path,
        draft: Draft,
        given: &[&'static str],
    ) -> Result<Self, Vec<Wrong>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let wrong = errors.iter().map(|error| {
                let span = error.span().unwrap_or_default();
                let which = match error.message() {
                    "duplicate key" => text.get(span.clone()).unwrap_or_default(),
                    _ => "",
                };
                let space = if which.is_empty() { "" } else { " " };
                (span.start, format!("{}{space}{which}", error.message()))
            });
            return Err(wrong.collect());
        }
        let mut this = Self {
            draft,
            said: BTreeMap::new(),
            program: None,
            env_files: Vec::new(),
            variables: Vec::new(),
        };
        let mut wrong = Vec::new();
        for (key, value) in table.get_ref() {
            let (name, at) = (&**key.get_ref(), key.span().start);
            let read = match name {
                COMMAND => {
                    this.said.insert(COMMAND, at);
                    this.command(value)
                }
                ENVIRONMENT => this.environment(text, value, &mut wrong),
                ENV_FILE => this.env_file(value, base),
                name => match of_flags().find(|(key, _)| key == name) {
                    Some((_, flag)) => {
                        this.said.insert(flag.name, at);
                        this.flag(text, flag, value, base, given)
                    }
                    None => Err((at, unknown(name))),
                },
            };
            wrong.extend(read.err());
            if wrong.len() >= MOST_MISTAKES {
                break;
            }
        }
        if wrong.is_empty() {
            Ok(this)
        } else {
            Err(wrong)
        }
    }

    fn command(&mut self, value: &Value<'_>) -> Result<(), Wrong> {
        let at = value.span().start;
        let wanted =
            "command is a program, or a program and its arguments: [\"./server\", \"--its-flag\"]";
        let is_text = matches!(value.get_ref(), DeValue::String(_));
        let words = match value.get_ref() {
            DeValue::String(program) => vec![program.to_string()],
            DeValue::Array(words) => {
                let words = words.iter().map(|word| string(word, wanted));
                words.collect::<Result<_, _>>()?
            }
            _ => return Err((at, wanted.into())),
        };
        if words.iter().any(|word| word.contains('\0')) {
            return Err((at, "a NUL byte cannot be in a command".into()));
        }
        let mut words = words.into_iter().map(OsString::from);
        match words.next() {
            // Nobody splits it, as nobody splits a word of a command line.
            Some(program) if is_text && blank(&program) => Err((at, apart(&program))),
            Some(program) if !program.is_empty() => {
                self.program = Some((program, words.collect()));
                Ok(())
            }
            _ => Err((at, wanted.into())),
        }
    }

    fn environment(
        &mut self,
        text: &str,
        value: &Value<'_>,
        wrong: &mut Vec<Wrong>,
    ) -> Result<(), Wrong> {
        let DeValue::Table(table) = value.get_ref() else {
            let what = "environment is a table: environment = { NAME = \"VALUE\" }";
            return Err((value.span().start, what.into()));
        };
        for (key, value) in table {
            let (name, at) = (key.get_ref().to_string(), value.span().start);
            if let Err(error) = env_file::check_name(&name) {
                wrong.push((key.span().start, error.to_string()));
                continue;
            }
            match scalar(text, value) {
                Some(said) if said.contains('\0') => {
                    wrong.push((at, env_file::LineError::Nul.to_string()));
                }
                Some(said) => self.variables.push((name, said)),
                None => wrong.push((at, format!("{name} is a text: {name} = \"VALUE\""))),
            }
        }
        Ok(())
    }

    fn env_file(&mut self, value: &Value<'_>, base: &Path) -> Result<(), Wrong> {
        let wanted = "env_file is a path, or several: [\"app.env\", \"secret.env\"]";
        let one = [value.clone()];
        let paths: &[Value<'_>] = match value.get_ref() {
            DeValue::Array(paths) => paths,
            _ => &one,
        };
        for path in paths {
            let file = string(path, wanted)?;
            self.env_files.push((base.join(file), path.span().start));
        }
        Ok(())
    }

    fn flag(
        &mut self,
        text: &str,
        flag: &'static Flag,
        value: &Value<'_>,
        base: &Path,
        given: &[&'static str],
    ) -> Result<(), Wrong> {
        let mut unused = Draft::default();
        let draft = if given.contains(&flag.name) {
            &mut unused
        } else {
            &mut self.draft
        };
        for (said, span) in values(text, flag, value)? {
            let path = (flag.name == "directory").then(|| base.join(&said).into_os_string());
            (flag.set)(draft, &path.unwrap_or_else(|| said.clone().into())).map_err(|reason| {
                let (key, said) = (key_of(flag), quote(said.as_bytes()));
                (
                    span.start,
                    format!("invalid value {said} for {key}: {reason}"),
                )
            })?;
        }
        Ok(())
    }
}

/// The key that stands for a flag.
fn key_of(flag: &Flag) -> String {
    flag.name.replace('-', "_")
}

/// A value as it would be typed; several only where the flag can be repeated, or takes a list.
fn values(
    text: &str,
    flag: &Flag,
    value: &Value<'_>,
) -> Result<Vec<(String, Range<usize>)>, Wrong> {
    let key = key_of(flag);
    let at = value.span().start;
    let one = |value: &Value<'_>| match scalar(text, value) {
        Some(said) => Ok((said, value.span())),
        None if key == "env" => Err((
            value.span().start,
            "env says how the program is told of its sockets: variables go into [environment]"
                .into(),
        )),
        None => Err((value.span().start, format!("{key} cannot be that"))),
    };
    let DeValue::Array(all) = value.get_ref() else {
        return Ok(vec![one(value)?]);
    };
    let all = all.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    match flag.name {
        "listen" | "adopt" => Ok(all),
        "env" => {
            let words: Vec<_> = all.into_iter().map(|(word, _)| word).collect();
            Ok(vec![(words.join(","), value.span())])
        }
        _ => Err((at, format!("{key} has one value only"))),
    }
}

/// What stands for one word of a command line.
fn scalar(text: &str, value: &Value<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(said) => Some(said.to_string()),
        DeValue::Boolean(said) => Some(said.to_string()),
        DeValue::Integer(_) => text.get(value.span()).map(|said| said.replace('_', "")),
        DeValue::Float(_) | DeValue::Datetime(_) => text.get(value.span()).map(str::to_owned),
        DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn string(value: &Value<'_>, wanted: &str) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(said) => Ok(said.to_string()),
        _ => Err((value.span().start, wanted.into())),
    }
}

fn blank(program: &OsString) -> bool {
    program.to_string_lossy().contains(char::is_whitespace)
}

/// The words of a command line, as they should have been written.
fn apart(line: &OsString) -> String {
    let line = line.to_string_lossy();
    let words = line.split_whitespace().map(|word| quote(word.as_bytes()));
    let words: Vec<_> = words.collect();
    format!(
        "each word stands for itself: command = [{}]",
        words.join(", ")
    )
}

fn unknown(name: &str) -> String {
    let keys: Vec<String> = of_flags().map(|(key, _)| key).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).chain(OWN).collect();
    let hint = match name {
        "args" | "arguments" => {
            Some("arguments follow the program: command = [\"PROGRAM\", \"ARGUMENT\"]".into())
        }
        "pid" => Some("see socketmaster adopt".into()),
        name => nearest(name, &keys).map(|key| format!("did you mean {key}?")),
    };
    let hint = hint.map_or_else(String::new, |hint| format!(" ({hint})"));
    format!("unknown key {}{hint}", quote(name.as_bytes()))
}

/// The flag whose key an error is about.
pub(super) fn concerned(error: &CliError) -> Option<&'static str> {
    match error {
        CliError::Listeners(_) => Some("listen"),
        CliError::Fd0(_) => Some("fd0"),
        CliError::Argument { .. } => Some(COMMAND),
        CliError::StartAndReady => Some("start"),
        CliError::ReadyFd { .. } => Some("ready"),
        CliError::PhpFpmPath { .. } => Some("env"),
        CliError::NothingPassed { flag } => Some(flag),
        _ => None,
    }
}
