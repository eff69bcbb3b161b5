//! `cargo xtask bench`: builds the supervisor and the bench for release, and starts the bench.

use std::process::{Command, ExitCode};

use crate::dist;
use crate::error::Error;

pub(crate) const HELP: &str = include_str!("../../crates/bench/help.txt");

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    let program = dist::build("socketmaster", "release")?;
    let bench = dist::build("bench", "measure")?;
    let status = Command::new(&bench)
        .arg("--program")
        .arg(program)
        .args(args)
        .status();
    let status = status.map_err(|source| Error::Run {
        program: bench.display().to_string(),
        source,
    })?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, Into::into))
}
