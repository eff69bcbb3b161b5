//! A version that cannot take over leaves the old one serving, and the log says why.

use std::io::ErrorKind;

use testbed::{Supervisor, free_port, get, setup, shell_status, until};

use crate::nginx::Nginx;
use crate::service::{leaves_nothing, reload, serve, tcp};

fn fails(supervisor: &Supervisor, why: &str) {
    let old = supervisor.get("/").pid();
    supervisor.hup();
    supervisor.wait_for_line("Reload failed");
    supervisor.wait_for_line(why);
    assert_eq!(supervisor.get("/").pid(), old);
}

#[test]
fn a_version_that_does_not_start() {
    let (nginx, port) = (Nginx::new(), free_port());
    let listen = format!("listen 127.0.0.1:{port};");
    nginx.deploy("", &listen);
    let Some(setup) = nginx.setup() else { return };
    let mut supervisor = serve(setup, &[tcp(port)]);
    nginx.deploy("nonsense on;", &listen);
    fails(&supervisor, "[emerg]");
    supervisor.wait_for_line("unknown directive \"nonsense\"");
    nginx.deploy("", &listen);
    reload(&supervisor);
    leaves_nothing(&mut supervisor);
}

/// Its clients would hang in the old port's queue without a word.
#[test]
fn a_version_that_binds_another_port() {
    let (nginx, port, other) = (Nginx::new(), free_port(), free_port());
    let listen = format!("listen 127.0.0.1:{port};");
    nginx.deploy("", &listen);
    let Some(setup) = nginx.setup() else { return };
    let mut supervisor = serve(setup.flag("-ready-timeout=2s"), &[tcp(port)]);
    nginx.deploy("", &format!("listen 127.0.0.1:{other};"));
    fails(
        &supervisor,
        &format!("it has not bound tcp://127.0.0.1:{port}"),
    );
    // What it alone had is closed, or clients would wait there for nobody.
    until("nobody listens there", || {
        get(&tcp(other), "/").is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    nginx.deploy(
        "",
        &format!("listen 127.0.0.1:{port}; listen 127.0.0.1:{other};"),
    );
    reload(&supervisor);
    get(&tcp(other), "/").unwrap();
    leaves_nothing(&mut supervisor);
}

/// Whoever runs `adopt` and then disables the old unit must not be told that all is well.
#[test]
fn a_first_version_that_ends_with_0_before_it_is_ready_is_no_success() {
    let mut supervisor = setup!().command("true", &[]).run(&[]).start();
    assert_eq!(shell_status(supervisor.wait()), 1);
    supervisor.wait_for_line("Generation 1 failed: it exited with status 0 before it was ready");
}
