//! `-ready`: the ways in which a program can say itself that it is ready. Being seen waiting must not do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod einhorn;
mod einhorn_clients;
mod fd;
mod notify;

use testbed::{App, Setup, Supervisor, setup};

/// A supervisor with the fixture, which serves as soon as it can and so would be ready by sight.
fn fixture(script: &str, flags: &[&str]) -> (Supervisor, App) {
    let app = App::new(script);
    let setup = flags.iter().fold(setup!().app(&app), Setup::flag);
    (setup.start(), app)
}

/// A first generation that must fail: why it did.
#[track_caller]
fn fails(script: &str, flags: &[&str]) -> String {
    let (mut supervisor, _app) = fixture(script, flags);
    let line = supervisor.wait_for_line("Generation 1 failed: ").text;
    supervisor.wait();
    assert_eq!(supervisor.log().count("is ready"), 0);
    line
}
