//! Clients that take up places, each of a crowd in the same manner, for as long as it is there.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socketmaster::sys::process;

/// What a client does with its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Silent,
    /// A byte a second.
    Slow,
    Garbage,
    /// A megabyte, as far as it is taken.
    Huge,
    /// Half of the body that it has announced.
    Half,
    /// One whole request, whose answer it does not read.
    Deaf,
}

pub(super) const MANNERS: [Manner; 6] = [
    Manner::Silent,
    Manner::Slow,
    Manner::Garbage,
    Manner::Huge,
    Manner::Half,
    Manner::Deaf,
];

/// Many of them.
#[derive(Debug)]
pub(super) struct Crowd {
    stay: Sender<()>,
    clients: JoinHandle<()>,
}

impl Crowd {
    /// Returns when all have come and said the first of what they have to say.
    pub(super) fn come(socket: &Path, count: usize, manner: Manner) -> Self {
        // Some have a limit of 1,024, and each is a descriptor.
        let _ = process::raise_descriptor_limit();
        let mut clients: Vec<_> = (0..count).map(|_| connect(socket)).collect();
        let words = manner.words();
        for client in &mut clients {
            // Whoever has been sent away already cannot say it.
            let _ = client.write(&words);
        }
        let (stay, going) = channel();
        let clients = thread::spawn(move || {
            while let Err(RecvTimeoutError::Timeout) = going.recv_timeout(Duration::from_secs(1)) {
                if manner == Manner::Slow {
                    clients
                        .iter_mut()
                        .for_each(|client| drop(client.write(b"x")));
                }
            }
        });
        Self { stay, clients }
    }

    pub(super) fn go(self) {
        drop(self.stay);
        self.clients.join().unwrap();
    }
}

impl Manner {
    fn words(self) -> Vec<u8> {
        match self {
            Self::Silent => Vec::new(),
            Self::Slow => b"GET /v1/status HTTP/1.1\r\nhost: ".to_vec(),
            Self::Garbage => b"\x00\xff\r\n\r\n{}\r\n".to_vec(),
            Self::Huge => vec![b'x'; 1 << 20],
            Self::Half => {
                b"POST /v1/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{".to_vec()
            }
            Self::Deaf => b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        }
    }
}

/// Connects, and waits from then on for nothing.
pub(super) fn connect(socket: &Path) -> UnixStream {
    let client = UnixStream::connect(socket).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}
