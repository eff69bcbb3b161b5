//! `cargo xtask man`: the manual pages, from `docs/*.in` and the flag table.

mod keys;

use std::process::ExitCode;

use clap_mangen::Man;
use socketmaster::cli;

use crate::error::Error;
use crate::place;

pub(crate) const HELP: &str = "\
Usage: cargo xtask man

Writes the manual pages to target/man: socketmaster.1, and socketmaster.toml.5
for the configuration file.

  cargo xtask man && man -l target/man/socketmaster.1

Exit status: 0 written, 1 not.
";

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    place::no_more(args)?;
    for (name, page) in pages() {
        place::write(&place::target().join("man").join(name), page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages in roff, by their names.
pub(crate) fn pages() -> [(&'static str, String); 2] {
    let program = include_str!("../../../docs/socketmaster.1.in");
    let file = include_str!("../../../docs/socketmaster.toml.5.in");
    [
        (
            "socketmaster.1",
            filled(program).replace("@FLAGS@", flags().trim_end()),
        ),
        (
            "socketmaster.toml.5",
            filled(file).replace("@KEYS@", keys::section().trim_end()),
        ),
    ]
}

fn filled(template: &str) -> String {
    template
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@ABOUT@", &cli::help::ABOUT.replace('-', "\\-"))
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
    use std::process::{Command, Output, Stdio};

    use socketmaster::cli::{Form, Verb};

    use super::*;

    fn page(number: usize) -> String {
        let [program, file] = pages().map(|(_, page)| page);
        if number == 1 { program } else { file }
    }

    #[test]
    fn every_flag_is_in_it_with_one_dash() {
        let page = page(1);
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
    fn every_verb_is_in_it_with_its_flags() {
        let page = page(1);
        let verbs = page.split(".SH ").find(|part| part.starts_with("VERBS"));
        let verbs = verbs.unwrap().split(".TP").skip(1);
        let verbs: Vec<_> = verbs.collect();
        for verb in Verb::ALL {
            let start = format!("\n.B {}", verb.name());
            let other = format!("\n.BI {}", verb.name());
            let entry = verbs
                .iter()
                .find(|entry| entry.starts_with(&start) || entry.starts_with(&other))
                .unwrap_or_else(|| panic!("{}", verb.name()));
            for flag in verb.flags() {
                let name = format!("\\-{}", flag.name.replace('-', "\\-"));
                assert!(entry.contains(&name), "{} {name}", verb.name());
            }
        }
        for form in Form::ALL.into_iter().filter_map(Form::verb) {
            assert!(
                page.contains(&format!("\n.B socketmaster {form}")),
                "{form}"
            );
        }
    }

    #[test]
    fn every_key_is_in_that_of_the_file_and_no_flag() {
        let page = page(5);
        for (key, _) in cli::file::keys::of_flags() {
            assert!(page.contains(&format!(".TP\n\\fB{key}\\fR = ")), "{key}");
        }
        for key in cli::file::keys::OWN {
            assert!(
                page.contains(&format!(".TP\n.BR {key} "))
                    || page.contains(&format!(".TP\n.BR [{key}]")),
                "{key}"
            );
        }
        let (_, section) = page.split_once("@KEYS@").unwrap_or(("", ""));
        assert_eq!(section, "");
        for word in ["flag", "epeat", " \\-"] {
            assert!(!keys::section().contains(word), "{word}");
        }
    }

    /// What a program says of a page; `None` where it is not installed.
    fn read_by(program: &str, args: &[&str], page: &str) -> Option<Output> {
        let reader = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut reader) = reader else {
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{program} is not installed"
            );
            eprintln!("NOT RUN: {program} is not installed; nobody looked at the manual pages");
            return None;
        };
        let mut input = reader.stdin.take().unwrap();
        input.write_all(page.as_bytes()).unwrap();
        drop(input);
        Some(reader.wait_with_output().unwrap())
    }

    #[test]
    fn groff_has_nothing_to_complain_of() {
        for (name, page) in pages() {
            let args = ["-man", "-Kutf8", "-Tutf8", "-ww", "-P-cbou", "-rLL=80n"];
            let Some(output) = read_by("groff", &args, &page) else {
                return;
            };
            assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{name}");
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(text.contains("EXAMPLES"), "{text}");
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }
}
