//! The flag table in clap's words, for the generators of the man page and the shell completions.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::flags::{FLAGS, Flag};
use super::help;

/// Describes the command line. clap never parses it; see `flags`.
pub fn command() -> Command {
    Command::new("socketmaster")
        .about(help::ABOUT)
        .version(env!("CARGO_PKG_VERSION"))
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(FLAGS.iter().map(describe))
        .arg(
            Arg::new("args")
                .value_name("ARGS")
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .help("The program's own arguments"),
        )
        .subcommand(Command::new("demo").about("Show a reload without loss"))
}

fn describe(flag: &Flag) -> Arg {
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
    } else {
        arg.value_name(value).allow_hyphen_values(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong() {
        command().debug_assert();
        assert_eq!(command().get_opts().count(), FLAGS.len());
    }
}
