//! `systemd:`, and `fd://` of any kind: sockets that were there before us. Under a systemd that runs: tests/systemd.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;

use testbed::{PATIENCE, Setup, free_port, program, setup};

use crate::programs::{app, ask, client, parse, python, reload};

/// This supervisor, with these sockets by activation.
pub(crate) fn activated(setup: Setup, sockets: &[&str]) -> Setup {
    let (python, activate) = (program("python3").unwrap(), app("activate.py"));
    let words = [&[python.to_str().unwrap(), &activate], sockets, &["--"]].concat();
    setup.under(&words)
}

fn ask_tcp(port: u16) -> (i32, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    parse(&answer)
}

#[test]
fn all_that_is_received_comes_in_its_order_and_with_its_names() {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let (first, second) = (free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let sockets = [
        format!("web=tcp:{first}"),
        format!("web=udp:{second}"),
        format!("=unixgram:{}", path.display()),
    ];
    let setup = setup.listen("systemd:").listen("last=tcp://127.0.0.1:0");
    let setup = setup.flag("-env=systemd");
    let mut supervisor = activated(setup, &sockets.each_ref().map(|s| &**s)).spawn();
    supervisor.wait_for_line(&format!("Listening on tcp://127.0.0.1:{first}"));
    supervisor.wait_for_line(&format!("Listening on udp://127.0.0.1:{second}"));
    supervisor.wait_for_line("Generation 1 is ready");
    let told = "web:web:unknown:last hello";
    let (pid, text) = ask_tcp(first);
    assert_eq!(text, told);
    // After an upgrade the numbers mean something else, and it must not look there again.
    supervisor.upgrade();
    reload(&supervisor);
    let (other, text) = ask_tcp(first);
    assert_eq!(text, told);
    assert_ne!(other, pid);
    assert_eq!(
        ask(&client(([127, 0, 0, 1], second).into()), "hello").1,
        told
    );
    let unix = UnixDatagram::bind(folder.path().join("client")).unwrap();
    unix.set_read_timeout(Some(PATIENCE)).unwrap();
    unix.send_to(b"hello", &path).unwrap();
    let mut buffer = [0; 100];
    let count = unix.recv(&mut buffer).unwrap();
    assert_eq!(parse(&buffer[..count]), (other, told.into()));
    supervisor.upgrade();
    assert!(supervisor.stop().success());
    // It is the service manager's.
    assert!(path.exists());
}

#[test]
fn those_of_a_name_and_the_rest_is_missed() {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let (first, second) = (free_port(), free_port());
    let sockets = [format!("other=udp:{second}"), format!("web=tcp:{first}")];
    let setup = setup.listen("systemd:web");
    let supervisor = activated(setup, &sockets.each_ref().map(|s| &**s)).spawn();
    supervisor.wait_for_line(
        "Descriptor 3 named other was received by socket activation, and no -listen takes it: nobody serves it; write \
         -listen systemd:other as well",
    );
    supervisor.wait_for_line("Generation 1 is ready");
    assert_eq!(ask_tcp(first).1, "web hello");
    assert_eq!(supervisor.log().count("named web"), 0);
}

#[test]
fn descriptors_by_number_are_of_any_kind() {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let (first, second) = (free_port(), free_port());
    let sockets = [format!("a=udp:{second}"), format!("b=tcp:{first}")];
    let setup = setup.listen("dns=fd://3").listen("fd://4");
    let supervisor = activated(setup, &sockets.each_ref().map(|s| &**s)).spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    assert_eq!(ask_tcp(first).1, "dns: hello");
    assert_eq!(
        ask(&client(([127, 0, 0, 1], second).into()), "x").1,
        "dns: x"
    );
    assert_eq!(supervisor.log().count("was received by"), 0);
}

#[track_caller]
fn refused(listen: &[&str], sockets: &[&str], why: &str) {
    let Some(setup) = python("connections.py", &[]) else {
        return;
    };
    let setup = listen.iter().fold(setup, |setup, uri| setup.listen(*uri));
    let mut supervisor = match sockets {
        [] => setup.spawn(),
        sockets => activated(setup, sockets).spawn(),
    };
    supervisor.wait_for_line(why);
    assert_eq!(supervisor.wait().code(), Some(1));
}

#[test]
fn what_cannot_be_taken_and_why() {
    let port = free_port();
    let web = &*format!("web=tcp:{port}");
    let udp = &*format!("a=udp:{port}");
    refused(
        &["systemd:"],
        &[],
        "Unable to open socket systemd:: no sockets were received: $LISTEN_FDS is not set",
    );
    refused(
        &["systemd:"],
        &["other", web],
        "the sockets are for process 1 ($LISTEN_PID) and this is ",
    );
    refused(
        &["systemd:wbe"],
        &[web, udp],
        "no socket received is named \"wbe\": there are web, a",
    );
    refused(
        &["systemd:"],
        &["a=pipe:"],
        "descriptor 3 is a pipe, but must be a socket with an address",
    );
    refused(
        &["systemd:web", "systemd:"],
        &[web],
        "Unable to open socket systemd:: this socket is there already, as systemd:web",
    );
}

/// What is there stays, one by one, whatever a reload adds; and what it takes away is systemd's alone again.
#[test]
fn a_changed_configuration_keeps_what_was_received() {
    let Some(python) = program("python3") else {
        return;
    };
    let (first, second, third) = (free_port(), free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let configure = |listen: &[String]| {
        let text = format!(
            "command = [{:?}, {:?}]\nsettle = \"50ms\"\nenv = [\"systemd\"]\nlisten = {listen:?}\n",
            python.display(),
            app("connections.py"),
        );
        fs::write(&file, text).unwrap();
    };
    configure(&["systemd:".into()]);
    let setup = setup!().configured(&file, &[]);
    let sockets = [format!("web=tcp:{first}"), format!("dns=udp:{second}")];
    let supervisor = activated(setup, &sockets.each_ref().map(|s| &**s)).start();
    supervisor.wait_for_line("Generation 1 is ready");
    assert_eq!(ask_tcp(first).1, "web:dns hello");

    configure(&[format!("more=udp://127.0.0.1:{third}"), "systemd:".into()]);
    reload(&supervisor);
    assert_eq!(ask_tcp(first).1, "more:web:dns hello");
    let ask_udp = |port: u16| ask(&client(([127, 0, 0, 1], port).into()), "x").1;
    assert_eq!(ask_udp(second), "more:web:dns x");
    supervisor.upgrade();
    reload(&supervisor);
    assert_eq!(ask_udp(third), "more:web:dns x");
    assert_eq!(ask_tcp(first).1, "more:web:dns hello");

    configure(&[
        format!("more=udp://127.0.0.1:{third}"),
        "systemd:web".into(),
    ]);
    supervisor.hup();
    supervisor.wait_for_line("no sockets were received: $LISTEN_FDS is not set");
    assert_eq!(ask_tcp(first).1, "more:web:dns hello", "the old one stands");
}
