//! What the supervisor and its log forwarder tell each other: one JSON value a message, on a `SOCK_SEQPACKET` pair.
//!
//! The forwarder outlives the supervisor that started it, so the two may be of different versions: fields are only
//! ever added, and a message or field that the reader doesn't know is skipped.

use serde::{Deserialize, Serialize};

/// The version of these messages. It is raised only if an older forwarder could no longer do its work.
pub const PROTOCOL: u32 = 1;

/// The longest message and the receiver's buffer, in bytes: far less than a socket's, which is 208 KiB by default.
pub const MESSAGE_MAX: usize = 16 * 1024;

/// After so many calls of a worker the forwarder is told the number of one again. The kernel counts them up
/// (`seccomp_next_notify_id`), so that one tells which numbers those may have that a killed supervisor did not answer.
pub const CALLS_UNTOLD: u64 = 1024;

/// The longest message to a reader of the log, in bytes: several fit a socket.
pub const FOLLOW_MAX: usize = 32 * 1024;

/// Ends a text that would not have fitted.
const CUT: &str = " [cut]";

/// What one pipe of a worker carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Both its standard output and its standard error: the text format doesn't tell them apart, and one pipe keeps
    /// their order.
    Output,
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}

/// Whose lines a pipe carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The worker's pid.
    pub pid: i32,
    /// The worker's generation.
    pub generation: u64,
    /// The worker's slot in its generation.
    pub slot: u32,
    /// Which of its streams.
    pub stream: Stream,
}

/// What somebody wants to read of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// So many of the last lines, as far as they are kept.
    pub lines: usize,
    /// Instead of these all from this position on, as far as they are kept.
    #[serde(default)]
    pub after: Option<u64>,
    /// And those to come.
    #[serde(default)]
    pub follow: bool,
}

/// From the supervisor to the forwarder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToForwarder {
    /// A line of the supervisor's own, without its end; text with newlines becomes several. It is printed after all
    /// that the pipes hold at that moment.
    Line(String),
    /// The read end of a worker's pipe, as the one descriptor of the message.
    Pipe {
        /// The supervisor's name for it, never used twice.
        id: u64,
        /// Whose lines.
        #[serde(flatten)]
        origin: Origin,
    },
    /// The descriptor by which the system calls of a worker are answered, as the one descriptor of the message. It may
    /// come again, with news.
    Calls {
        /// The supervisor's name for the worker, never used twice.
        id: u64,
        /// Whether the supervisor answers no more. Until then, or until it has gone, the forwarder must take no call.
        left: bool,
        /// The number of a call that the supervisor took, if it has taken any. It is told again after [`CALLS_UNTOLD`].
        #[serde(default)]
        taken: Option<u64>,
    },
    /// Forget all those descriptors: another forwarder has them.
    Forget,
    /// Tell the last lines of this worker, when all that its pipes hold at that moment has been read.
    Tail {
        /// Comes back with the answer.
        id: u64,
        /// The worker's.
        pid: i32,
    },
    /// Somebody wants to read the log: the one descriptor of the message, a `SOCK_SEQPACKET`. The first message there is
    /// the position of the first line that comes, as a decimal number; each other one is lines, [`FOLLOW_MAX`] bytes at
    /// most.
    Follow(Follow),
    /// Forward what is there, wait for the end of the pipes no longer than this, and exit.
    Finish {
        /// In milliseconds.
        grace_ms: u64,
    },
}

/// From the forwarder to the supervisor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromForwarder {
    /// The pipe's last writer has gone and its last byte is read: a copy of the read end is of no more use.
    Closed {
        /// The name the pipe came with.
        id: u64,
    },
    /// The last process whose calls came by this descriptor has gone: a copy of it is of no more use.
    Deserted {
        /// The name the descriptor came with.
        id: u64,
    },
    /// The last lines of a worker: the oldest are left out until it fits [`MESSAGE_MAX`].
    Tail {
        /// That of the question.
        id: u64,
        /// Without their ends.
        lines: Vec<String>,
    },
}

impl ToForwarder {
    /// The bytes of one message. A text that doesn't fit [`MESSAGE_MAX`] is halved until it does, and says so.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = json(self);
        if let Self::Line(text) = self {
            let mut text = text.as_str();
            while bytes.len() > MESSAGE_MAX {
                text = &text[..floor_char_boundary(text, text.len() / 2)];
                bytes = json(&Self::Line(format!("{text}{CUT}")));
            }
        }
        bytes
    }

    /// The message in these bytes; `None` if it is none that this version knows.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl FromForwarder {
    /// The bytes of one message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = json(self);
        if let Self::Tail { id, lines } = self {
            let (id, mut lines) = (*id, &lines[..]);
            // Control characters take six bytes each.
            while let (true, [_, rest @ ..]) = (bytes.len() > MESSAGE_MAX, lines) {
                lines = rest;
                let lines = lines.to_vec();
                bytes = json(&Self::Tail { id, lines });
            }
        }
        bytes
    }

    /// The message in these bytes; `None` if it is none that this version knows.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The last character boundary at or before `at`.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or_default()
}

/// Writing plain fields to memory can't fail; if it ever did, the empty message is one that nobody knows.
fn json(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin {
        pid: 7,
        generation: 3,
        slot: 1,
        stream: Stream::Output,
    };

    #[test]
    fn messages_come_back_as_they_were() {
        for message in [
            ToForwarder::Line("Starting ./a [./a \u{1f600} \"\\]".into()),
            ToForwarder::Pipe {
                id: u64::MAX,
                origin: ORIGIN,
            },
            ToForwarder::Calls {
                id: 8,
                left: true,
                taken: Some(u64::MAX),
            },
            ToForwarder::Forget,
            ToForwarder::Tail { id: 1, pid: 7 },
            ToForwarder::Follow(Follow {
                lines: 50,
                after: Some(7),
                follow: true,
            }),
            ToForwarder::Finish { grace_ms: 5 },
        ] {
            assert_eq!(ToForwarder::decode(&message.encode()), Some(message));
        }
        for message in [
            FromForwarder::Closed { id: 9 },
            FromForwarder::Deserted { id: 9 },
            FromForwarder::Tail {
                id: 9,
                lines: vec!["a".into(), String::new()],
            },
        ] {
            assert_eq!(FromForwarder::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn a_newer_supervisor_is_understood_as_far_as_possible() {
        let newer = br#"{"Pipe":{"id":1,"pid":7,"generation":3,"slot":1,"stream":"Output","colour":"red"}}"#;
        assert_eq!(
            ToForwarder::decode(newer),
            Some(ToForwarder::Pipe {
                id: 1,
                origin: ORIGIN
            })
        );
        for unknown in [&br#"{"Rotate":{}}"#[..], br#""Flush""#, b"", b"\xff{"] {
            assert_eq!(ToForwarder::decode(unknown), None);
        }
    }

    #[test]
    fn of_lines_that_do_not_fit_the_last_are_told() {
        let mut lines = vec!["\u{1}".repeat(400); 20];
        lines.push("the end".into());
        let bytes = FromForwarder::Tail { id: 1, lines }.encode();
        assert!(bytes.len() <= MESSAGE_MAX);
        let Some(FromForwarder::Tail { lines, .. }) = FromForwarder::decode(&bytes) else {
            panic!()
        };
        assert!(lines.len() > 5 && lines.last().is_some_and(|line| line == "the end"));
    }

    #[test]
    fn the_longest_text_fits_a_message() {
        for text in ["\u{1}".repeat(100_000), "\u{20ac}".repeat(100_000)] {
            let bytes = ToForwarder::Line(text).encode();
            assert!(bytes.len() <= MESSAGE_MAX);
            let Some(ToForwarder::Line(cut)) = ToForwarder::decode(&bytes) else {
                panic!()
            };
            assert!(cut.ends_with(CUT) && cut.len() > MESSAGE_MAX / 13);
        }
    }
}
