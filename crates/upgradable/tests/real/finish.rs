//! What is open when a new version takes over is finished.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use testbed::processes;

use crate::chain::{Chain, read_all, send};

pub(crate) fn open_websocket(chain: &Chain) -> TcpStream {
    let mut stream = TcpStream::connect(chain.address).unwrap();
    stream.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    stream
}

/// One text message there and back (RFC 6455, section 5.2; a mask of zeros).
fn exchange(stream: &mut TcpStream, text: &str) {
    let length = u8::try_from(text.len()).unwrap();
    let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
    stream.write_all(&frame).unwrap();
    let mut answer = vec![0; 2 + text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer[2..], text.as_bytes());
}

#[test]
fn a_websocket_goes_on_through_an_upgrade() {
    let chain = Chain::fixture("lame-duck 100\ndrain 20000");
    let first = chain.pid();
    let mut socket = open_websocket(&chain);
    exchange(&mut socket, "before");
    let next = chain.upgrade();
    for _ in 0..10 {
        exchange(&mut socket, "meanwhile");
        thread::sleep(Duration::from_millis(50));
    }
    assert!(
        processes::is_alive(first),
        "it waits for the end of the exchange"
    );
    // The client closes, as the protocol has it: status 1000.
    socket
        .write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])
        .unwrap();
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest);
    assert_eq!(rest.first(), Some(&0x88), "a close frame");
    chain.until_alone(next);
}

#[test]
fn a_streaming_answer_is_whole() {
    let chain = Chain::fixture("lame-duck 100\ndrain 20000");
    let mut stream = TcpStream::connect(chain.address).unwrap();
    send(&mut stream, "/stream", false).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    let next = chain.upgrade();
    let rest = read_all(stream);
    assert!(rest.contains("tick 10\n"), "{rest}");
    assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    chain.until_alone(next);
}

#[test]
fn an_answer_says_goodbye_and_an_idle_connection_gets_its_time() {
    let chain = Chain::fixture("lame-duck 1500");
    let mut kept = TcpStream::connect(chain.address).unwrap();
    let mut fresh = TcpStream::connect(chain.address).unwrap();
    send(&mut kept, "/", true).unwrap();
    let mut answer = [0; 1024];
    let length = kept.read(&mut answer).unwrap();
    assert!(!String::from_utf8_lossy(&answer[..length]).contains("connection: close"));
    chain.upgrade();
    // Within the lame duck it is served, and told to go; so is one that has never asked.
    for stream in [&mut kept, &mut fresh] {
        send(stream, "/", true).unwrap();
        let answer = read_all(stream);
        assert!(
            answer.contains("200 OK") && answer.contains("connection: close"),
            "{answer}"
        );
    }
}

#[test]
fn an_idle_connection_is_closed_after_the_lame_duck() {
    let chain = Chain::fixture("lame-duck 300\ndrain 20000");
    let mut kept = TcpStream::connect(chain.address).unwrap();
    send(&mut kept, "/", true).unwrap();
    let _ = kept.read(&mut [0; 1024]).unwrap();
    let begin = testbed::now();
    let next = chain.upgrade();
    assert_eq!(read_all(kept), "");
    assert!(
        begin.elapsed() >= Duration::from_millis(300),
        "before the lame duck was over"
    );
    chain.until_alone(next);
}

#[test]
fn http2_gets_goaway_and_its_answer() {
    let chain = Chain::fixture("lame-duck 5000");
    let mut stream = TcpStream::connect(chain.address).unwrap();
    stream.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    frame(&mut stream, 4, 0, 0, &[]);
    // GET / in indices of the static table (RFC 7541, appendix A), and an :authority.
    frame(&mut stream, 1, 5, 1, &[0x82, 0x86, 0x84, 0x41, 1, b't']);
    until_frame(&mut stream, 0, 1);
    chain.upgrade();
    until_frame(&mut stream, 7, 0);
}

fn frame(stream: &mut TcpStream, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &id.to_be_bytes()].concat();
    stream.write_all(&[&head, payload].concat()).unwrap();
}

/// Reads frames up to one of this type (RFC 9113, section 6) on this stream.
fn until_frame(stream: &mut TcpStream, wanted: u8, id: u32) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).unwrap();
        if head[3] == wanted && head[5..] == id.to_be_bytes() {
            return;
        }
    }
}
