//! `cargo xtask completions`: what a shell knows of the flags.
//!
//! clap's generators write `--flag`. socketmaster's flags have one dash, as Go's have (two work as well), so what they
//! write is changed here, and a change that finds nothing to change is an error.

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap_complete::Shell;
use socketmaster::cli;
use socketmaster::cli::flags::{FLAGS, PID};
use socketmaster::cli::{Form, Verb};

use crate::error::Error;
use crate::place;

pub(crate) const HELP: &str = "\
Usage: cargo xtask completions

Writes completions for bash, zsh and fish to target/completions.

  cargo xtask completions && . target/completions/socketmaster.bash

Exit status: 0 written, 1 not.
";

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    place::no_more(args)?;
    let directory = place::target().join("completions");
    for (name, text) in all()? {
        place::write(&directory.join(name), text)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The completions by the names that the shells look for.
pub(crate) fn all() -> Result<[(&'static str, String); 3], Error> {
    Ok([
        ("socketmaster.bash", bash()?),
        ("_socketmaster", zsh()?),
        ("socketmaster.fish", fish()?),
    ])
}

/// The name of every flag of any form and any verb, once, and whether it has a value.
fn flags() -> impl Iterator<Item = (&'static str, bool)> {
    let of_forms = FLAGS.iter().chain([&PID]);
    let of_forms = of_forms.map(|flag| (flag.name, flag.value.is_some()));
    of_forms.chain(flags_of_verbs())
}

/// The same of the verbs alone.
fn flags_of_verbs() -> impl Iterator<Item = (&'static str, bool)> {
    let all = Verb::ALL.into_iter().flat_map(Verb::flags);
    let all = all.map(|flag| (flag.name, flag.value.is_some()));
    all.collect::<BTreeSet<_>>().into_iter()
}

/// What may stand as the first word.
fn verbs() -> impl Iterator<Item = &'static str> {
    let forms = Form::ALL.into_iter().filter_map(Form::verb);
    forms
        .chain(Verb::ALL.map(Verb::name))
        .chain(["check", "demo"])
}

/// A value is completed after both forms of its flag.
fn bash() -> Result<String, Error> {
    let mut text = generate(Shell::Bash);
    // So that a blank follows every flag, the last of them too.
    change(
        "bash",
        &mut text,
        "\"\n            if [[",
        " \"\n            if [[",
    )?;
    for (name, has_value) in flags() {
        if has_value {
            change(
                "bash",
                &mut text,
                &format!(" --{name})\n"),
                &format!(" -{name} | --{name})\n"),
            )?;
        }
        change(
            "bash",
            &mut text,
            &format!("--{name} "),
            &format!("-{name} "),
        )?;
    }
    for word in ["run", "adopt", "check"] {
        complete_files(word, &mut text)?;
    }
    Ok(text)
}

/// A word after this one that is no flag is a file: where nothing is offered, bash completes files by itself. As
/// generated, the flags alone were offered for an empty word.
fn complete_files(word: &str, text: &mut String) -> Result<(), Error> {
    let start = format!("_subcmd__{word})\n            opts=");
    let end = ";;\n        socketmaster";
    let parts = text
        .split_once(&start)
        .and_then(|(before, rest)| Some((before, rest.split_once(end)?)));
    let (before, (block, after)) = parts.ok_or_else(|| Error::Patch {
        shell: "bash",
        missing: start.clone(),
    })?;
    let mut block = block.to_owned();
    change("bash", &mut block, " || ${COMP_CWORD} -eq 2", "")?;
    change(
        "bash",
        &mut block,
        "\n            COMPREPLY=( $(compgen -W \"${opts}\" -- \"${cur}\") )",
        "\n            COMPREPLY=()",
    )?;
    *text = format!("{before}{start}{block}{end}{after}");
    Ok(())
}

/// Without `-s`, by which `-listen` would be `-l`, `-i`, …. Where a verb can stand, so can a word of the program, and
/// those that follow it are files for all that is known.
fn zsh() -> Result<String, Error> {
    let mut text = generate(Shell::Zsh);
    for (name, has_value) in flags() {
        let end = if has_value { "=[" } else { "[" };
        change(
            "zsh",
            &mut text,
            &format!("'--{name}{end}"),
            &format!("'-{name}{end}"),
        )?;
    }
    change("zsh", &mut text, "=(-s ", "=(")?;
    let (verb, verb_or_word) = (
        "\":: :_socketmaster_commands\"",
        "\":: :{_socketmaster_commands; _files}\"",
    );
    change("zsh", &mut text, verb, verb_or_word)?;
    let (end, default) = (
        ";;\n        esac\n",
        ";;\n(*)\n_files && ret=0\n;;\n        esac\n",
    );
    change("zsh", &mut text, end, default)?;
    // The program of run may be a configuration file as well.
    let (program, program_or_file) = (
        ":_cmdambivalent'",
        ":{_files -g \"*.toml\"; _cmdambivalent}'",
    );
    change("zsh", &mut text, program, program_or_file)?;
    Ok(text)
}

/// fish calls a word behind one dash an old-style option. Its own reader of what was typed before does not know them,
/// so what was asked of it goes: flags are offered anywhere and need not be told again for each verb, but for those
/// that verbs alone have; the verbs are offered as the first word.
fn fish() -> Result<String, Error> {
    const FIRST: &str = "-n \"__fish_socketmaster_needs_command\"";
    let text = generate(Shell::Fish);
    let own: Vec<_> = flags_of_verbs()
        .map(|(name, _)| name)
        .chain([PID.name])
        .map(|name| format!("-l {name} "))
        .collect();
    let entries = text.split("complete -c").skip(1).filter(|entry| {
        !entry.contains("_using_subcommand") || own.iter().any(|flag| entry.contains(flag))
    });
    let mut text: String = entries.map(|entry| format!("complete -c{entry}")).collect();
    for verb in verbs() {
        change(
            "fish",
            &mut text,
            &format!("{FIRST} -f -a \"{verb}\""),
            &format!("-n __fish_is_first_token -a {verb}"),
        )?;
    }
    change("fish", &mut text, &format!(" {FIRST}"), "")?;
    change(
        "fish",
        &mut text,
        "__fish_socketmaster_using_subcommand",
        "__fish_seen_subcommand_from",
    )?;
    for (name, _) in flags() {
        change(
            "fish",
            &mut text,
            &format!(" -l {name} "),
            &format!(" -o {name} "),
        )?;
    }
    Ok(text)
}

fn generate(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "socketmaster", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn change(shell: &'static str, text: &mut String, from: &str, to: &str) -> Result<(), Error> {
    if !text.contains(from) {
        return Err(Error::Patch {
            shell,
            missing: from.into(),
        });
    }
    *text = text.replace(from, to);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What bash offers for the last of these words.
    fn offered(words: &[&str]) -> Vec<String> {
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let typed = words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" ");
        let script = format!(
            "{}\nCOMP_WORDS=({typed}); COMP_CWORD={}; _socketmaster socketmaster '{last}' '{before}'\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            bash().unwrap(),
            words.len() - 1
        );
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn bash_completes_flags_with_one_dash() {
        assert_eq!(offered(&["socketmaster", "-li"]), ["-listen"]);
        let all = offered(&["socketmaster", "-"]);
        assert_eq!(all.len(), FLAGS.len());
        assert!(all.iter().all(|flag| !flag.starts_with("--")), "{all:?}");
        let flags = |words: &[&str]| offered(&[&["socketmaster"][..], words].concat());
        assert_eq!(flags(&["run", "-adopt", "-c"]), [""]);
        assert_eq!(flags(&["adopt", "-pi"]), ["-pid"]);
        assert_eq!(flags(&["run", "-pi"]), [""]);
        assert_eq!(flags(&["reload", "-wait"]), ["-wait-drained"]);
        assert_eq!(flags(&["status", "-"]).len(), 1);
        assert_eq!(flags(&["run", "-vers"]), ["-version"]);
    }

    #[test]
    fn bash_leaves_words_that_are_no_flags_to_its_own_completion_of_files() {
        for words in [
            &["run", ""][..],
            &["run", "sh"],
            &["run", "-workers", "2", ""],
            &["adopt", "-pid", "7", ""],
            &["check", ""],
            &["check", "sh"],
        ] {
            let words = [&["socketmaster"][..], words].concat();
            assert_eq!(offered(&words), [""], "{words:?}");
        }
    }

    #[test]
    fn bash_completes_verbs() {
        let bare = offered(&["socketmaster", ""]);
        for verb in verbs() {
            assert!(bare.iter().any(|word| word == verb), "{verb}: {bare:?}");
        }
        assert_eq!(offered(&["socketmaster", "ad"]), ["adopt"]);
    }

    #[test]
    fn bash_completes_values_after_either_form() {
        for flag in ["-restart", "--restart"] {
            assert_eq!(offered(&["socketmaster", flag, "o"]), ["on-failure"]);
        }
        assert_eq!(
            offered(&["socketmaster", "-syslog", "-log-format", "j"]),
            ["json"]
        );
    }

    /// `-f` forbids files: without a condition, after every word.
    #[test]
    fn fish_forbids_files_only_where_a_verb_or_a_value_must_stand() {
        let text = fish().unwrap();
        let entries = text.lines().filter(|line| line.contains(" -f -a "));
        for entry in entries.filter(|entry| !entry.contains(" -r -f")) {
            assert!(entry.contains("__fish_is_first_token"), "{entry}");
        }
    }

    #[test]
    fn no_shell_is_told_of_two_dashes() {
        for (name, text) in all().unwrap() {
            for (flag, _) in flags() {
                let two = format!("--{flag}");
                let cases = format!(" -{flag} | {two})");
                let text = text.replace(&cases, "");
                // The name of another flag may begin with this one's.
                let goes_on = |c: char| c.is_ascii_alphanumeric() || c == '-';
                let mut told = text
                    .split(&two)
                    .skip(1)
                    .filter(|rest| !rest.starts_with(goes_on));
                assert_eq!(told.next(), None, "{name}: {two}");
            }
        }
    }
}
