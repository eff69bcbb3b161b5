//! The examples, which are the documentation too.

use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use testbed::get;

use crate::chain::{Chain, Setup, example, free_port, read_all, send};

fn run(name: &str) -> Chain {
    let mut setup = Setup::new(example(name));
    let address = free_port();
    setup.command.arg(address.to_string());
    setup.at(address).start()
}

#[track_caller]
fn is_short(source: &str) {
    let lines = source
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(lines.count() <= 15);
}

#[track_caller]
fn greets(name: &str, greeting: impl Fn(TcpStream) -> String) {
    let mut chain = run(name);
    for _ in 0..3 {
        let stream = TcpStream::connect(chain.address).unwrap();
        assert!(greeting(stream).ends_with("Hello, world\n"));
    }
    assert_eq!(chain.stop(), 0);
}

#[test]
fn hello_std() {
    is_short(include_str!("../../examples/hello_std.rs"));
    greets("hello_std", |stream| read_all(stream));
}

#[test]
fn hello_tokio() {
    is_short(include_str!("../../examples/hello_tokio.rs"));
    greets("hello_tokio", |stream| read_all(stream));
}

#[test]
fn hello_axum() {
    is_short(include_str!("../../examples/hello_axum.rs"));
    greets("hello_axum", |mut stream| {
        send(&mut stream, "/", false).unwrap();
        read_all(stream)
    });
}

/// The article's server: each upgrade is another version.
#[test]
fn upgradable() {
    let chain = run("upgradable");
    for version in 1..4 {
        let answer = get(&chain.url(), "/").unwrap();
        assert_eq!(answer.member("version"), version);
        let said = testbed::poll(testbed::PATIENCE, || {
            let said = get(&chain.url(), "/upgrade").unwrap();
            (said.status == 200).then_some(said.body)
        });
        let pid = said.unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        assert_ne!(pid, answer.pid());
        chain.until_alone(pid);
    }
}

#[test]
fn rate_limit() {
    let chain = run("rate_limit");
    let begin = testbed::now();
    let mut stream = TcpStream::connect(chain.address).unwrap();
    send(&mut stream, "/", false).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert!(all.len() > 512 * 1024);
    // Twice what may be sent in a second, of which one second's worth at once.
    assert!(
        begin.elapsed() > Duration::from_millis(800),
        "{:?}",
        begin.elapsed()
    );
}

/// In short: nothing is lost where its control does lose, and it comes to an end. What it costs is measured when
/// nothing else runs.
#[test]
fn the_benchmark() {
    let output = std::process::Command::new(example("upgradable_bench"))
        .args(["2", "1", "2"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(said.contains("with 2 upgrades"), "{said}");
    assert_eq!(said.matches(": lost 0 of ").count(), 2, "{said}");
    println!("{said}");
}

/// The page shows the examples as they are.
#[test]
fn the_page_shows_them() {
    let page = include_str!("../../../../docs/upgradable.md");
    let shown = page.split("<!-- from crates/upgradable/examples/").skip(1);
    let mut count = 0;
    for part in shown {
        let (name, rest) = part.split_once(" -->\n```rust\n").unwrap();
        let (code, _) = rest.split_once("```").unwrap();
        let path = format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).unwrap();
        assert!(source.ends_with(code), "{name} is not what the page shows");
        count += 1;
    }
    assert_eq!(count, 2);
}
