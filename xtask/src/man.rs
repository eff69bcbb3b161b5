//! `cargo xtask man`: the man page, from `docs/socketmaster.1.in` and the flag table.

use std::process::ExitCode;

use clap_mangen::Man;
use socketmaster::cli;

use crate::error::Error;
use crate::place;

pub(crate) const HELP: &str = "\
Usage: cargo xtask man

Writes the man page to target/man/socketmaster.1.

  cargo xtask man && man -l target/man/socketmaster.1

Exit status: 0 written, 1 not.
";

const TEMPLATE: &str = include_str!("../../docs/socketmaster.1.in");

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    place::no_more(args)?;
    place::write(&place::target().join("man/socketmaster.1"), page())?;
    Ok(ExitCode::SUCCESS)
}

/// The page in roff.
pub(crate) fn page() -> String {
    TEMPLATE
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@ABOUT@", &cli::help::ABOUT.replace('-', "\\-"))
        .replace("@FLAGS@", flags().trim_end())
}

/// The flags, with the one dash of Go's flag package where clap has two.
fn flags() -> String {
    let mut page = Vec::new();
    // Into memory, where writing does not fail.
    let _ = Man::new(cli::command()).render_options_section(&mut page);
    let mut page = String::from_utf8_lossy(&page).into_owned();
    for option in cli::flags::FLAGS {
        let name = option.name.replace('-', "\\-");
        page = page.replace(&format!("\\-\\-{name}\\fR"), &format!("\\-{name}\\fR"));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn every_flag_is_in_it_with_one_dash() {
        let page = page();
        for flag in cli::flags::FLAGS {
            let name = flag.name.replace('-', "\\-");
            assert!(page.contains(&format!("\n\\fB\\-{name}\\fR")), "{name}");
        }
        assert!(page.contains("\n.BI \\-pid "), "pid");
        let words = page.split("\\-\\-").skip(1);
        assert_eq!(
            words
                .filter(|word| word.starts_with(char::is_alphabetic))
                .count(),
            0,
            "two dashes"
        );
        for place in ["@VERSION@", "@ABOUT@", "@FLAGS@"] {
            assert!(!page.contains(place), "{place}");
        }
    }

    #[test]
    fn groff_has_nothing_to_complain_of() {
        let groff = Command::new("groff")
            .args(["-man", "-Kutf8", "-Tutf8", "-ww", "-P-cbou"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut groff) = groff else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "groff is not installed"
            );
            eprintln!("NOT RUN: groff is not installed; nobody looked at the man page");
            return;
        };
        groff
            .stdin
            .take()
            .unwrap()
            .write_all(page().as_bytes())
            .unwrap();
        let output = groff.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            text.contains("EXIT STATUS") && text.contains("EXAMPLES"),
            "{text}"
        );
    }
}
