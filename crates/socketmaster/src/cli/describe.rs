//! The flag table in clap's words, for the generators of the man page and the shell completions.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};

use super::flag::Flag;
use super::form::Form;
use super::help;
use super::orders::Verb;

/// Describes the command line. clap never parses it; see `flags`. The words after the flags of the classic form are
/// left out: to clap they would stand where the verbs do.
pub fn command() -> Command {
    let program = Arg::new("program")
        .value_name("PROGRAM")
        .value_hint(ValueHint::CommandWithArguments)
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .help("The program and its own arguments");
    let run = Command::new("run")
        .about("Start a program that opens its sockets itself")
        .args(Form::Run.flags().map(describe))
        .arg(program.clone());
    let adopt = Command::new("adopt")
        .about("The same, in the place of a process that runs now")
        .args(Form::Adopt.flags().map(describe))
        .arg(program);
    let verbs = Verb::ALL.map(|verb| {
        Command::new(verb.name())
            .about(verb.about())
            .args(verb.flags().iter().map(|flag| describe(flag)))
            .arg(Arg::new("name").value_name("NAME").help("The instance"))
    });
    Command::new("socketmaster")
        .about(help::ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(Form::Classic.flags().map(describe))
        .subcommand(run)
        .subcommand(adopt)
        .subcommands(verbs)
        .subcommand(
            Command::new("check")
                .about("Say what is wrong with a configuration file")
                .arg(
                    Arg::new("file")
                        .value_name("FILE")
                        .value_hint(ValueHint::FilePath),
                ),
        )
        .subcommand(Command::new("demo").about("Show reloads without loss"))
}

fn describe<T>(flag: &Flag<T>) -> Arg {
    let arg = Arg::new(flag.name)
        .long(flag.name)
        .help(flag.help)
        .help_heading(flag.group.title());
    let Some(value) = flag.value else {
        return arg.action(ArgAction::SetTrue);
    };
    let arg = match flag.default {
        Some(default) => arg.default_value(default),
        None => arg,
    };
    if value.contains('|') {
        arg.value_parser(PossibleValuesParser::new(value.split('|')))
    } else if flag.may_stand_alone() {
        arg.value_name(value.trim_matches(['[', ']']))
            .num_args(0..=1)
    } else {
        arg.value_name(value).allow_hyphen_values(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::FLAGS;
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong() {
        command().debug_assert();
        assert_eq!(command().get_opts().count(), FLAGS.len());
    }
}
