//! The three forms of a command line that starts a supervisor, and which flags each has.

use std::ffi::OsString;

use super::draft::Draft;
use super::error::CliError;
use super::flag::Flag;
use super::flags::{FLAGS, PID};
use super::tokens::{self, End};

/// How the program is named, and how it gets its sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The original's: `socketmaster [FLAGS] -command PATH [--] [ARGS]`.
    Classic,
    /// `socketmaster run [FLAGS] [--] PROGRAM [ARGS]`: adopts what the program opens.
    Run,
    /// `socketmaster adopt --pid PID [FLAGS] [--] PROGRAM [ARGS]`: the same, behind the sockets of a running process.
    Adopt,
}

impl Form {
    /// All forms.
    pub const ALL: [Self; 3] = [Self::Classic, Self::Run, Self::Adopt];

    /// The form of these arguments, by the first, and those that follow a verb.
    pub fn of(args: &[OsString]) -> (Self, &[OsString]) {
        match args.split_first() {
            Some((first, rest)) if first == "run" => (Self::Run, rest),
            Some((first, rest)) if first == "adopt" => (Self::Adopt, rest),
            _ => (Self::Classic, args),
        }
    }

    /// The first word.
    pub fn verb(self) -> Option<&'static str> {
        match self {
            Self::Classic => None,
            Self::Run => Some("run"),
            Self::Adopt => Some("adopt"),
        }
    }

    /// The form's flags, in the order of the help.
    pub fn flags(self) -> impl Iterator<Item = &'static Flag> {
        let pid = (self == Self::Adopt).then_some(&PID);
        let shared = FLAGS
            .iter()
            .filter(move |flag| self == Self::Classic || flag.name != "command");
        pid.into_iter().chain(shared)
    }

    /// Reads the flags of `args` into `draft`, then puts the defaults where nothing was said.
    pub fn walk<'a>(self, args: &'a [OsString], draft: &mut Draft) -> Result<End<'a>, CliError> {
        let mut given = Vec::new();
        let end = self.walk_given(args, draft, &mut given)?;
        draft.fill(&self.flags().collect::<Vec<_>>(), &given)?;
        Ok(end)
    }

    /// Reads the flags of `args` into `draft`, and their names into `given`.
    pub fn walk_given<'a>(
        self,
        args: &'a [OsString],
        draft: &mut Draft,
        given: &mut Vec<&'static str>,
    ) -> Result<End<'a>, CliError> {
        let flags: Vec<_> = self.flags().collect();
        let end = tokens::walk(&flags, args, draft, given);
        end.map_err(|error| match (error, self.verb()) {
            (CliError::Undefined { name, .. }, Some(verb)) if name == "command" => {
                CliError::CommandFlag { verb }
            }
            (error, _) => error,
        })
    }

    /// A command line to copy.
    pub fn example(self) -> &'static str {
        match self {
            Self::Classic => "socketmaster -listen tcp://:8080 -command ./myapp",
            Self::Run => "socketmaster run -- nginx -g 'daemon off;'",
            Self::Adopt => "socketmaster adopt --pid 4242 -- ./server --port 8080",
        }
    }
}
