//! Programs that finish what they have begun when they are told to stop.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use testbed::{Address, Setup, free_port, program, setup};

use crate::service::{APPS, finishes, loses_little, loses_nothing, source, tcp};

/// The Go server, linked statically: no library could be put under it.
fn go_server() -> Option<(TempDir, PathBuf)> {
    let go = program("go")?;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("server");
    let build = Command::new(go)
        .args(["build", "-o"])
        .arg(&path)
        .arg(source("server.go"))
        .env("CGO_ENABLED", "0")
        .status();
    assert!(build.unwrap().success());
    Some((place, path))
}

fn command(name: &str, args: &[&str]) -> Option<Setup> {
    Some(setup!().command(program(name)?, args))
}

#[test]
fn static_go() {
    let Some((_place, server)) = go_server() else {
        return;
    };
    let port = free_port();
    loses_nothing(
        setup!().command(&server, &[&format!("127.0.0.1:{port}")]),
        &[tcp(port)],
    );
}

/// One socket for both families, as `:8080` means it in Go.
#[test]
fn static_go_for_both_families() {
    let Some((_place, server)) = go_server() else {
        return;
    };
    let port = free_port();
    let both = [
        tcp(port),
        Address::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], port).into()),
    ];
    loses_nothing(setup!().command(&server, &[&format!(":{port}")]), &both);
}

#[test]
fn node() {
    let port = free_port();
    let server = source("server.js");
    let args = [server.to_str().unwrap(), &port.to_string(), "127.0.0.1"];
    let Some(setup) = command("node", &args) else {
        return;
    };
    loses_nothing(setup, &[tcp(port)]);
}

/// A master with workers that inherit the socket from it.
#[test]
fn gunicorn() {
    let port = free_port();
    let bind = format!("127.0.0.1:{port}");
    let args = [
        "--chdir",
        APPS,
        "--bind",
        &bind,
        "--workers=2",
        "--threads=4",
        "wsgi:app",
    ];
    let Some(setup) = command("gunicorn", &args) else {
        return;
    };
    loses_nothing(setup.variable("PYTHONDONTWRITEBYTECODE", "1"), &[tcp(port)]);
}

/// Told to stop, it closes at once the connections of which it has read no request yet: `H11Protocol.shutdown`.
#[test]
fn uvicorn() {
    let port = free_port();
    let text = port.to_string();
    let args = [
        "--app-dir",
        APPS,
        "--host=127.0.0.1",
        "--port",
        &text,
        "--no-access-log",
        "asgi:app",
    ];
    let Some(setup) = command("uvicorn", &args) else {
        return;
    };
    let report = finishes(setup.variable("PYTHONDONTWRITEBYTECODE", "1"), &[tcp(port)]);
    loses_little(&report);
}

#[test]
fn puma() {
    let port = free_port();
    let (bind, app) = (format!("tcp://127.0.0.1:{port}"), source("config.ru"));
    let args = [
        "--bind",
        &bind,
        "--threads=8:8",
        "--environment=production",
        app.to_str().unwrap(),
    ];
    let Some(setup) = command("puma", &args) else {
        return;
    };
    loses_nothing(setup, &[tcp(port)]);
}
