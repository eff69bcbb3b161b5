//! The project's own commands. `cargo xtask` lists them.

mod bench;
mod clock;
mod completions;
mod dist;
mod error;
mod man;
mod needs;
mod place;
mod progress;
mod step;
mod test;

use std::process::ExitCode;

use error::Error;

const HELP: &str = "\
Usage: cargo xtask COMMAND [OPTIONS]

  test          Check everything: format, lints, documentation, all tests
  bench         Measure what the supervisor costs
  man           Write the manual pages to target/man
  completions   Write the shell completions to target/completions
  dist          Write all that a package holds to target/dist

  cargo xtask test --help       # what a command can do

Exit status: 0 done, 1 something failed, 2 wrong usage.
";

type Run = fn(&[String]) -> Result<ExitCode, Error>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match args.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &args[..]),
    };
    let (run, help): (Run, &str) = match command {
        "test" => (test::main, test::HELP),
        "bench" => (bench::main, bench::HELP),
        "man" => (man::main, man::HELP),
        "completions" => (completions::main, completions::HELP),
        "dist" => (dist::main, dist::HELP),
        "help" | "-h" | "--help" => (|_| Ok(ExitCode::SUCCESS), HELP),
        unknown => {
            eprintln!("There is no command `{unknown}`.\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if help == HELP || rest.iter().any(|word| word == "-h" || word == "--help") {
        print!("{help}");
        return ExitCode::SUCCESS;
    }
    run(rest).unwrap_or_else(|error| {
        eprintln!("cargo xtask {command}: {error}");
        ExitCode::from(error.status())
    })
}
