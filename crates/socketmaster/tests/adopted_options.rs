//! Options that a later generation sets on its socket before bind: they reach the socket that it gets instead.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::TcpListener;

use testbed::{Address, App, get, program, setup, until};

/// Sets what the file says, and answers with what it has.
const PROGRAM: &str = r#"import json, os, socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
size = int(open(sys.argv[1]).read())
if size:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
listener.bind(("127.0.0.1", int(sys.argv[2])))
listener.listen(16)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    has = connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    body = json.dumps({"version": str(size), "has": has})
    connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    connection.close()
"#;

#[test]
fn a_later_generation_sets_them_for_all_who_hold_the_socket() {
    let Some(python) = program("python3") else {
        return;
    };
    let app = App::new("0");
    let (size, text) = (app.script(), app.path("program.py"));
    std::fs::write(&text, PROGRAM).unwrap();
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = address.unwrap();
    let port = address.port().to_string();
    let args = [text.to_str().unwrap(), size.to_str().unwrap(), &port];
    let supervisor = setup!().flag("-adopt").command(python, &args).spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    let has = |version: &str| {
        let mut answer = None;
        until("the version answers", || {
            answer = get(&Address::Tcp(address), "/").ok();
            answer.as_ref().is_some_and(|a| a.version() == version)
        });
        answer.unwrap().member("has").as_u64().unwrap()
    };
    let default = has("0");
    for (generation, version) in [(2, "12345"), (3, "23456")] {
        app.deploy(version);
        supervisor.hup();
        supervisor.wait_for_line(&format!("Generation {generation} is ready"));
        assert_eq!(has(version) / 2, version.parse::<u64>().unwrap());
    }
    let told = |size: &str, old: &str| {
        let line = format!(
            "sets SO_RCVBUF to {size} on tcp://{address} (it was {old}), for all who hold it"
        );
        assert_eq!(supervisor.log().count(&line), 1, "{line}");
    };
    told("12345", &(default / 2).to_string());
    told("23456", "12345");
    assert_eq!(supervisor.log().count("sets "), 2);
}
