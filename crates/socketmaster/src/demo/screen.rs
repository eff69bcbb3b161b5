//! What the demonstration shows: a line per event, and on a terminal a live line below them.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

/// The terminal, or whatever standard output is.
#[derive(Debug)]
pub(super) struct Screen {
    live: bool,
    colour: bool,
}

/// How an event is marked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mark {
    Plain,
    Good,
    Bad,
}

impl Screen {
    pub(super) fn new() -> Self {
        let live = stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let colour = live && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { live, colour }
    }

    pub(super) fn event(&self, at: Duration, mark: Mark, text: &str) {
        let (sign, code) = match mark {
            Mark::Plain => ("·", "0"),
            Mark::Good => ("✓", "32"),
            Mark::Bad => ("✗", "31"),
        };
        let sign = if self.colour {
            format!("\x1b[{code}m{sign}\x1b[0m")
        } else {
            sign.to_owned()
        };
        self.line(&format!("{:5.1} s  {sign} {text}", at.as_secs_f64()));
    }

    pub(super) fn line(&self, text: &str) {
        let clear = if self.live { "\r\x1b[K" } else { "" };
        // If nobody looks any more there is nothing to do about it.
        let _ = writeln!(stdout(), "{clear}{text}");
    }

    /// The line that changes in place; nothing where lines stay.
    pub(super) fn live(&self, text: &str) {
        if self.live {
            let mut out = stdout();
            let _ = write!(out, "\r\x1b[K         {text}");
            let _ = out.flush();
        }
    }
}
