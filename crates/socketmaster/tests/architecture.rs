//! The arrows of the layers, kept by reading the paths that each file names.
//!
//! `core` and `wire` are pure: they name nothing by which a program reaches the operating system or the clock. `sys`
//! knows no word of the domain, and only it is unsafe. Types of addresses and spans are values, so they may be named
//! everywhere; so may `config`, which is values too, in `core`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
    "rustix",
    "nix",
    "libc",
    "crate::sys",
    "crate::daemon",
    "crate::launcher",
    "crate::forwarder",
    "crate::cli",
];

const VALUES: &[&str] = &[
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
];

const DOMAIN: &[&str] = &[
    "crate::core",
    "crate::daemon",
    "crate::config",
    "crate::wire",
    "crate::cli",
    "crate::launcher",
    "crate::forwarder",
];

#[test]
fn core_and_wire_are_pure() {
    for layer in ["core", "wire"] {
        refuse(layer, IMPURE);
    }
}

#[test]
fn sys_knows_no_word_of_the_domain() {
    refuse("sys", DOMAIN);
}

#[test]
fn only_sys_is_unsafe() {
    let sys = source().join("sys");
    for file in files(&source())
        .iter()
        .filter(|file| !file.starts_with(&sys))
    {
        let text = code(&fs::read_to_string(file).unwrap());
        assert!(
            !words(&text).any(|word| word == "unsafe"),
            "unsafe code in {}",
            file.display()
        );
    }
}

/// The reader itself: it finds what a file could hide, and lets pass what it may.
#[test]
fn nothing_is_hidden_from_this_test() {
    let refused = [
        "use std::fs;",
        "use std::{fmt, fs::{self, File}};",
        "pub(crate) use std::{time::{Duration, Instant}};",
        "fn f() { let _ = std::process::id(); }",
        "fn f() -> tokio::time::Sleep { todo!() }",
        "use std::net::{IpAddr, TcpStream};",
        "use super::super::sys::clock;",
        "use crate::{config, sys};",
        "use crate::daemon;",
        "use ::libc::c_int;",
        "use std::net::*;",
    ];
    for text in refused {
        assert!(
            !offences(text, "crate::wire::x", IMPURE).is_empty(),
            "{text}"
        );
    }
    let passed = [
        "use std::{fmt, time::Duration, net::{IpAddr, Ipv6Addr}};",
        "// use std::fs;\nuse super::uri; /* libc::x */",
        "fn f() -> &'static str { \"std::fs::read \\\" libc::open\" }",
        "use crate::config::Restart; const C: char = '\"'; use self::system::x;",
        "fn f<'a>(x: &'a str) -> &'a str { x.libc() }",
    ];
    for text in passed {
        assert_eq!(
            offences(text, "crate::wire::x", IMPURE),
            Vec::<String>::new(),
            "{text}"
        );
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn refuse(layer: &str, refused: &[&str]) {
    let files = files(&source().join(layer));
    assert!(files.len() > 1, "the layer {layer} is not where it was");
    for file in files {
        let module = file.strip_prefix(source()).unwrap().with_extension("");
        let module = format!("crate::{}", module.to_str().unwrap().replace('/', "::"));
        let module = module.trim_end_matches("::mod");
        let found = offences(&fs::read_to_string(&file).unwrap(), module, refused);
        assert!(
            found.is_empty(),
            "{} names {}",
            file.display(),
            found.join(", ")
        );
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push(path);
        }
    }
    all
}

/// The paths in this text that begin with a refused one.
fn offences(text: &str, module: &str, refused: &[&str]) -> Vec<String> {
    let is = |path: &str, start: &str| {
        path.strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    let value = |path: &str| {
        path.strip_prefix("std::net::")
            .is_some_and(|rest| VALUES.iter().any(|value| is(rest, value)))
    };
    paths(&code(text))
        .into_iter()
        .map(|path| absolute(&path, module))
        .filter(|path| refused.iter().any(|start| is(path, start)) && !value(path))
        .collect()
}

/// The text without comments and without what stands in quotes.
fn code(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if next == '"' {
            quoted(rest)
        } else {
            out.push(next);
            next.len_utf8()
        };
        rest = &rest[skipped..];
    }
    out
}

/// The length of the string literal that a text begins with.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !(char.is_alphanumeric() || char == '_'))
}

/// All paths, those in braces written out. Single words come along and do no harm, but for fields and methods.
fn paths(code: &str) -> Vec<String> {
    let mut all = Vec::new();
    // What stands before each open brace: the beginning of all in it, or nothing if it opens a block.
    let mut stems = vec![String::new()];
    let mut path = String::new();
    let mut chars = code.chars().peekable();
    while let Some(char) = chars.next() {
        if char.is_alphanumeric() || "_:*".contains(char) {
            path.push(char);
            continue;
        }
        match char {
            '{' => stems.push(if path.ends_with("::") {
                path
            } else {
                String::new()
            }),
            _ if path.ends_with("::") => {}
            _ => all.push(path),
        }
        if char == '}' {
            stems.pop();
        }
        if char == '.' {
            while chars
                .next_if(|next| next.is_alphanumeric() || *next == '_')
                .is_some()
            {}
        }
        path = stems.last().cloned().unwrap_or_default();
    }
    all.iter()
        .map(|path| {
            path.trim_start_matches(':')
                .trim_end_matches("::self")
                .to_owned()
        })
        .collect()
}

/// `self` and `super` written out.
fn absolute(path: &str, module: &str) -> String {
    let mut module: Vec<&str> = module.split("::").collect();
    let mut rest = path;
    while let Some((first, after)) = rest
        .split_once("::")
        .filter(|(first, _)| ["self", "super"].contains(first))
    {
        if first == "super" {
            module.pop();
        }
        rest = after;
    }
    if rest == path {
        path.into()
    } else {
        format!("{}::{rest}", module.join("::"))
    }
}
