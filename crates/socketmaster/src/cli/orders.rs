//! The verbs for a supervisor that runs: `socketmaster reload|status|logs|scale|stop|upgrade
//! [FLAGS] [NAME]`.
//!
//! Their flags are defined as the supervisor's are, and read by the same walk; but flags may follow the name too,
//! because no program's own arguments can come there.

use std::ffi::OsString;
use std::time::Duration;

use super::flag::{Flag, Group};
use super::go;
use super::tokens::{self, End};
use super::{CliError, Invocation, help, values};
use crate::client::{Order, What};
use crate::wire::control::LogsRequest;

/// What can be asked of a supervisor that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the word of its name")]
pub enum Verb {
    Reload,
    Status,
    Logs,
    Scale,
    Stop,
    Upgrade,
}

impl Verb {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 6] = [
        Self::Reload,
        Self::Status,
        Self::Logs,
        Self::Scale,
        Self::Stop,
        Self::Upgrade,
    ];

    /// The verb that these arguments begin with, and what follows it.
    pub fn of(args: &[OsString]) -> Option<(Self, &[OsString])> {
        let (first, rest) = args.split_first()?;
        let verb = Self::ALL.into_iter().find(|verb| first == verb.name())?;
        Some((verb, rest))
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Status => "status",
            Self::Logs => "logs",
            Self::Scale => "scale",
            Self::Stop => "stop",
            Self::Upgrade => "upgrade",
        }
    }

    /// In one line.
    pub fn about(self) -> &'static str {
        match self {
            Self::Reload => "Start the program anew and say how it went",
            Self::Status => "Show sockets, processes and the last reload",
            Self::Logs => "Show the last lines of the log, and those to come",
            Self::Scale => "Run more workers, or fewer",
            Self::Stop => "Ask all to finish their work and end",
            Self::Upgrade => "Replace socketmaster itself and keep all",
        }
    }

    /// Its flags, in the order of the help.
    pub fn flags(self) -> &'static [&'static Flag<OrderDraft>] {
        match self {
            Self::Reload => &[&WAIT_DRAINED, &IF_GENERATION, &TIMEOUT],
            Self::Status => &[&JSON],
            Self::Logs => &[&FOLLOW, &F, &LINES, &N],
            Self::Scale => &[],
            Self::Stop => &[&TIMEOUT],
            Self::Upgrade => &[&UPGRADE_TIMEOUT],
        }
    }
}

/// What the flags have said so far.
#[derive(Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is the value of the flag of its name"
)]
pub struct OrderDraft {
    pub wait_drained: bool,
    pub if_generation: Option<u64>,
    pub timeout: Option<Duration>,
    pub json: bool,
    pub follow: bool,
    pub lines: Option<usize>,
}

const WAIT_DRAINED: Flag<OrderDraft> = Flag {
    name: "wait-drained",
    value: None,
    default: None,
    group: Group::Order,
    help: "Wait until the old ones have ended, too.",
    set: |draft, value| {
        draft.wait_drained = go::boolean(value)?;
        Ok(())
    },
};

const IF_GENERATION: Flag<OrderDraft> = Flag {
    name: "if-generation",
    value: Some("N"),
    default: None,
    group: Group::Order,
    help: "Reload only if generation N serves now: of two who deploy at once, the second hears that it came too late.",
    set: |draft, value| {
        draft.if_generation = Some(values::count(value)?);
        Ok(())
    },
};

const TIMEOUT: Flag<OrderDraft> = Flag {
    name: "timeout",
    value: Some("DURATION"),
    default: None,
    group: Group::Order,
    help: "Wait no longer than this. What was asked for goes on by itself.",
    set: set_timeout,
};

const UPGRADE_TIMEOUT: Flag<OrderDraft> = Flag {
    default: Some("15s"),
    ..TIMEOUT
};

const JSON: Flag<OrderDraft> = Flag {
    name: "json",
    value: None,
    default: None,
    group: Group::Order,
    help: "One JSON object a line for each instance.",
    set: |draft, value| {
        draft.json = go::boolean(value)?;
        Ok(())
    },
};

const FOLLOW: Flag<OrderDraft> = Flag {
    name: "follow",
    value: None,
    default: None,
    group: Group::Order,
    help: "Go on with the lines to come, until this is interrupted or the supervisor ends.",
    set: |draft, value| {
        draft.follow = go::boolean(value)?;
        Ok(())
    },
};

const F: Flag<OrderDraft> = Flag {
    name: "f",
    help: "The same as -follow.",
    ..FOLLOW
};

/// The default is not the table's to set: it would undo `-n`.
const LINES: Flag<OrderDraft> = Flag {
    name: "lines",
    value: Some("N"),
    default: None,
    group: Group::Order,
    help: "Begin with the last N lines; some 50 KB of the log are kept for that. (default 50)",
    set: |draft, value| {
        draft.lines = Some(usize::try_from(values::count(value)?).unwrap_or(usize::MAX));
        Ok(())
    },
};

const N: Flag<OrderDraft> = Flag {
    name: "n",
    help: "The same as -lines N.",
    ..LINES
};

fn set_timeout(draft: &mut OrderDraft, value: &std::ffi::OsStr) -> Result<(), values::ValueError> {
    draft.timeout = Some(values::some_time(value)?);
    Ok(())
}

/// Reads what follows the verb.
pub fn parse(verb: Verb, args: &[OsString]) -> Result<Invocation, CliError> {
    let mut draft = OrderDraft::default();
    let (mut given, mut workers, mut name, mut rest) = (Vec::new(), None, None, args);
    loop {
        rest = match tokens::walk(verb.flags(), rest, &mut draft, &mut given)? {
            End::Help => return Ok(Invocation::Help(help::of_verb(verb))),
            End::Words(words) => words,
        };
        let Some((word, after)) = rest.split_first() else {
            break;
        };
        if verb == Verb::Scale && workers.is_none() {
            let number = values::workers(word).map_err(|_| CliError::Workers)?;
            (workers, rest) = (Some(number), after);
            continue;
        }
        let word = word.to_string_lossy().into_owned();
        if name.is_some() {
            return Err(CliError::SecondName { word });
        }
        (name, rest) = (Some(word), after);
    }
    for flag in verb.flags().iter().filter(|f| !given.contains(&f.name)) {
        if let Some(default) = flag.default {
            tokens::set(flag, &mut draft, default.as_ref())?;
        }
    }
    let timeout = draft.timeout;
    let what = match verb {
        Verb::Reload => What::Reload {
            wait_drained: draft.wait_drained,
            if_generation: draft.if_generation,
            timeout,
        },
        Verb::Status => What::Status { json: draft.json },
        Verb::Logs => What::Logs {
            lines: draft.lines.unwrap_or(LogsRequest::default().lines),
            follow: draft.follow,
        },
        Verb::Scale => What::Scale {
            workers: workers.ok_or(CliError::NoWorkers)?,
        },
        Verb::Stop => What::Stop { timeout },
        Verb::Upgrade => What::Upgrade { timeout },
    };
    let name = name.filter(|name| !name.is_empty());
    Ok(Invocation::Order(Order { name, what }))
}
