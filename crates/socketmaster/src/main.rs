//! `socketmaster`: see the library's documentation, or `socketmaster -h`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use socketmaster::cli::{self, ConfigFile, Invocation};
use socketmaster::config::source::Source;
use socketmaster::sys::stderr;
use socketmaster::{client, daemon, demo, forwarder, launcher};

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let name = if args.is_empty() {
        OsString::new()
    } else {
        args.remove(0)
    };
    match name.to_str() {
        Some(launcher::NAME) => launcher::main(&args),
        Some(forwarder::NAME) => forwarder::main(&args),
        Some(daemon::PREFLIGHT) => preflight(&args),
        _ if Path::new(&name).ends_with(demo::app::NAME) => demo::app::main(Path::new(&name)),
        _ => supervise(&args),
    }
}

fn supervise(args: &[OsString]) -> ExitCode {
    match cli::parse(args) {
        Ok(Invocation::Run(config)) => daemon::run(config).into(),
        Ok(Invocation::RunFile(file)) => daemon::run(Box::new(file)).into(),
        Ok(Invocation::Check(file)) => check(&file),
        Ok(Invocation::Order(order)) => client::run(&order).into(),
        Ok(Invocation::Demo) => demo::run().into(),
        Ok(Invocation::Version(text)) => {
            if write!(io::stdout(), "{text}").is_err() {
                return ExitCode::FAILURE;
            }
            ExitCode::SUCCESS
        }
        // On standard error, as the original has it.
        Ok(Invocation::Help(text)) => {
            stderr::say(text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            stderr::say(format_args!("{error}\n{}", cli::hint(&error, args)));
            error.status().into()
        }
    }
}

/// Says what is wrong with a configuration file.
fn check(file: &ConfigFile) -> ExitCode {
    let wrong: Vec<String> = match file.read() {
        Err(mistakes) => mistakes.all.iter().map(ToString::to_string).collect(),
        Ok((config, _)) => {
            let wrong = daemon::rehearse(&config);
            let named = |what| format!("{}: {what}", file.shown());
            wrong.into_iter().map(named).collect()
        }
    };
    if wrong.is_empty() {
        let _ = writeln!(io::stdout(), "{}: nothing is wrong", file.shown());
        return ExitCode::SUCCESS;
    }
    for mistake in wrong {
        stderr::say(mistake);
    }
    ExitCode::FAILURE
}

/// Answers a running supervisor that is to be upgraded to this program.
fn preflight(args: &[OsString]) -> ExitCode {
    let answer = match cli::parse(args) {
        Ok(Invocation::Run(config)) => daemon::preflight(&*config),
        Ok(Invocation::RunFile(file)) => daemon::preflight(&file),
        Ok(_) => Err("these flags do not start a supervisor".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    match answer {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            stderr::say(why);
            ExitCode::FAILURE
        }
    }
}
