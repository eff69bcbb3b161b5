//! One line per step: what ran, how it ended, how long it took.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

use crate::clock;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Ok,
    Failed,
    NotRun,
}

/// The lines printed so far belong to this; colours and the line of what runs now are for terminals only.
pub(crate) struct Progress {
    terminal: bool,
    colour: bool,
    begun: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let terminal =
            stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            terminal,
            colour: terminal && !set("NO_COLOR"),
            begun: clock::now(),
        }
    }

    /// Says what runs now.
    pub(crate) fn begin(&self, name: &str) {
        if self.terminal {
            print!("        {name} …");
            let _ = stdout().flush();
        }
    }

    /// Says how it ended.
    pub(crate) fn end(&self, mark: Mark, name: &str, took: Duration, note: &str) {
        let (colour, word) = match mark {
            Mark::Ok => ("32", "ok"),
            Mark::Failed => ("31", "FAILED"),
            Mark::NotRun => ("33", "NOT RUN"),
        };
        let word = if self.colour {
            format!("\x1b[{colour}m{word:8}\x1b[m")
        } else {
            format!("{word:8}")
        };
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        println!(
            "{clear}{}",
            format!("{word}{name:34}{:7.1} s  {note}", took.as_secs_f64()).trim_end()
        );
    }

    /// Since the beginning.
    pub(crate) fn took(&self) -> Duration {
        self.begun.elapsed()
    }
}
