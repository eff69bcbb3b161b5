//! The documents say what is so: flags, quoted code, links and the names of tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use socketmaster::cli::flags::FLAGS;
use socketmaster::cli::{ConfigFile, Form};
use socketmaster::config::source::{Source, Wording};

const DOCUMENTS: [&str; 14] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/adopt.md",
    "docs/app-contract.md",
    "docs/configuration.md",
    "docs/control.md",
    "docs/failure-modes.md",
    "docs/listeners.md",
    "docs/migrating.md",
    "docs/planted-bugs.md",
    "docs/readiness.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A flag, its default and what it does, as `-h` and the README show them.
type Row = (String, String, String);

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_table_of_flags_is_that_of_the_help() {
    let readme = read("README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `-"));
    let shown: Vec<Row> = rows
        .map(|row| {
            let cells = row.replace("\\|", "\u{1}");
            let mut cells = cells
                .split('|')
                .map(|cell| cell.trim().replace('\u{1}', "|").replace('`', ""));
            let mut cell = || cells.next().unwrap();
            (format!("-{}", cell()), cell(), cell())
        })
        .collect();
    let mut flags: Vec<Row> = FLAGS
        .iter()
        .map(|flag| {
            let value = flag
                .value
                .map_or_else(String::new, |value| format!(" {value}"));
            let default = flag.default.unwrap_or_default();
            (
                format!("-{}{value}", flag.name),
                default.into(),
                one_line(flag.help),
            )
        })
        .collect();
    flags.push(("-h".into(), String::new(), "Print this and end.".into()));
    assert_eq!(shown, flags);

    let help = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
        .arg("-h")
        .output()
        .unwrap();
    let help = one_line(&String::from_utf8(help.stderr).unwrap());
    for (flag, default, what) in flags {
        let default = if default.is_empty() {
            default
        } else {
            format!(" (default {default})")
        };
        let entry = format!("{flag} {what}{default}");
        assert!(help.contains(&entry), "-h does not say: {entry}");
    }
}

/// A block of code after `<!-- from FILE -->` quotes that file; `…` stands for lines left out.
#[test]
fn quoted_code_is_that_of_the_examples() {
    let mut quotes = 0;
    for document in DOCUMENTS {
        let text = read(document);
        for quote in text.split("<!-- from ").skip(1) {
            let (file, rest) = quote.split_once(" -->").unwrap();
            let source = read(file);
            let mut lines = source.lines().map(str::trim);
            for line in rest
                .split("```")
                .nth(1)
                .unwrap()
                .lines()
                .skip(1)
                .map(str::trim)
            {
                let found = line == "…" || lines.any(|source| source == line);
                assert!(
                    found,
                    "{document} quotes what {file} does not say there: {line}"
                );
            }
            quotes += 1;
        }
    }
    assert!(quotes > 3);
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let folder = root().join(document).parent().unwrap().to_owned();
        for link in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            if link.starts_with("http") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => root().join(document),
                path => folder.join(path),
            };
            assert!(target.exists(), "{document} links to {path}");
            let found = heading.is_empty()
                || fs::read_to_string(target)
                    .unwrap()
                    .lines()
                    .any(|line| line.starts_with('#') && anchor(line) == heading);
            assert!(found, "{document} links to {link}");
        }
    }
}

#[test]
fn the_tests_that_are_named_exist() {
    let mut tests = BTreeSet::new();
    collect(&root().join("crates/socketmaster"), &mut tests);
    for document in ["docs/migrating.md", "docs/failure-modes.md"] {
        let text = read(document);
        let last_cells = text
            .lines()
            .filter(|line| line.starts_with('|'))
            .filter_map(|row| row.rsplit('|').nth(1));
        for name in last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            // Test names are words with _ between; the tables hold other code too.
            if name.matches('_').count() > 1
                && name
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            {
                assert!(
                    tests.contains(name),
                    "{document} names {name}, which is no test"
                );
            }
        }
    }
}

/// What a link calls a heading: small letters, with dashes for spaces and without punctuation.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-')
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A table of messages shows them with `…` for what differs each time.
#[test]
fn the_messages_that_are_explained_are_said() {
    let source = sources(&root().join("crates/socketmaster/src"));
    let guide = read("docs/adopt.md");
    let (_, table) = guide.split_once("## What the log says").unwrap();
    let messages = table.lines().filter_map(|row| row.strip_prefix("| `"));
    let mut said = 0;
    for message in messages.filter_map(|row| row.split('`').next()) {
        for part in message.split('…').map(str::trim) {
            // Another program's words are not ours.
            let ours = message == "Address already in use" || source.contains(part);
            assert!(ours, "docs/adopt.md explains what nobody says: {part}");
        }
        said += 1;
    }
    assert!(said > 10);
}

/// All source code, with the strings that go over several lines put together.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else {
            let source = fs::read_to_string(path).unwrap();
            let mut lines = source.split("\\\n").map(str::trim_start);
            text += lines.next().unwrap_or_default();
            lines.for_each(|line| text += line);
        }
    }
    text
}

fn collect(folder: &Path, tests: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, tests);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let tested = text
                .split("#[test]")
                .skip(1)
                .filter_map(|rest| rest.split("fn ").nth(1));
            tests.extend(
                tested
                    .filter_map(|rest| rest.split('(').next())
                    .map(Into::into),
            );
        }
    }
}

#[test]
fn the_configuration_files_of_the_documents_are_understood() {
    let mut read_any = false;
    for path in DOCUMENTS {
        let text = read(path);
        for block in text.split("```toml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            // The manifest of a Rust crate is none.
            if block.contains("[dependencies]") || block.contains("[package]") {
                continue;
            }
            let wording = Wording {
                text: block.to_owned(),
                variables: Vec::new(),
            };
            let file = ConfigFile::of(Form::Run, &["app.toml".into()]);
            let config = file.unwrap().unwrap().again(&wording);
            config.unwrap_or_else(|mistakes| panic!("{path}: {mistakes}\n{block}"));
            read_any = true;
        }
    }
    assert!(read_any);
}
