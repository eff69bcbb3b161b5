//! The configuration file: the flags as keys of a TOML file, and the command with its environment.
//!
//! A key is the flag's name with `_` for `-`, so the table of flags defines the file too. A flag beside the file wins
//! over its key. `keys` reads the text; here it is found on the command line, read from disk, and completed.

pub mod keys;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::error::CliError;
use super::form::Form;
use super::tokens::End;
use super::{Invocation, help};
use crate::config::source::{Mistake, Mistakes, Source, Wording, place};
use crate::config::{Adopt, Config, listeners};
use crate::sys::text_file;
use crate::wire::env_file::{self, Variables};
use keys::{Keys, MOST_MISTAKES, Program};

/// What the name of a configuration file ends with: by that it is told from a program.
const ENDING: &str = ".toml";

/// The longest file that is read, in bytes. No environment holds as much, and the supervisor does nothing else meanwhile.
const LONGEST: u64 = 1024 * 1024;

/// A configuration file as the command line names it, with the flags and the program that win over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// As typed.
    path: PathBuf,
    /// From the root on, so that it is found whatever becomes of the directory that we are in.
    absolute: PathBuf,
    flags: Vec<OsString>,
    /// What follows `--`.
    program: Option<Program>,
}

impl ConfigFile {
    /// The file of `run [FLAGS] FILE.toml [-- PROGRAM ARGS]`; `None` if these arguments name none.
    ///
    /// # Errors
    /// A flag is wrong, or something else than `--` follows the file.
    pub fn of(form: Form, args: &[OsString]) -> Result<Option<Self>, CliError> {
        if form != Form::Run {
            return Ok(None);
        }
        let (mut draft, mut given) = (Draft::default(), Vec::new());
        let End::Words(words) = form.walk_given(args, &mut draft, &mut given)? else {
            return Ok(None);
        };
        let flags = &args[..args.len() - words.len()];
        let dashes = flags.last().is_some_and(|word| word == "--");
        let Some((path, rest)) = words.split_first().filter(|(word, _)| {
            let typed = word.as_encoded_bytes();
            !dashes && typed.ends_with(ENDING.as_bytes())
        }) else {
            return Ok(None);
        };
        let program = match rest {
            [] => None,
            [dashes, program, args @ ..] if dashes == "--" && !program.is_empty() => {
                Some((program.clone(), args.to_vec()))
            }
            [word, ..] => {
                return Err(CliError::AfterFile {
                    word: word.to_string_lossy().into(),
                });
            }
        };
        Ok(Some(Self::new(path.into(), flags.to_vec(), program)))
    }

    fn new(path: PathBuf, flags: Vec<OsString>, program: Option<Program>) -> Self {
        Self {
            absolute: std::path::absolute(&path).unwrap_or_else(|_| path.clone()),
            path,
            flags,
            program,
        }
    }

    /// The file as it was named.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn mistakes(&self, all: Vec<Mistake>) -> Mistakes {
        let of = self.shown();
        Mistakes { of, all }
    }

    fn mistake(&self, at: Option<(usize, usize)>, what: &dyn ToString) -> Mistake {
        Mistake {
            file: self.shown(),
            at,
            what: what.to_string(),
        }
    }

    /// Reads the text, in which mistakes have places.
    fn keys(&self, text: &str) -> Result<(Keys, Vec<&'static str>), Mistakes> {
        let (mut draft, mut given) = (Draft::default(), Vec::new());
        // They were read at the start: what they say cannot have changed.
        let walked = Form::Run.walk_given(&self.flags, &mut draft, &mut given);
        walked.map_err(|error| self.mistakes(vec![self.mistake(None, &error)]))?;
        let base = self.absolute.parent().unwrap_or(Path::new("/"));
        let keys = Keys::read(text, base, draft, &given);
        let keys = keys.map_err(|mut wrong| {
            wrong.sort_by_key(|(offset, _)| *offset);
            wrong.truncate(MOST_MISTAKES);
            let mistakes = wrong.into_iter();
            let mistakes = mistakes.map(|(at, what)| self.mistake(Some(place(text, at)), &what));
            self.mistakes(mistakes.collect())
        })?;
        Ok((keys, given))
    }

    /// What the environment files say, in their order.
    fn variables(&self, text: &str, keys: &Keys) -> Result<Variables, Mistakes> {
        let (mut all, mut mistakes) = (Vec::new(), Vec::new());
        for (path, at) in &keys.env_files {
            let shown = path.display();
            match text_file::read(path, LONGEST) {
                Ok(said) => match env_file::parse(&said) {
                    Ok(variables) => all.extend(variables),
                    Err(wrong) => {
                        let wrong = wrong.into_iter().take(MOST_MISTAKES);
                        mistakes.extend(wrong.map(|(line, error)| Mistake {
                            file: shown.to_string(),
                            at: Some((line, 1)),
                            what: error.to_string(),
                        }));
                    }
                },
                Err(error) => {
                    let what = format!("env_file: {shown} cannot be read: {error}");
                    mistakes.push(self.mistake(Some(place(text, *at)), &what));
                }
            }
        }
        if mistakes.is_empty() {
            Ok(all)
        } else {
            Err(self.mistakes(mistakes))
        }
    }

    fn complete(
        &self,
        text: &str,
        keys: Keys,
        given: &[&'static str],
        variables: Variables,
    ) -> Result<Config, Mistakes> {
        let wrong = |at: Option<usize>, what: String| {
            let at = at.map(|offset| place(text, offset));
            self.mistakes(vec![self.mistake(at, &what)])
        };
        let Keys {
            mut draft,
            said,
            program,
            variables: own,
            ..
        } = keys;
        let Some((command, args)) = self.program.clone().or(program) else {
            let what = "there is no program to run: write command = [\"./server\", \"--its-flag\"]";
            return Err(wrong(None, what.into()));
        };
        draft.environment = variables.into_iter().chain(own).collect();
        let mut names: Vec<_> = given.iter().copied().chain(said.keys().copied()).collect();
        if draft.listen.is_empty() {
            match (names.contains(&"adopt"), &draft.adopt) {
                // A program that is passed nothing opens its sockets itself.
                (false, _) => draft.adopt = Some(Adopt::Anything),
                (true, Some(_)) => {}
                (true, None) => {
                    let what = "adopt = false needs the sockets that the program is passed: write listen = [\"tcp://:8080\"]";
                    return Err(wrong(said.get("adopt").copied(), what.into()));
                }
            }
        }
        names.push("listen");
        let flags: Vec<_> = Form::Run.flags().collect();
        let config = (|| {
            listeners::check(&draft.listen)?;
            draft.fill(&flags, &names)?;
            draft.for_program(command, &args)
        })();
        config.map_err(|error| {
            let at = keys::concerned(&error)
                .and_then(|key| said.get(key))
                .copied();
            wrong(at, error.in_file())
        })
    }
}

impl Source for ConfigFile {
    fn read(&self) -> Result<(Config, Wording), Mistakes> {
        let text = text_file::read(&self.absolute, LONGEST);
        let text = text.map_err(|error| {
            let what = format!("cannot be read: {error}");
            self.mistakes(vec![self.mistake(None, &what)])
        })?;
        let (keys, given) = self.keys(&text)?;
        let variables = self.variables(&text, &keys)?;
        let config = self.complete(&text, keys, &given, variables.clone())?;
        Ok((config, Wording { text, variables }))
    }

    fn again(&self, wording: &Wording) -> Result<Config, Mistakes> {
        let (keys, given) = self.keys(&wording.text)?;
        self.complete(&wording.text, keys, &given, wording.variables.clone())
    }
}

/// Reads what follows `check`.
pub fn parse_check(args: &[OsString]) -> Result<Invocation, CliError> {
    match args {
        [word, ..] if ["-h", "-help", "--h", "--help"].iter().any(|h| word == h) => {
            Ok(Invocation::Help(help::check()))
        }
        [path] if !path.is_empty() => Ok(Invocation::Check(ConfigFile::new(
            path.into(),
            Vec::new(),
            None,
        ))),
        _ => Err(CliError::CheckWhat),
    }
}

#[cfg(test)]
mod tests;
