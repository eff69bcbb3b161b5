//! What this process was handed over at its start.

use std::env;
use std::io;
use std::os::fd::OwnedFd;

use crate::error::Error;
use crate::sockets::Sockets;
use crate::sys::socket::Kind;
use crate::sys::{fds, process, scm, socket};
use crate::wire::environment::{self, Announced};
use crate::wire::handover::{self, MAX_MESSAGE, Message};

#[derive(Debug)]
pub(crate) struct Inheritance {
    pub(crate) sockets: Sockets,
    pub(crate) state: Option<Vec<u8>>,
    pub(crate) predecessor: Option<Predecessor>,
    /// A supervisor that starts our successors itself.
    pub(crate) is_supervised: bool,
}

/// The process that we are to replace.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) channel: Option<OwnedFd>,
    /// Readable once it has ended.
    pub(crate) pidfd: OwnedFd,
}

const VERSION_BEFORE: &str = "the version before";

impl Inheritance {
    pub(crate) fn take() -> Result<Self, Error> {
        let get = |name: &str| env::var_os(name);
        let own = std::process::id();
        let read = |get: &dyn Fn(&str) -> Option<_>| {
            environment::read(get, own, process::own_pidfd_id())
                .map_err(|(from, why)| Error::Inherited { from, why })
        };
        let mut announced = read(&get)?;
        if let Announced::Channel(fd, identity) = announced {
            if fds::look(fd, |fd| fds::identity(fd).ok()).flatten() == Some(identity) {
                return Self::from_predecessor(fd);
            }
            // Meant for one of our ancestors.
            announced = read(&|name| get(name).filter(|_| name != environment::CHANNEL))?;
        }
        match announced {
            Announced::Nothing | Announced::Channel(..) => Ok(Self::new(Sockets::none(), false)),
            Announced::Systemd(all) => Ok(Self::new(take_all("systemd", all)?, false)),
            Announced::Supervisor(all) => Ok(Self::new(take_all("the supervisor", all)?, true)),
        }
    }

    fn new(sockets: Sockets, is_supervised: bool) -> Self {
        Self {
            sockets,
            state: None,
            predecessor: None,
            is_supervised,
        }
    }

    /// The channel stands where standard input belongs, and brings the real one. It costs nothing between fork and
    /// exec of the old process, and so can be done by the one call that does not copy its memory.
    fn from_predecessor(number: i32) -> Result<Self, Error> {
        let error = |why: io::Error| Error::Inherited {
            from: VERSION_BEFORE,
            why: why.to_string(),
        };
        let channel = fds::look(number, |fd| fds::duplicate(fd));
        let channel = channel
            .unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()))
            .map_err(error)?;
        let mut buffer = vec![0; MAX_MESSAGE];
        let (length, fds) = scm::receive(&channel, &mut buffer).map_err(error)?;
        let Some(Message::HandOver(hand_over)) = Message::decode(&buffer[..length]) else {
            let why = "they are described in a format of another version of this library".into();
            return Err(Error::Inherited {
                from: VERSION_BEFORE,
                why,
            });
        };
        let mut fds = fds.into_iter();
        if let Some(stdin) = fds.next() {
            rustix::stdio::dup2_stdin(stdin).map_err(|why| error(why.into()))?;
        }
        if fds.len() != hand_over.sockets.len() {
            return Err(error(io::Error::other("some of them did not arrive")));
        }
        let sockets = Sockets::inherit(VERSION_BEFORE, fds.zip(hand_over.sockets))?;
        let predecessor = process::watch(hand_over.pid)
            .map_err(error)?
            .map(|pidfd| Predecessor {
                channel: Some(channel),
                pidfd,
            });
        Ok(Self {
            state: hand_over.state,
            predecessor,
            ..Self::new(sockets, false)
        })
    }
}

fn take_all(from: &'static str, all: Vec<(i32, String)>) -> Result<Sockets, Error> {
    let mut taken = Vec::new();
    for (number, name) in all {
        let error = |why: String| Error::Inherited { from, why };
        let described = fds::look(number, |fd| socket::describe(fd)).flatten();
        let (kind, _) = described.ok_or_else(|| {
            error(format!("descriptor {number} is no listening socket; is the program started through a wrapper?"))
        })?;
        let fd = fds::take(number).map_err(|why| error(format!("descriptor {number}: {why}")))?;
        taken.push((fd, given(kind, name)));
    }
    Sockets::inherit(from, taken)
}

fn given(kind: Kind, name: String) -> handover::Socket {
    handover::Socket {
        kind,
        name,
        asked: String::new(),
        given: true,
        file: None,
    }
}
