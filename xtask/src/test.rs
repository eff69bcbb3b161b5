//! `cargo xtask test`: everything that must hold before a change is a good one.

use std::env;
use std::process::{Command, ExitCode};

use crate::clock;
use crate::error::Error;
use crate::needs;
use crate::place;
use crate::progress::{Mark, Progress};
use crate::step::{self, Outcome};

pub(crate) const HELP: &str = "\
Usage: cargo xtask test [--verbose] [--no-install]

Checks everything: format, lints, documentation, unit tests with random
histories, real processes, real applications, systemd. Prints a line per step,
and the output of a step that fails. Missing programs (Go, Node, Python, …) are
installed first where this may be done: as root, on Debian.

  --verbose       Print the output of every step
  --no-install    Install nothing

  cargo xtask test
  CI=true cargo xtask test      # a suite that cannot run is a failure

Exit status: 0 all passed, 1 something failed.
";

pub(crate) fn main(args: &[String]) -> Result<ExitCode, Error> {
    let known = ["--verbose", "--no-install"];
    if let Some(unknown) = args.iter().find(|word| !known.contains(&word.as_str())) {
        return Err(Error::Option(unknown.clone()));
    }
    let given = |option: &str| args.iter().any(|word| word == option);
    let mut suite = Suite {
        progress: Progress::new(),
        verbose: given("--verbose"),
        strict: env::var_os("CI").is_some_and(|ci| ci == "true"),
        passed: 0,
        failed: 0,
        not_run: Vec::new(),
    };
    suite.provide(!given("--no-install"))?;
    suite.check("format", cargo(&["fmt", "--all", "--check", "--", "-l"]))?;
    suite.check(
        "lints",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    )?;
    let mut documentation = cargo(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
    ]);
    documentation.env(
        "RUSTDOCFLAGS",
        "-D warnings -A rustdoc::private-intra-doc-links",
    );
    suite.check("documentation", documentation)?;
    // With the examples, which are the programs of some tests.
    if suite.check("build", cargo(&["test", "--workspace", "--no-run"]))? {
        suite.check("units and random histories", tests(&["--lib", "--bins"]))?;
        suite.check("examples in the documentation", tests(&["--doc"]))?;
        for name in integration_tests()? {
            suite.check(&name, tests(&["--test", &name]))?;
        }
    }
    Ok(suite.finish())
}

fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(words).current_dir(place::root());
    command
}

/// With the output of tests that pass, because it says what they did not run.
fn tests(which: &[&str]) -> Command {
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    command.args(which).args(["--", "--show-output"]);
    command
}

/// The names of all `tests/*.rs` and `tests/*/main.rs` of the workspace.
fn integration_tests() -> Result<Vec<String>, Error> {
    let program = "cargo metadata".to_owned();
    let output = cargo(&["metadata", "--no-deps", "--format-version=1"])
        .output()
        .map_err(|source| Error::Run {
            program: program.clone(),
            source,
        })?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(Error::Failed { program });
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = list(&metadata["packages"])
        .iter()
        .flat_map(|package| list(&package["targets"]))
        .filter(|target| list(&target["kind"]).iter().any(|kind| kind == "test"))
        .filter_map(|target| target["name"].as_str().map(Into::into))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

struct Suite {
    progress: Progress,
    verbose: bool,
    /// What cannot run is a failure.
    strict: bool,
    passed: usize,
    failed: usize,
    not_run: Vec<String>,
}

impl Suite {
    /// Installs what is missing, where it may, and takes note of what is missing still.
    fn provide(&mut self, install: bool) -> Result<(), Error> {
        let missing = needs::missing();
        if missing.is_empty() {
            return Ok(());
        }
        let why = match needs::obstacle() {
            None if install => {
                self.install(&missing)?;
                "it could not be installed"
            }
            None => "nothing was to be installed",
            Some(obstacle) => obstacle,
        };
        for need in needs::missing() {
            self.not_run
                .push(format!("{}: needs {}; {why}", need.suite, need.package));
        }
        Ok(())
    }

    fn install(&mut self, missing: &[&needs::Need]) -> Result<(), Error> {
        let packages: Vec<_> = missing.iter().map(|need| need.package).collect();
        let name = format!("install {}", packages.join(" "));
        self.progress.begin(&name);
        let begun = clock::now();
        let mut all = Outcome {
            success: true,
            ..Outcome::default()
        };
        for mut command in needs::install(missing) {
            let outcome = step::run(&mut command, self.verbose)?;
            all.success &= outcome.success;
            all.output += &outcome.output;
        }
        // Lists that could not be brought up to date do no harm if the packages came.
        all.success |= needs::missing().is_empty();
        let mark = if all.success { Mark::Ok } else { Mark::Failed };
        self.progress.end(mark, &name, begun.elapsed(), "");
        self.show(&all);
        Ok(())
    }

    /// Runs a step; whether it succeeded.
    fn check(&mut self, name: &str, mut command: Command) -> Result<bool, Error> {
        self.progress.begin(name);
        let begun = clock::now();
        let outcome = step::run(&mut command, self.verbose)?;
        let (passed, failed) = outcome.counts();
        self.passed += passed;
        self.failed += failed;
        let not_run = outcome.not_run();
        let (mark, note) = match (outcome.success, not_run.len()) {
            (false, _) if passed + failed > 1 => {
                (Mark::Failed, format!("{passed} passed, {failed} failed"))
            }
            (false, _) => (Mark::Failed, String::new()),
            (true, 0) if passed > 1 => (Mark::Ok, format!("{passed} passed")),
            (true, 0) => (Mark::Ok, String::new()),
            (true, some) => (Mark::NotRun, format!("{some} of {passed}; see below")),
        };
        self.progress.end(mark, name, begun.elapsed(), &note);
        self.not_run
            .extend(not_run.iter().map(|why| format!("{name}: {why}")));
        self.show(&outcome);
        Ok(outcome.success)
    }

    fn show(&self, outcome: &Outcome) {
        if !outcome.success && !self.verbose {
            print!("{}", outcome.of_failures());
        }
    }

    fn finish(mut self) -> ExitCode {
        if !self.not_run.is_empty() {
            let and = if self.strict {
                ", and CI wants every suite to run"
            } else {
                ""
            };
            println!("\nNot run{and}:");
            self.not_run.iter().for_each(|what| println!("  {what}"));
            if self.strict {
                self.failed += self.not_run.len();
            }
        }
        println!("\n{:.0} s", self.progress.took().as_secs_f64());
        println!("{} passed, {} failed", self.passed, self.failed);
        if self.failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
