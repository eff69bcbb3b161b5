//! The command line is read exactly as Go's flag package reads it for the original's five flags.
//!
//! The frozen answers in `corpus.jsonl` are always checked. Where Go is installed, so are more random argument lists;
//! `SOCKETMASTER_SEED` makes others of them. To write the corpus anew:
//!
//! ```text
//! SOCKETMASTER_CORPUS=write cargo test -p socketmaster --test goflag
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsString;
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use socketmaster::cli::{self, CliError, Invocation};
use socketmaster::config::{Config, LogTarget, Readiness};
use tempfile::TempDir;

mod generator;

const CORPUS_SEED: u64 = 1;
const CORPUS_CASES: usize = 3_000;
const LIVE_SEED: u64 = 2;
const LIVE_CASES: usize = 20_000;

/// What `main.go` says about one argument list.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Go {
    Help,
    Error(String),
    Flags(Flags),
}

/// The original's five flags, and the words after them.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flags {
    command: String,
    listen: String,
    start: i64,
    syslog: bool,
    user: String,
    args: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Case {
    argv: Vec<String>,
    go: Go,
}

#[test]
fn frozen_answers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goflag/corpus.jsonl");
    if std::env::var_os("SOCKETMASTER_CORPUS").is_some_and(|what| what == "write") {
        let reference = Reference::build().expect("Go, to write the corpus");
        let lines = reference
            .ask(random_argvs(CORPUS_SEED, CORPUS_CASES))
            .iter()
            .map(|case| serde_json::to_string(case).unwrap() + "\n")
            .collect::<String>();
        std::fs::write(&path, lines).unwrap();
    }
    let corpus = std::fs::read_to_string(&path).unwrap();
    let cases: Vec<Case> = corpus
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(cases.len(), CORPUS_CASES);
    check(&cases);
}

#[test]
fn fresh_answers() {
    let Some(reference) = Reference::build() else {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "Go is not installed, and CI wants every suite to run"
        );
        eprintln!("NOT RUN: Go is not installed; only the frozen answers were checked");
        return;
    };
    let seed = match std::env::var("SOCKETMASTER_SEED") {
        Ok(seed) => seed.parse().expect("SOCKETMASTER_SEED, a number"),
        Err(_) => LIVE_SEED,
    };
    println!("SOCKETMASTER_SEED={seed}");
    check(&reference.ask(random_argvs(seed, LIVE_CASES)));
}

fn random_argvs(seed: u64, count: usize) -> Vec<Vec<String>> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| generator::argv(&mut rng)).collect()
}

/// Fails if socketmaster reads a case otherwise than Go, or if the cases prove too little.
fn check(cases: &[Case]) {
    let (mut helps, mut errors, mut runs) = (0, 0, 0);
    for Case { argv, go } in cases {
        let args: Vec<OsString> = argv.iter().map(OsString::from).collect();
        match (cli::parse(&args), go) {
            (Ok(Invocation::Help(_)), Go::Help) => helps += 1,
            (Err(error), Go::Error(text)) if says(&error, text) => errors += 1,
            (Ok(Invocation::Run(config)), Go::Flags(flags)) => {
                runs += 1;
                assert_eq!(original(&config, flags), *flags, "{argv:?}");
            }
            (Err(CliError::NoCommand { .. }), Go::Flags(flags)) if flags.command.is_empty() => {}
            (ours, go) => panic!("{argv:?}: Go says {go:?}, socketmaster {ours:?}"),
        }
    }
    println!(
        "{} cases: {runs} configurations, {errors} errors, {helps} helps",
        cases.len()
    );
    let few = cases.len() / 100;
    assert!(
        runs > 10 * few && errors > 10 * few && helps > few,
        "the cases are too much alike"
    );
}

/// Whether an error is Go's text, and at most a suggestion more.
fn says(error: &CliError, go: &str) -> bool {
    let text = error.to_string();
    text.strip_prefix(go)
        .is_some_and(|more| more.is_empty() || more.starts_with(" (did you mean"))
}

/// A configuration in the original's five flags. Go's answer stands in where a configuration cannot tell: that
/// `-start` was not given, by how much it was below zero, or beyond the longest time.
fn original(config: &Config, go: &Flags) -> Flags {
    let text = |bytes: &OsString| bytes.to_str().unwrap().to_owned();
    let longest = i64::MAX / 1_000_000;
    let start = match config.readiness {
        Readiness::Auto { .. } => 3000,
        Readiness::Timer(time) => match i64::try_from(time.as_millis()).unwrap() {
            0 => go.start.min(0),
            millis if millis == longest => go.start.max(longest),
            millis => millis,
        },
        ref other => panic!("{other:?}, which nobody asked for"),
    };
    Flags {
        command: text(&config.command),
        listen: config.listeners.last().unwrap().text.clone(),
        start,
        syslog: config.log_target == LogTarget::Syslog,
        user: config.user.clone().unwrap_or_default(),
        args: config.args.iter().map(text).collect(),
    }
}

/// The program of `main.go`, gone when this is dropped.
struct Reference(TempDir);

impl Reference {
    /// `None` if there is no Go.
    fn build() -> Option<Self> {
        Command::new("go")
            .arg("version")
            .stdout(Stdio::null())
            .status()
            .ok()?;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let reference = Self(TempDir::new_in(folder).unwrap());
        let status = Command::new("go")
            .args(["build", "-o"])
            .arg(reference.program())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goflag/main.go"))
            .env("GOCACHE", folder.join("go-cache"))
            .env("GO111MODULE", "off")
            .status()
            .unwrap();
        assert!(status.success(), "go build: {status}");
        Some(reference)
    }

    fn program(&self) -> PathBuf {
        self.0.path().join("reference")
    }

    /// What Go makes of each argument list.
    fn ask(&self, argvs: Vec<Vec<String>>) -> Vec<Case> {
        let mut questions = tempfile::tempfile().unwrap();
        for argv in &argvs {
            serde_json::to_writer(&mut questions, argv).unwrap();
        }
        questions.rewind().unwrap();
        let output = Command::new(self.program())
            .stdin(questions)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", output.status);
        let answers: Vec<Go> = serde_json::Deserializer::from_slice(&output.stdout)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(answers.len(), argvs.len());
        argvs
            .into_iter()
            .zip(answers)
            .map(|(argv, go)| Case { argv, go })
            .collect()
    }
}
