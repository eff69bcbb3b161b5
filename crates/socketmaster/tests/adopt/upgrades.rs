//! The supervisor replaces its own program: what it has adopted and who waits for an answer go along.

use testbed::{App, Load, free_port, processes, until};

use crate::service::{CLIENTS, leaves_nothing, reload, serve, tcp};
use crate::steps;

/// Its bind is answered by the next program, with the socket that the one before adopted.
#[test]
fn while_a_program_is_starting() {
    let (app, ports) = (App::new(""), [free_port(), free_port()]);
    let [one, other] = ports.map(|port| format!("listen 127.0.0.1:{port}"));
    app.deploy(&format!("{one}\n{other}"));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let setup = setup.flag("-ready-timeout=2s");
    let mut supervisor = serve(setup, &ports.map(tcp));
    let gate = app.path("gate");
    // One listener is bound before the upgrade, the other after it.
    app.deploy(&format!("{one}\nwait {}\n{other}", gate.display()));
    supervisor.hup();
    supervisor.wait_for_nth_line("listening at", 3);
    supervisor.upgrade();
    steps::go_on(gate);
    supervisor.wait_for_line("Reload done: generation 2");
    reload(&supervisor);
    app.deploy(&one);
    supervisor.hup();
    supervisor.wait_for_line(&format!("it has not bound tcp://127.0.0.1:{}", ports[1]));
    supervisor.wait_for_line("Reload failed: generation 3 serves on");
    for address in supervisor.addresses() {
        testbed::get(address, "/").unwrap();
    }
    leaves_nothing(&mut supervisor);
}

/// A program that binds without a pause, and one upgrade after the other, each in the midst of a reload.
#[test]
fn while_binds_are_answered() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let app = App::new(&format!("listen {listen}\nclaim {listen}"));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let mut supervisor = serve(setup.flag("-settle=1ms"), &[tcp(port)]);
    let load = Load::start(supervisor.address(), CLIENTS, "/");
    for _ in 0..20 {
        supervisor.hup();
        supervisor.upgrade();
    }
    reload(&supervisor);
    let claims = || supervisor.get("/").member("claims").as_u64().unwrap();
    let before = claims();
    until("they are answered", || claims() > before);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.by_pid.len() > 2, "{report:?}");
    assert_eq!(supervisor.log().count("a claim has"), 0);
    assert_eq!(supervisor.log().count("Reload failed"), 0);
    let notify = || {
        let open = processes::descriptors(supervisor.pid()).into_iter();
        open.filter(|(_, what)| what.contains("seccomp")).count()
    };
    until("one to answer by, one for the next forwarder", || {
        notify() == 2
    });
    leaves_nothing(&mut supervisor);
}

/// Of a datagram socket no later call tells that it is bound: the next program looks, too.
#[test]
fn while_datagram_sockets_are_bound() {
    const SOCKETS: usize = 300;
    let ports: Vec<u16> = (0..SOCKETS).map(|_| free_port()).collect();
    let words = ports.iter().map(|port| format!("udp 127.0.0.1:{port}\n"));
    let app = App::new(&words.collect::<String>());
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let flags = ports
        .iter()
        .map(|port| format!("-adopt=udp://127.0.0.1:{port}"));
    let setup = flags.fold(setup, testbed::Setup::flag);
    let mut supervisor = setup.run(&[]).start();
    supervisor.wait_for_line("Adopted udp");
    supervisor.upgrade();
    supervisor.wait_for_nth_line("Adopted udp", SOCKETS);
    supervisor.wait_for_line("Generation 1 is ready");
    reload(&supervisor);
    leaves_nothing(&mut supervisor);
}
