//! How a program is told to stop: as it has to be, at a reload and at the end, whatever ours is told by.

use testbed::free_port;

use crate::nginx::Nginx;
use crate::service::{leaves_nothing, reload, serve, tcp};

fn is_told(flags: &[&str], signal: &str, another: &str) {
    let (nginx, port) = (Nginx::new(), free_port());
    nginx.deploy("", &format!("listen 127.0.0.1:{port};"));
    let Some(setup) = nginx.setup() else { return };
    let setup = flags.iter().fold(setup, testbed::Setup::flag);
    let mut supervisor = serve(setup, &[tcp(port)]);
    reload(&supervisor);
    // In nginx's own words; its workers say nothing of it.
    let line = format!("({signal}) received from {}", supervisor.pid());
    supervisor.wait_for_nth_line(&line, 1);
    leaves_nothing(&mut supervisor);
    assert_eq!(supervisor.log().count(&line), 2);
    assert_eq!(supervisor.log().count(another), 0);
}

#[test]
fn nginx_by_quit() {
    is_told(&[], "SIGQUIT", "(SIGTERM)");
}

#[test]
fn as_the_operator_says() {
    is_told(&["-stop-signal=TERM"], "SIGTERM", "(SIGQUIT)");
}
