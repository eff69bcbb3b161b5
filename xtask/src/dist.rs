//! `cargo xtask dist`: what a package holds.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::error::Error;
use crate::{completions, man, place, step};

pub(crate) const HELP: &str = "\
Usage: cargo xtask dist

Writes the program, its manual pages and its completions to target/dist, laid out
as below /usr.

  cargo xtask dist && sudo cp -r target/dist/. /usr/local

Exit status: 0 written, 1 not.
";

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    place::no_more(args)?;
    let program = build("socketmaster", "release")?;
    let usr = place::target().join("dist");
    for (name, page) in man::pages() {
        let (_, section) = name.rsplit_once('.').unwrap_or((name, "1"));
        let directory = format!("share/man/man{section}");
        place::write(&usr.join(directory).join(name), page)?;
    }
    for (name, text) in completions::all()? {
        let directory = match name {
            "socketmaster.bash" => "bash-completion/completions",
            "_socketmaster" => "zsh/site-functions",
            _ => "fish/vendor_completions.d",
        };
        let name = name.trim_end_matches(".bash");
        place::write(&usr.join("share").join(directory).join(name), text)?;
    }
    let path = usr.join("bin/socketmaster");
    let copied = fs::create_dir_all(usr.join("bin")).and_then(|()| fs::copy(program, &path));
    copied.map_err(|source| Error::Write {
        path: path.clone(),
        source,
    })?;
    println!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Builds the program of a package; its path.
pub(crate) fn build(package: &str, profile: &str) -> Result<PathBuf, Error> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo
        .args(["build", "--profile", profile, "--package", package])
        .current_dir(place::root());
    if !step::run(&mut cargo, true)?.success {
        return Err(Error::Failed {
            program: "cargo build".into(),
        });
    }
    Ok(place::target().join(profile).join(package))
}
