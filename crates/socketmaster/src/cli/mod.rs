//! The command line: Go's flag syntax, read once into a [`Config`].
//!
//! `flag` says what a flag is, `flags` which there are and `form` who has them; `tokens` finds them in argv; `go` and
//! `values` read what they are set to; `draft` makes a configuration of them; `file` finds the same in a configuration
//! file; `orders` are the verbs for a supervisor that runs; `help` shows all of it, and `describe` tells clap about it.

use std::ffi::OsString;

pub mod describe;
pub mod draft;
pub mod error;
pub mod file;
pub mod flag;
pub mod flags;
pub mod form;
pub mod go;
pub mod help;
pub mod orders;
pub mod tokens;
pub mod values;

#[cfg(test)]
mod tests;

pub use describe::command;
pub use error::CliError;
pub use file::ConfigFile;
pub use form::Form;
pub use orders::Verb;

use crate::client::Order;
use crate::config::Config;
use draft::Draft;
use tokens::End;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Supervise.
    Run(Box<Config>),
    /// Supervise as a file says.
    RunFile(ConfigFile),
    /// Say what is wrong with a file.
    Check(ConfigFile),
    /// Ask a supervisor that runs.
    Order(Order),
    /// Print this help. The original prints it on standard error and ends with 0.
    Help(String),
    /// Print this version on standard output and end with 0.
    Version(String),
    /// Show a reload without loss.
    Demo,
}

/// Reads the arguments, without `argv[0]`.
pub fn parse(args: &[OsString]) -> Result<Invocation, CliError> {
    if let Some((first, rest)) = args.split_first()
        && first == "demo"
    {
        return demo(rest);
    }
    if let Some((first, rest)) = args.split_first()
        && first == "check"
    {
        return file::parse_check(rest);
    }
    if let Some((verb, rest)) = Verb::of(args) {
        return orders::parse(verb, rest);
    }
    let (form, flags) = Form::of(args);
    if let Some(file) = ConfigFile::of(form, flags)? {
        return Ok(Invocation::RunFile(file));
    }
    let mut draft = Draft::new(form);
    match form.walk(flags, &mut draft)? {
        End::Help => Ok(Invocation::Help(help::text(form))),
        End::Words(_) if draft.version => Ok(Invocation::Version(version())),
        End::Words(words) => {
            let config = draft
                .into_config(form, words)
                .map_err(|error| match error {
                    // Whoever begins with the program most likely wants it run as it is.
                    CliError::NoCommand { .. } => CliError::NoCommand {
                        word: program_first(args, words),
                    },
                    error => error,
                })?;
            Ok(Invocation::Run(Box::new(config)))
        }
    }
}

/// What to show after an error: where to look next, or what to type.
pub fn hint(error: &CliError, args: &[OsString]) -> String {
    match Verb::of(args) {
        Some((verb, _)) => format!("socketmaster {} -h lists the flags", verb.name()),
        None => error.hint(Form::of(args).0),
    }
}

/// The first word of the command line, if it is no flag.
fn program_first(args: &[OsString], words: &[OsString]) -> Option<String> {
    let word = words.first().filter(|_| args.len() == words.len())?;
    Some(word.to_string_lossy().into_owned()).filter(|word| !word.is_empty())
}

fn demo(rest: &[OsString]) -> Result<Invocation, CliError> {
    match rest.first() {
        None => Ok(Invocation::Demo),
        Some(word) if ["-h", "-help", "--h", "--help"].iter().any(|h| word == h) => {
            Ok(Invocation::Help(help::demo()))
        }
        Some(word) => Err(CliError::DemoArgument {
            word: word.to_string_lossy().into(),
        }),
    }
}

fn version() -> String {
    format!("socketmaster {}\n", env!("CARGO_PKG_VERSION"))
}
