//! The bench: what the supervisor costs, as figures with the targets they must reach.
//!
//! Ratios are taken within one run, and what is compared takes turns, because no two runs find the machine alike. The
//! same executable is also the app behind the supervisor and the programs that it is compared with (`role`). Start it
//! by `cargo xtask bench`, which builds it and the supervisor for release.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench lives in real time, and a measurement that cannot go on has failed"
)]

mod adopted;
mod calls;
mod clients;
mod connections;
mod control;
mod figure;
mod growth;
mod http;
mod idle;
mod logs;
mod nginx;
mod options;
mod process;
mod reload;
mod report;
mod role;
mod status;
mod subject;
mod workers;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use figure::{Figure, Table};
use options::Options;
use subject::Subject;

/// What one measurement takes and gives.
type Measure = fn(&Subject, &Options) -> Vec<Figure>;

const MEASURES: &[(&str, Measure)] = &[
    ("reload", reload::measure),
    ("connections", connections::measure),
    ("logs", logs::measure),
    ("idle", idle::measure),
    ("growth", growth::measure),
    ("calls", calls::measure),
    ("nginx", nginx::measure),
    ("adopted", adopted::measure),
    ("status", status::measure),
    ("control", control::measure),
    ("workers", workers::measure),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Some((role::WORD, rest)) = args.split_first().map(|(word, rest)| (word.as_str(), rest)) {
        return role::main(rest);
    }
    let options = match Options::parse(&args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{}", options::HELP);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("bench: {error}\n\n{}", options::HELP);
            return ExitCode::from(2);
        }
    };
    let mut table = Table::default();
    let mut whole = true;
    for (name, measure) in MEASURES.iter().filter(|(name, _)| options.wants(name)) {
        eprintln!("measuring {name} …");
        whole &= run(name, *measure, &options, &mut table);
    }
    print!("{table}");
    if let Some(path) = &options.json
        && let Err(error) = std::fs::write(path, table.to_json())
    {
        eprintln!("bench: cannot write {}: {error}", path.display());
        whole = false;
    }
    if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Measures ours and the original. A measurement that fails has said why, and the others go on.
fn run(name: &str, measure: Measure, options: &Options, table: &mut Table) -> bool {
    let figures = |subject: &Subject| catch_unwind(AssertUnwindSafe(|| measure(subject, options)));
    let Ok(ours) = figures(&Subject::ours(&options.program)) else {
        eprintln!("bench: {name} could not be measured");
        return false;
    };
    let Some(original) = &options.against else {
        table.add(ours, &[]);
        return true;
    };
    let theirs = figures(&Subject::original(original));
    if theirs.is_err() {
        eprintln!("bench: {name} could not be measured with the original");
    }
    table.add(ours, theirs.as_deref().unwrap_or_default());
    theirs.is_ok()
}
