//! A server that takes its socket by the listenfd crate, as many Rust servers do: `socketmaster -env systemd`.

#![allow(clippy::unwrap_used, reason = "an app, not a part of the supervisor")]

use std::io::{Read, Write};

use listenfd::ListenFd;

fn main() {
    let listener = ListenFd::from_env().take_tcp_listener(0).unwrap();
    let listener = listener.expect("a TCP listener in $LISTEN_FDS");
    let body = format!(r#"{{"pid": {}}}"#, std::process::id());
    loop {
        let (mut client, _) = listener.accept().unwrap();
        let _ = client.read(&mut [0; 4096]);
        let _ = write!(
            client,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    }
}
