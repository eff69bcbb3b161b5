//! Listeners that the operator names, with `-listen` and `-adopt`, and those that nobody shall hold.

use std::thread;

use testbed::{App, free_port, get, shell_status, until};

use crate::service::{leaves_nothing, reload, serve, tcp};
use crate::{awkward, steps};

/// A client that comes before the program is up waits, and is answered.
#[test]
fn a_port_is_held_before_the_program_is_up() {
    let (app, port) = (App::new(""), free_port());
    let gate = app.path("gate");
    app.deploy(&format!("wait {}\nlisten 127.0.0.1:{port}", gate.display()));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let setup = setup.listen(format!("tcp://127.0.0.1:{port}"));
    let mut supervisor = setup.run(&[tcp(port)]).start();
    supervisor.wait_for_line("Starting");
    let early = thread::spawn(move || get(&tcp(port), "/"));
    until("it is connected", || is_connected(port));
    steps::go_on(gate);
    early.join().unwrap().unwrap();
    supervisor.wait_for_line("Generation 1 is ready");
    // It is ours, and was not adopted from anybody.
    assert_eq!(supervisor.log().count("Adopted"), 0);
    reload(&supervisor);
    leaves_nothing(&mut supervisor);
}

/// Whether a connection to this port is established: state 01 of /proc/net/tcp, proc(5).
fn is_connected(port: u16) -> bool {
    let there = format!("0100007F:{port:04X} 01 ");
    std::fs::read_to_string("/proc/net/tcp")
        .unwrap()
        .contains(&there)
}

/// The program fails as it would without us, and the log shows what differs.
#[test]
fn a_near_miss_is_said_in_words() {
    let port = free_port();
    let app = App::new(&format!("tcp:0.0.0.0:{port}"));
    let setup = awkward::setup(&app).listen(format!("tcp://:{port}"));
    let mut supervisor = setup.run(&[]).start();
    assert_eq!(shell_status(supervisor.wait()), 1);
    supervisor.wait_for_line(&format!(
        "binds tcp4://0.0.0.0:{port}, and the listener held is tcp://[::]:{port}: they must be the same to the letter"
    ));
    supervisor.wait_for_line("bind: Address already in use");
}

/// The other port is the program's own, so two generations cannot share it.
#[test]
fn only_what_is_named_is_held() {
    let (app, held, own) = (App::new(""), free_port(), free_port());
    app.deploy(&format!("tcp:127.0.0.1:{held} tcp:127.0.0.1:{own}"));
    let setup = awkward::setup(&app).flag(format!("-adopt=tcp://:{held}"));
    let mut supervisor = serve(setup, &[tcp(held), tcp(own)]);
    assert_eq!(supervisor.log().count("Adopted"), 1);
    supervisor.wait_for_line(&format!("Adopted tcp://127.0.0.1:{held}"));
    let old = supervisor.get("/").pid();
    supervisor.hup();
    supervisor.wait_for_line("bind: Address already in use");
    supervisor.wait_for_line("Generation 2 failed: it exited with status 1 before it was ready");
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    for address in supervisor.addresses() {
        assert_eq!(get(address, "/").unwrap().pid(), old);
    }
    leaves_nothing(&mut supervisor);
}

/// What the kernel chose for one generation is nothing that the next could bind again.
#[test]
fn a_port_that_the_kernel_chooses_is_not_held() {
    let (app, port) = (App::new(""), free_port());
    app.deploy(&format!("listen 127.0.0.1:0\nlisten 127.0.0.1:{port}"));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let mut supervisor = serve(setup, &[tcp(port)]);
    reload(&supervisor);
    assert_eq!(supervisor.log().count("Adopted"), 1);
    let chosen: Vec<u16> = supervisor
        .log()
        .lines()
        .iter()
        .filter_map(|line| {
            let (_, address) = line.text.split_once("listening at ('127.0.0.1', ")?;
            address
                .trim_end_matches(')')
                .parse()
                .ok()
                .filter(|chosen| *chosen != port)
        })
        .collect();
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    get(&tcp(chosen[0]), "/").unwrap_err();
    get(&tcp(chosen[1]), "/").unwrap();
    leaves_nothing(&mut supervisor);
}

/// The first of the new generation binds it, and the others are given what it has bound.
#[test]
fn several_workers_that_start_together_bind_a_port_that_is_new() {
    let (app, old, new) = (App::new(""), free_port(), free_port());
    app.deploy(&format!("listen 127.0.0.1:{old}"));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let setup = setup.flag("-workers=4").flag("-strategy=all");
    let mut supervisor = setup.run(&[tcp(old)]).start();
    supervisor.wait_for_nth_line("of generation 1 is ready", 4);
    app.deploy(&format!("listen 127.0.0.1:{old}\nlisten 127.0.0.1:{new}"));
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    assert_eq!(supervisor.log().count("failed"), 0);
    get(&tcp(new), "/").unwrap();
    leaves_nothing(&mut supervisor);
}
