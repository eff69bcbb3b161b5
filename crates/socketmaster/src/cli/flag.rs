//! What a flag is: its name, its help, and where its value goes.

use std::ffi::OsStr;

use super::draft::Draft;
use super::values::ValueError;

/// One flag, whose value has its place in a `T`.
pub struct Flag<T = Draft> {
    /// The name, without dashes.
    pub name: &'static str,
    /// What stands for the value in the help, or the words to choose from with `|` between them; `None` is a boolean.
    /// A value all in brackets may be left out: see [`Flag::may_stand_alone`].
    pub value: Option<&'static str>,
    /// What holds where the flag is not given, as it would be typed.
    pub default: Option<&'static str>,
    /// Where `-h` shows it.
    pub group: Group,
    /// What it does: one or two sentences, without the default.
    pub help: &'static str,
    /// Checks a value and puts it in its place.
    pub set: fn(&mut T, &OsStr) -> Result<(), ValueError>,
}

impl<T> Flag<T> {
    /// Whether the flag also stands for itself, as a boolean does. The next word is its value only if it is a URI.
    pub fn may_stand_alone(&self) -> bool {
        self.value
            .is_some_and(|value| value.starts_with('[') && value.ends_with(']'))
    }
}

/// What flags stand together in the help, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The program and its surroundings.
    Program,
    /// The change from one generation to the next.
    Reload,
    /// Ends, asked for or not.
    End,
    /// The log, and the rest.
    Log,
    /// What a verb asks a supervisor that runs.
    Order,
}

impl Group {
    /// All groups, in the order of the help.
    pub const ALL: [Self; 5] = [
        Self::Program,
        Self::Reload,
        Self::End,
        Self::Log,
        Self::Order,
    ];

    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Program => "Program and sockets",
            Self::Reload => "Reload",
            Self::End => "Stop and crash",
            Self::Log => "Log and information",
            Self::Order => "Flags",
        }
    }
}
