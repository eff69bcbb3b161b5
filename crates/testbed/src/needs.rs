//! What a test needs from the machine, and what it does where that is missing.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

/// Says past the capture of output what could not be tested here.
///
/// # Panics
/// Under `CI=true`, where everything must be.
pub fn cannot_run(what: &str) {
    assert!(
        env::var_os("CI").is_none_or(|ci| ci != "true"),
        "{what}, and CI=true"
    );
    let _ = writeln!(io::stderr(), "not run: {what}");
}

/// Whether this test may become other users; says so if not.
#[must_use]
pub fn is_root() -> bool {
    let is = rustix::process::getuid().is_root();
    if !is {
        cannot_run("it takes root");
    }
    is
}

/// The program as the distribution has it, else by PATH, where a wrapper of a version manager may come first; says so
/// if there is none.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Servers stand in sbin, which an ordinary user's PATH does not have.
    let found = ["/usr/bin", "/usr/sbin"].into_iter().map(PathBuf::from);
    let found = found
        .chain(env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    if found.is_none() {
        cannot_run(&format!("{name} is not installed"));
    }
    found
}
