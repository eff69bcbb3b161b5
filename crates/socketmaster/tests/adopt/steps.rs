//! A program that goes step by step; see `apps/steps.py` for the words.

use std::fs;
use std::path::Path;

use testbed::{App, Setup, program, setup};

use crate::service::source;

/// The program with a file of steps; `None` without Python.
pub(crate) fn setup(app: &App) -> Option<Setup> {
    let (source, script) = (source("steps.py"), app.script());
    let args = ["-ISu", source.to_str().unwrap(), script.to_str().unwrap()];
    Some(setup!().command(program("python3")?, &args))
}

/// What one that waits for a file waits for.
pub(crate) fn go_on(path: impl AsRef<Path>) {
    fs::write(path, "").unwrap();
}
