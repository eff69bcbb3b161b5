//! Standard error, for what is said before and after there is a log.

use std::fmt::Display;
use std::io::Write;

/// Writes a line. That nobody can read it must not change how we end, and `eprintln!` would panic.
pub fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
