//! A port that is not the worker's alone: whose answer it is decides.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use testbed::{App, free_port, setup, until};

use crate::{Site, serving};

/// All generations have the listener, and the old one answers each request with 200.
#[test]
fn the_old_generation_that_answers_on_the_listener_does_not_make_the_new_one_ready() {
    let app = App::new("version one");
    let port = free_port();
    let setup = setup!()
        .listen(format!("tcp://127.0.0.1:{port}"))
        .flag(format!("-ready=http://127.0.0.1:{port}/"))
        .flag("-ready-timeout=3s");
    let supervisor = serving(setup.app(&app));
    let old = supervisor.workers();
    // Never waits for connections.
    app.deploy("hang");
    supervisor.hup();
    let line = supervisor.wait_for_line("Generation 2 failed: it was not ready within 3000 ms");
    let expected = format!(
        "said: {} of generation 1 accepts connections there, and not this worker",
        old[0]
    );
    assert!(line.text.contains(&expected), "{}", line.text);
    supervisor.wait_for_line("generation 1 serves on, nothing has changed");
    until("only the old one is there", || supervisor.workers() == old);
    // And one that does wait gets a connection in time.
    app.deploy("version two");
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 3 serves");
    supervisor.wait_for_version("two");
}

#[test]
fn of_two_sockets_on_one_port_only_the_own_counts() {
    let Some(site) = Site::new("200") else { return };
    let port = free_port();
    let url = format!("-ready=http://127.0.0.1:{port}/");
    let setup = site.setup_on(&port.to_string(), "--shared", &[&url, "-ready-timeout=4s"]);
    let supervisor = serving(setup);
    site.says("2 503\n200");
    supervisor.hup();
    let line = supervisor.wait_for_line("Generation 2 failed: it was not ready within 4000 ms");
    let own = line.text.contains("said: answer 503");
    assert!(
        own || line.text.contains("accepts connections there"),
        "{}",
        line.text
    );
    site.says("200");
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 3 serves");
}

#[test]
fn a_stranger_on_the_port_is_told_from_the_worker() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            thread::spawn(move || {
                let _ = client.read(&mut [0; 1000]);
                let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            });
        }
    });
    let app = App::new("version one");
    let setup = setup!()
        .flag(format!("-ready=http://127.0.0.1:{port}/"))
        .flag("-ready-timeout=3s");
    let supervisor = setup.app(&app).start();
    let line = supervisor.wait_for_line("Generation 1 failed: it was not ready within 3000 ms");
    let expected = "said: a process that is not of this service accepts connections there";
    assert!(line.text.contains(expected), "{}", line.text);
}

#[test]
fn an_address_of_another_machine_is_not_asked() {
    let app = App::new("version one");
    // For documentation only (RFC 5737).
    let setup = setup!()
        .flag("-ready=http://192.0.2.1:80/")
        .flag("-ready-timeout=1s");
    let supervisor = setup.app(&app).start();
    supervisor.wait_for_line("said: not an address of this machine");
}
