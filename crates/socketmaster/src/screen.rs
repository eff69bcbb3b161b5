//! Standard output for people: lines, and on a terminal a live line below them.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

/// The terminal, or whatever standard output is.
#[derive(Debug)]
pub struct Screen {
    live: bool,
    colour: bool,
}

/// How an event is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it is.
    Plain,
    /// As it should be.
    Good,
    /// As it should not.
    Bad,
}

impl Default for Screen {
    fn default() -> Self {
        Self::new()
    }
}

impl Screen {
    /// Live on a terminal that can (`TERM` is not `dumb`), coloured unless `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub fn new() -> Self {
        let live = stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { live, colour }
    }

    /// Whether there is a live line.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// The sign of a mark.
    #[must_use]
    pub fn sign(&self, mark: Mark) -> String {
        let (sign, code) = match mark {
            Mark::Plain => ("·", "0"),
            Mark::Good => ("✓", "32"),
            Mark::Bad => ("✗", "31"),
        };
        self.paint(code, sign)
    }

    /// A text of less weight.
    #[must_use]
    pub fn faint(&self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A line with a mark on a terminal; elsewhere the text alone.
    pub fn marked(&self, mark: Mark, text: &str) {
        if self.live {
            self.line(&format!("{} {text}", self.sign(mark)));
        } else {
            self.line(text);
        }
    }

    /// Something that happened at this time.
    pub fn event(&self, at: Duration, mark: Mark, text: &str) {
        self.line(&format!(
            "{:5.1} s  {} {text}",
            at.as_secs_f64(),
            self.sign(mark)
        ));
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        self.clear();
        // If nobody looks any more there is nothing to do about it.
        let _ = writeln!(stdout(), "{text}");
    }

    /// The line that changes in place; nothing where lines stay. It does not wrap (DECAWM), or it could not be taken
    /// back on a narrow terminal.
    pub fn live(&self, text: &str) {
        if self.live {
            let mut out = stdout();
            let _ = write!(out, "\r\x1b[K\x1b[?7l{text}\x1b[?7h");
            let _ = out.flush();
        }
    }

    /// Takes the live line back.
    pub fn clear(&self) {
        if self.live {
            let mut out = stdout();
            let _ = write!(out, "\r\x1b[K");
            let _ = out.flush();
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
