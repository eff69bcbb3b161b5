//! Where a configuration comes from that can be read again, and what is wrong with one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Config;
use crate::wire::env_file::Variables;

/// Where a configuration comes from. It is read at the start and at each reload, so a reload may bring another one.
pub trait Source: fmt::Debug {
    /// Reads it as it is now.
    ///
    /// # Errors
    /// All that is wrong with it.
    fn read(&self) -> Result<(Config, Wording), Mistakes>;

    /// Understands what was read before an upgrade, when there may be something else, or nothing, by now.
    ///
    /// # Errors
    /// All that the new program does not understand.
    fn again(&self, wording: &Wording) -> Result<Config, Mistakes>;
}

/// The flags alone never change.
impl Source for Config {
    fn read(&self) -> Result<(Config, Wording), Mistakes> {
        Ok((self.clone(), Wording::default()))
    }

    fn again(&self, _: &Wording) -> Result<Config, Mistakes> {
        Ok(self.clone())
    }
}

/// What was read, word for word; nothing where all is said by flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// The text of the configuration file.
    pub text: String,
    /// What the environment files that it names said.
    pub variables: Variables,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file as it was named.
    pub file: String,
    /// Line and column, from 1; `None` if it is no place in the file.
    pub at: Option<(usize, usize)>,
    /// What is wrong, and what to write instead.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// All that is wrong with a configuration, at least one thing, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The configuration file, as it was named: a mistake may be in a file that it names.
    pub of: String,
    /// What is wrong.
    pub all: Vec<Mistake>,
}

impl Mistakes {
    /// In one line: the first, and how to see the rest.
    #[must_use]
    pub fn in_brief(&self) -> String {
        match &*self.all {
            [] => "there is something wrong with the configuration".into(),
            [only] => only.to_string(),
            [first, rest @ ..] => {
                let more = rest.len();
                format!(
                    "{first} (and {more} more: socketmaster check {} shows all)",
                    self.of
                )
            }
        }
    }
}

impl fmt::Display for Mistakes {
    /// A line for each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.all.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            write!(f, "{newline}{mistake}")?;
        }
        Ok(())
    }
}

/// Line and column, both from 1 and the column in characters, of the byte at `offset`.
#[must_use]
pub fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters() {
        let text = "a = 1\nbé = 2\n";
        for (offset, expected) in [
            (0, (1, 1)),
            (4, (1, 5)),
            (6, (2, 1)),
            (9, (2, 3)),
            (99, (3, 1)),
        ] {
            assert_eq!(place(text, offset), expected, "{offset}");
        }
    }

    #[test]
    fn one_line_names_the_first_and_counts_the_rest() {
        let mistake = |line, what: &str| Mistake {
            file: "app.env".into(),
            at: Some((line, 1)),
            what: what.into(),
        };
        let of_app = |all| Mistakes {
            of: "app.toml".into(),
            all,
        };
        let one = of_app(vec![mistake(3, "bad")]);
        assert_eq!(one.in_brief(), "app.env:3:1: bad");
        let two = of_app(vec![mistake(3, "bad"), mistake(4, "worse")]);
        assert_eq!(
            two.in_brief(),
            "app.env:3:1: bad (and 1 more: socketmaster check app.toml shows all)"
        );
        assert_eq!(two.to_string(), "app.env:3:1: bad\napp.env:4:1: worse");
    }
}
