//! A program that binds for itself: its own port is left to it, and all listeners must be bound again.

use testbed::{Address, free_port, program, setup, until};

use crate::Site;

fn tcp(port: u16) -> Address {
    Address::Tcp(([127, 0, 0, 1], port).into())
}

/// The page on the port of its own, and beside it, unless a file says no, one for clients.
fn site(flags: &[&str]) -> Option<(Site, u16, testbed::Supervisor)> {
    let site = Site::new("200")?;
    let port = free_port();
    let text = format!(
        "#!/bin/sh\n[ -e {0}/bare ] || {1} &\nexec {2}\n",
        site.app.path("").display(),
        site.page(&port.to_string(), "--service"),
        site.page("$1", "")
    );
    let program = site.app.executable("two", &text);
    let setup = setup!()
        .flag("-ready=http://127.0.0.1:{port}/")
        .command(program, &["{port}"])
        .run(&[tcp(port)]);
    let setup = flags.iter().fold(setup, testbed::Setup::flag);
    Some((site, port, setup.start()))
}

#[test]
fn the_chosen_port_is_not_held_and_a_reload_takes_another() {
    let Some((_site, port, mut supervisor)) = site(&[]) else {
        return;
    };
    supervisor.wait_for_line("Generation 1 is ready");
    for n in 2..=3 {
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {n} serves"));
    }
    let text = supervisor.log().text();
    let held = text.lines().filter(|line| line.contains("Adopted"));
    assert!(
        held.clone().all(|line| line.contains(&port.to_string())),
        "{text}"
    );
    supervisor.stop();
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn a_page_that_says_yes_is_not_enough_while_a_listener_is_missing() {
    let Some((site, port, supervisor)) = site(&["-ready-timeout=2s"]) else {
        return;
    };
    supervisor.wait_for_line("Generation 1 is ready");
    let old = supervisor.workers();
    std::fs::write(site.app.path("bare"), "").unwrap();
    supervisor.hup();
    let line = supervisor.wait_for_line("Generation 2 failed: it was not ready within 2000 ms");
    let expected = format!("said: it passes, but the program has not bound tcp://127.0.0.1:{port}");
    assert!(line.text.contains(&expected), "{}", line.text);
    until("only the old one is there", || supervisor.workers() == old);
}

/// The port of the service itself is asked, which is one socket for all generations.
#[test]
fn nginx_is_asked_on_the_port_that_its_generations_share() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let port = free_port();
    let deploy = |status: u16| {
        let text = format!(
            "daemon off; pid pid; error_log stderr notice; worker_processes 2; events {{}}
             http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 server {{ listen 127.0.0.1:{port}; location /health {{ return {status} 'so it is'; }} }}
             }}"
        );
        std::fs::write(place.path().join("conf"), text).unwrap();
    };
    deploy(200);
    let prefix = format!("{}/", place.path().display());
    let supervisor = setup!()
        .flag(format!("-ready=http://127.0.0.1:{port}/health"))
        .flag("-ready-timeout=5s")
        .flag("-bake=2s")
        .command(nginx, &["-p", &prefix, "-c", "conf", "-e", "stderr"])
        .run(&[tcp(port)])
        .start();
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    deploy(503);
    supervisor.hup();
    supervisor.wait_for_line("Generation 3 failed: it was not ready within 5000 ms");
    supervisor.wait_for_line("generation 2 serves on, nothing has changed");
}
