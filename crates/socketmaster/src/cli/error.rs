//! What is wrong with a command line, worded as Go's flag package words it.

use super::form::Form;
use super::orders::Verb;
use super::values::ValueError;
use crate::config::MOST_WORKERS;
use crate::config::listeners::Clash;
use crate::nearest::nearest;
use crate::wire::arguments::NoListener;

/// Why the command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CliError {
    /// Three dashes, or no name before the `=`.
    #[error("bad flag syntax: {word}")]
    Syntax {
        /// The word as typed.
        word: String,
    },
    /// There is no such flag.
    #[error("flag provided but not defined: -{name}{}", .nearest.map_or_else(String::new, |flag| format!(" (did you mean -{flag}?)")))]
    Undefined {
        /// The name as typed, without dashes.
        name: String,
        /// The flag that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The last word is a flag that wants a value.
    #[error("flag needs an argument: -{flag}")]
    NoValue {
        /// The flag's name.
        flag: &'static str,
    },
    /// A value that the flag does not take.
    #[error("invalid value {value} for flag -{flag}: {reason}")]
    Value {
        /// The flag's name.
        flag: &'static str,
        /// The value, quoted.
        value: String,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// The same, of a flag that needs no value.
    #[error("invalid boolean value {value} for -{flag}: {reason}")]
    Boolean {
        /// The flag's name.
        flag: &'static str,
        /// The value, quoted.
        value: String,
        /// What is wrong with it.
        reason: ValueError,
    },
    /// Two listeners that cannot stand side by side.
    #[error(transparent)]
    Listeners(#[from] Clash),
    /// `demo` is followed by something.
    #[error("demo takes no arguments: {word}")]
    DemoArgument {
        /// The word as typed.
        word: String,
    },
    /// More than one word after a verb that takes a name.
    #[error("one name is enough: {word}")]
    SecondName {
        /// The word that is too much.
        word: String,
    },
    /// `scale` without a number.
    #[error("say how many workers, as in: socketmaster scale 4 nginx")]
    NoWorkers,
    /// `scale` with something else.
    #[error(
        "how many workers must be a number from 1 to {MOST_WORKERS}, as in: socketmaster scale 4 nginx"
    )]
    Workers,
    /// `-command` after a verb.
    #[error("-command is not for socketmaster {verb}: name the program after the flags")]
    CommandFlag {
        /// The verb.
        verb: &'static str,
    },
    /// `-adopt=false` after a verb.
    #[error("socketmaster {verb} always adopts: leave out -adopt=false")]
    MustAdopt {
        /// The verb.
        verb: &'static str,
    },
    /// A flag for sockets that are passed, where none are.
    #[error(
        "-{flag} is for a program that is passed its sockets: one that is adopted opens its own"
    )]
    NothingPassed {
        /// The flag.
        flag: &'static str,
    },
    /// `{fd:NAME}` without such a listener.
    #[error("cannot put a descriptor in {argument}: {missing}")]
    Argument {
        /// The argument as typed.
        argument: String,
        /// Which listener.
        missing: NoListener,
    },
    /// `-fd0` without such a listener.
    #[error("cannot do -fd0: {0}")]
    Fd0(NoListener),
    /// Two that decide when the program is ready.
    #[error(
        "-start lets time alone decide when the program is ready: leave out either -start or -ready"
    )]
    StartAndReady,
    /// `-ready fd:N` with the number of a listener.
    #[error(
        "cannot do -ready fd:{fd}: descriptor {fd} is a listener's; write -ready fd for the first that is free"
    )]
    ReadyFd {
        /// The number.
        fd: i32,
    },
    /// A listener whose descriptor is not known yet.
    #[error(
        "which descriptor {name:?} has is not known before the start, because {uri} may bring several sockets: write that \
         -listen last"
    )]
    BehindSystemd {
        /// What was asked for.
        name: String,
        /// The listener before it, as typed.
        uri: String,
    },
    /// A unix path for PHP-FPM, which would be gone after the first reload (`fpm_sockets_cleanup`).
    #[error(
        "-env php-fpm cannot go with {uri}: PHP-FPM removes its unix sockets when it ends, and its successor has the same; listen on TCP"
    )]
    PhpFpmPath {
        /// The listener as typed.
        uri: String,
    },
    /// Something else than `--` after a configuration file.
    #[error(
        "{word:?} cannot follow the configuration file: flags stand before it, and a program after --"
    )]
    AfterFile {
        /// The word as typed.
        word: String,
    },
    /// `check` without a file, or with more than that.
    #[error("say which file to check, as in: socketmaster check app.toml")]
    CheckWhat,
    /// `adopt` without a process.
    #[error("-pid is missing: the process whose sockets to take over")]
    NoPid,
    /// There is nothing to run. In the original's words.
    #[error("Command path is mandatory")]
    NoCommand {
        /// The first word, if it is no flag: perhaps the program.
        word: Option<String>,
    },
    /// There is nothing to run after a verb.
    #[error("There is no program to run")]
    NoProgram,
}

impl CliError {
    /// The exit status: 1 where the original's form has nothing to run, as in the original, else 2.
    pub fn status(&self) -> u8 {
        match self {
            Self::NoCommand { .. } => 1,
            _ => 2,
        }
    }

    /// In the words of a configuration file, where flags are keys.
    pub fn in_file(&self) -> String {
        let text = self.to_string().replace(" -", " ");
        text.trim_start_matches('-').to_owned()
    }

    /// What to show after the error, in a command line of this form: where to look next, or what to type.
    pub fn hint(&self, form: Form) -> String {
        let help = match form.verb() {
            Some(verb) => format!("socketmaster {verb} -h lists the flags"),
            None => "socketmaster -h lists the flags".into(),
        };
        match self {
            Self::Undefined { nearest: None, .. } => {
                format!("{help}; the program's own flags follow --")
            }
            Self::NoCommand { word: Some(word) } => format!(
                "{}to run {word} as it is: socketmaster run -- {word}\n\
                 to pass it the socket: socketmaster -listen tcp://:8080 -command {word}",
                mistyped(word)
            ),
            Self::NoCommand { word: None } | Self::NoProgram => {
                format!("say what to run, as in: {}", form.example())
            }
            Self::CommandFlag { .. } | Self::NoPid => format!("as in: {}", form.example()),
            Self::NothingPassed { .. } | Self::MustAdopt { .. } => format!(
                "to pass it the sockets instead: {}",
                Form::Classic.example()
            ),
            Self::Argument { .. } | Self::Fd0(_) => {
                "name a listener by -listen NAME=URI, or say its number from 0".into()
            }
            _ => help,
        }
    }
}

/// The line that asks whether the program is a verb with a slip in it.
fn mistyped(word: &str) -> String {
    let verbs = Verb::ALL.map(Verb::name);
    let forms = Form::ALL.into_iter().filter_map(Form::verb);
    let all: Vec<_> = verbs.into_iter().chain(forms).chain(["demo"]).collect();
    // Not `app` for `adopt`: two letters of a short word make another one.
    let near = |verb: &&str| verb.len().abs_diff(word.len()) <= 1;
    let meant = nearest(word, &all).filter(near);
    meant.map_or_else(String::new, |verb| {
        format!("did you mean socketmaster {verb}?\n")
    })
}

/// Quotes bytes as Go's `%q` does, so that whatever was typed is one readable line.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut quoted = String::from('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\x07' => quoted.push_str("\\a"),
                '\x08' => quoted.push_str("\\b"),
                '\x0c' => quoted.push_str("\\f"),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                '\x0b' => quoted.push_str("\\v"),
                c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
                c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => quoted.push(c),
            }
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    quoted
}
