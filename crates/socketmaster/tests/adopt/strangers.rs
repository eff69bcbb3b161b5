//! Others on the machine: who holds the port that the program wants, and who is somebody else's to supervise.

use std::net::TcpListener;

use testbed::{App, free_port, shell_status};

use crate::awkward;
use crate::service::{leaves_nothing, serve, tcp};

#[test]
fn who_holds_the_port_is_named() {
    let port = free_port();
    let _stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let mut supervisor = awkward::setup(&app).run(&[tcp(port)]).start();
    assert_ne!(shell_status(supervisor.wait()), 0);
    let pid = std::process::id();
    supervisor.wait_for_line(&format!("tcp://127.0.0.1:{port} is held by pid {pid} ("));
    supervisor.wait_for_line(&format!("socketmaster adopt --pid {pid} -- PROGRAM"));
    supervisor.wait_for_line(&format!("socketmaster adopt --pid {pid} -- PROGRAM"));
}

/// It would be started anew by its own supervisor, and two versions would serve at once.
#[test]
fn one_that_was_started_twice_is_told_of_the_first() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let first = awkward::setup(&app).run(&[tcp(port)]).start();
    first.wait_for_line("is ready");
    let mut second = awkward::setup(&app).run(&[tcp(port)]).start();
    assert_ne!(shell_status(second.wait()), 0);
    let pid = first.pid();
    second.wait_for_line(&format!("it is there already: socketmaster reload {pid}"));
}

#[test]
fn what_is_supervised_is_not_taken_over() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let mut supervisor = serve(awkward::setup(&app), &[tcp(port)]);
    let (own, worker) = (supervisor.pid(), supervisor.workers()[0]);
    for pid in [own, worker] {
        let mut second = awkward::setup(&app).take_over(pid).run(&[]).start();
        assert_eq!(shell_status(second.wait()), 1);
        second.wait_for_line(&format!(
            "Cannot take over {pid}: socketmaster (pid {own}) supervises it"
        ));
    }
    let mut all = awkward::setup(&app).take_over(1).run(&[]).start();
    assert_eq!(shell_status(all.wait()), 1);
    all.wait_for_line("Cannot take over 1: it is the first process");
    assert_eq!(supervisor.get("/").pid(), worker);
    leaves_nothing(&mut supervisor);
}
