//! What a process says to its successor and hears from it: messages of fields, each with a tag and a length.
//!
//! A field that is not known is passed over, so fields can be added; a change that an older program would misread
//! raises [`VERSION`].

use crate::sys::fds::Identity;
use crate::sys::socket::Kind;

/// The version of the format.
const VERSION: u32 = 1;

const MAGIC: &[u8; 4] = b"UPGR";

/// The largest message, and the largest state in it, in bytes: what a unix socket takes at once with its customary
/// buffer (`net.core.wmem_default`, 212,992).
pub(crate) const MAX_MESSAGE: usize = 128 * 1024;
pub(crate) const MAX_STATE: usize = 64 * 1024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// From old to new, with the descriptors of standard input and of the sockets, in this order.
    HandOver(HandOver),
    /// From new to old: the process with this pid can serve.
    Ready { pid: u32 },
    /// From old to new: serve.
    Welcome,
}

/// What the old process leaves to the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HandOver {
    /// The old process.
    pub(crate) pid: u32,
    pub(crate) sockets: Vec<Socket>,
    /// Bytes of the server's own.
    pub(crate) state: Option<Vec<u8>>,
}

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// The address as the server asked for it: `127.0.0.1:0` gets the same port again.
    pub(crate) asked: String,
    /// It came from a supervisor or from systemd at the beginning, and is not ours to end.
    pub(crate) given: bool,
    /// The socket file that the last of the chain removes.
    pub(crate) file: Option<Identity>,
}

mod tag {
    pub(super) const HAND_OVER: u16 = 1;
    pub(super) const READY: u16 = 2;
    pub(super) const WELCOME: u16 = 3;

    pub(super) const PID: u16 = 1;
    pub(super) const SOCKET: u16 = 2;
    pub(super) const STATE: u16 = 3;

    pub(super) const KIND: u16 = 1;
    pub(super) const NAME: u16 = 2;
    pub(super) const ASKED: u16 = 3;
    pub(super) const FILE: u16 = 4;
    pub(super) const GIVEN: u16 = 5;
}

impl Message {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        match self {
            Self::HandOver(hand_over) => put(&mut out, tag::HAND_OVER, &hand_over.encode()),
            Self::Ready { pid } => put(&mut out, tag::READY, &pid.to_le_bytes()),
            Self::Welcome => put(&mut out, tag::WELCOME, &[]),
        }
        out
    }

    /// `None` for what is no message, or one of a version that we do not understand.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.strip_prefix(MAGIC)?;
        let (version, bytes) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*version) != VERSION {
            return None;
        }
        fields(bytes)?
            .into_iter()
            .find_map(|(tag, value)| match tag {
                tag::HAND_OVER => HandOver::decode(value).map(Self::HandOver),
                tag::READY => number(value).map(|pid| Self::Ready { pid }),
                tag::WELCOME => Some(Self::Welcome),
                _ => None,
            })
    }
}

impl HandOver {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, tag::PID, &self.pid.to_le_bytes());
        for socket in &self.sockets {
            put(&mut out, tag::SOCKET, &socket.encode());
        }
        if let Some(state) = &self.state {
            put(&mut out, tag::STATE, state);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut this = Self::default();
        for (tag, value) in fields(bytes)? {
            match tag {
                tag::PID => this.pid = number(value)?,
                tag::SOCKET => this.sockets.push(Socket::decode(value)?),
                tag::STATE => this.state = Some(value.into()),
                _ => {}
            }
        }
        (this.pid != 0).then_some(this)
    }
}

impl Socket {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(
            &mut out,
            tag::KIND,
            &[u8::from(self.kind == Kind::Datagram)],
        );
        put(&mut out, tag::NAME, self.name.as_bytes());
        put(&mut out, tag::ASKED, self.asked.as_bytes());
        put(&mut out, tag::GIVEN, &[u8::from(self.given)]);
        if let Some(Identity { device, inode }) = self.file {
            let both = [device.to_le_bytes(), inode.to_le_bytes()].concat();
            put(&mut out, tag::FILE, &both);
        }
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (mut kind, mut file, mut given) = (None, None, false);
        let (mut name, mut asked) = (String::new(), String::new());
        for (tag, value) in fields(bytes)? {
            match (tag, value) {
                (tag::KIND, [0]) => kind = Some(Kind::Listener),
                (tag::KIND, [1]) => kind = Some(Kind::Datagram),
                (tag::NAME, value) => name = String::from_utf8(value.into()).ok()?,
                (tag::ASKED, value) => asked = String::from_utf8(value.into()).ok()?,
                (tag::GIVEN, value) => given = value == [1],
                (tag::FILE, value) => {
                    let (device, inode) = value.split_first_chunk()?;
                    file = Some(Identity {
                        device: u64::from_le_bytes(*device),
                        inode: u64::from_le_bytes(inode.try_into().ok()?),
                    });
                }
                _ => {}
            }
        }
        Some(Self {
            kind: kind?,
            name,
            asked,
            given,
            file,
        })
    }
}

fn put(out: &mut Vec<u8>, tag: u16, value: &[u8]) {
    out.extend(tag.to_le_bytes());
    // Longer than any message can be: what is cut there cannot be sent either.
    out.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend(value);
}

fn fields(mut bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (tag, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (value, rest) = rest.split_at_checked(length)?;
        all.push((u16::from_le_bytes(*tag), value));
        bytes = rest;
    }
    Some(all)
}

fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(value.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> [Message; 3] {
        let socket = |name: &str, file: Option<Identity>| Socket {
            kind: Kind::Listener,
            name: name.into(),
            asked: "127.0.0.1:0".into(),
            given: file.is_none(),
            file,
        };
        let file = Identity {
            device: 7,
            inode: u64::MAX,
        };
        [
            Message::HandOver(HandOver {
                pid: 77,
                sockets: vec![socket("web", None), socket("", Some(file))],
                state: Some(vec![0, 255]),
            }),
            Message::Ready { pid: 78 },
            Message::Welcome,
        ]
    }

    #[test]
    fn reads_what_it_writes() {
        for message in messages() {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        let known = messages()[0].encode();
        let mut inner = Vec::new();
        put(&mut inner, 99, b"new");
        inner.extend(&known[14..]);
        let mut newer = known[..8].to_vec();
        put(&mut newer, 98, b"newer");
        put(&mut newer, tag::HAND_OVER, &inner);
        assert_eq!(Message::decode(&newer), Some(messages()[0].clone()));
    }

    #[test]
    fn refuses_what_is_no_message() {
        let mut random = fastrand::Rng::with_seed(7);
        for message in messages() {
            let bytes = message.encode();
            for end in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..end]), None, "cut at {end}");
            }
            for _ in 0..2000 {
                let mut bytes = bytes.clone();
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
                // It may mean something else now, but it never panics.
                let _ = Message::decode(&bytes);
            }
        }
        let mut other = Message::Welcome.encode();
        other[4] = 2;
        assert_eq!(Message::decode(&other), None, "another version");
    }
}
