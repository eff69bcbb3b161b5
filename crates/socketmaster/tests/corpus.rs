//! What the fuzzer has found: each file of its corpora through the code that it was found with.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a crate of its own for the fuzzer")]
mod fuzz;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A corpus is small, or `cargo fuzz cmin` was forgotten.
const MOST: usize = 200;

#[test]
fn every_file_of_the_corpora_passes() {
    for (name, target) in fuzz::TARGETS {
        let files = files(&corpora().join(name));
        assert!((1..MOST).contains(&files.len()), "{name}: {}", files.len());
        for file in files {
            // Shown if it fails.
            println!("{}", file.display());
            target(&fs::read(&file).unwrap());
        }
    }
}

#[test]
fn each_corpus_has_its_target() {
    let names: BTreeSet<_> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
    let manifest = fs::read_to_string(corpora().join("../Cargo.toml")).unwrap();
    let has_target = |name: &str| manifest.contains(&format!("name = \"{name}\""));
    for corpus in files(&corpora()) {
        let name = corpus.file_name().unwrap().to_str().unwrap();
        assert!(names.contains(name) && has_target(name), "{name}");
    }
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
