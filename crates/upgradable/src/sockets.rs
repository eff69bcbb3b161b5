//! The sockets of a server: those that were handed over, and those that it has bound itself.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::address::Address;
use crate::error::Error;
use crate::sys::fds::{self, Identity};
use crate::sys::socket::{self, Kind};
use crate::wire::handover;

/// All of them.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// Who handed them over, in words.
    pub(crate) from: &'static str,
    /// Some came from a supervisor: then the set is theirs to decide.
    given: bool,
    held: Vec<Held>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) fd: Arc<OwnedFd>,
    kind: Kind,
    name: String,
    asked: String,
    pub(crate) address: Address,
    /// It is a supervisor's, which holds it too.
    pub(crate) given: bool,
    file: Option<Identity>,
    claimed: bool,
}

impl Sockets {
    pub(crate) fn none() -> Self {
        Self {
            from: "nobody",
            given: false,
            held: Vec::new(),
        }
    }

    /// Takes what was announced. Each must be a listening or a datagram socket.
    pub(crate) fn inherit(
        from: &'static str,
        fds: impl IntoIterator<Item = (OwnedFd, handover::Socket)>,
    ) -> Result<Self, Error> {
        let mut this = Self {
            from,
            ..Self::none()
        };
        for (fd, socket) in fds {
            let error = |why: String| Error::Inherited { from, why };
            let number = this.held.len() + 1;
            let (kind, address) = socket::describe(&fd)
                .ok_or_else(|| error(format!("number {number} is no listening socket")))?;
            if this
                .held
                .iter()
                .any(|held| held.kind == kind && held.address == address)
            {
                return Err(error(format!("{address} is there twice")));
            }
            if kind == Kind::Listener {
                // Whoever had it before us may have left it blocking, or with a short queue.
                socket::relisten(&fd).map_err(|err| error(format!("{address}: {err}")))?;
            }
            this.given |= socket.given;
            this.held.push(Held {
                fd: Arc::new(fd),
                kind,
                name: socket.name,
                asked: socket.asked,
                address,
                given: socket.given,
                file: socket.file,
                claimed: false,
            });
        }
        Ok(this)
    }

    /// The one that is asked for, inherited or bound.
    pub(crate) fn claim(&mut self, kind: Kind, name: &str, asked: &str) -> Result<Held, Error> {
        let address = Address::parse(asked)?;
        let mine = |held: &&Held| held.claimed && held.kind == kind;
        if self
            .held
            .iter()
            .filter(mine)
            .any(|held| held.name == name && held.asked == asked)
        {
            return Err(Error::Duplicate(asked.to_owned()));
        }
        if let Some(at) = self.find(kind, name, asked, &address)? {
            let held = &mut self.held[at];
            if held.claimed {
                return Err(Error::Duplicate(held.address.to_string()));
            }
            held.claimed = true;
            // What the successor will be asked for by its own words.
            asked.clone_into(&mut held.asked);
            return Ok(held.clone());
        }
        if self.given {
            return Err(Error::Unmatched {
                from: self.from,
                asked: describe(name, asked),
                held: self.list(|held| !held.claimed),
            });
        }
        self.bind(kind, name, asked, &address)
    }

    /// By name where a name is asked for and known; then by the very words in which the predecessor has asked; then
    /// by address.
    fn find(
        &self,
        kind: Kind,
        name: &str,
        asked: &str,
        address: &Address,
    ) -> Result<Option<usize>, Error> {
        let of_kind = || {
            self.held
                .iter()
                .enumerate()
                .filter(|(_, held)| held.kind == kind)
        };
        let by = |test: &dyn Fn(&Held) -> bool| {
            let found = of_kind().filter(|(_, held)| test(held)).map(|(at, _)| at);
            found.collect::<Vec<_>>()
        };
        let named = |held: &Held| name.is_empty() || held.name.is_empty() || held.name == name;
        let free = |held: &Held| !held.claimed && named(held);
        let ipv4 = Address::without_ipv6(asked);
        let tests: [&dyn Fn(&Held) -> bool; 5] = [
            &|held| !name.is_empty() && held.name == name && held.given,
            &|held| free(held) && held.asked == asked,
            &|held| free(held) && held.address == *address,
            &|held| free(held) && address.is_served_by(&held.address),
            &|held| {
                free(held)
                    && ipv4
                        .as_ref()
                        .is_some_and(|all| all.is_served_by(&held.address))
            },
        ];
        for test in tests {
            match *by(test) {
                [] => {}
                [one] => return Ok(Some(one)),
                // Several of one name: the address decides.
                _ if by(&|held| test(held) && held.address == *address).len() == 1 => {
                    let both = |held: &Held| test(held) && held.address == *address;
                    return Ok(by(&both).first().copied());
                }
                _ => {
                    let asked = describe(name, asked);
                    let held = self.list(test);
                    return Err(Error::Ambiguous { asked, held });
                }
            }
        }
        // Claimed under other words: not to be bound a second time.
        Ok(by(&|held| held.claimed && held.address == *address)
            .first()
            .copied())
    }

    fn bind(
        &mut self,
        kind: Kind,
        name: &str,
        asked: &str,
        address: &Address,
    ) -> Result<Held, Error> {
        let error = |error| Error::Bind(asked.to_owned(), error);
        let fd = match (kind, address) {
            (Kind::Listener, address) => {
                socket::listen(address).or_else(|error| match Address::without_ipv6(asked) {
                    Some(ipv4) if socket::lacks_family(&error) => socket::listen(&ipv4),
                    _ => Err(error),
                })
            }
            (Kind::Datagram, Address::Ip(address)) => socket::datagram(*address),
            (Kind::Datagram, _) => Err(std::io::ErrorKind::Unsupported.into()),
        };
        let fd = fd.map_err(error)?;
        let file = match address {
            Address::Unix(path) => fds::identity_at(path),
            _ => None,
        };
        let address = socket::describe(&fd).map_or_else(|| address.clone(), |(_, bound)| bound);
        let held = Held {
            fd: Arc::new(fd),
            kind,
            name: name.to_owned(),
            asked: asked.to_owned(),
            address,
            given: false,
            file,
            claimed: true,
        };
        self.held.push(held.clone());
        Ok(held)
    }

    /// Closes those that nobody has asked for, and says which they were.
    pub(crate) fn close_unclaimed(&mut self) -> Option<String> {
        let unclaimed = |held: &Held| !held.claimed;
        let list = self
            .held
            .iter()
            .any(unclaimed)
            .then(|| self.list(unclaimed));
        let gone: Vec<Held> = self.held.extract_if(.., |held| !held.claimed).collect();
        for held in gone {
            held.remove_file();
        }
        list
    }

    /// What a successor gets.
    pub(crate) fn hand_over(&self) -> (Vec<handover::Socket>, Vec<Arc<OwnedFd>>) {
        let describe = |held: &Held| handover::Socket {
            kind: held.kind,
            name: held.name.clone(),
            asked: held.asked.clone(),
            given: held.given,
            file: held.file,
        };
        let one = |held: &Held| (describe(held), Arc::clone(&held.fd));
        self.held.iter().map(one).unzip()
    }

    /// The one that is bound there.
    pub(crate) fn at(&self, address: &Address) -> Option<&Held> {
        self.held.iter().find(|held| held.address == *address)
    }

    /// Lets go of all. Nobody comes after us where `last`, so the socket files go too.
    pub(crate) fn let_go(&mut self, last: bool) {
        for held in self.held.drain(..) {
            if last {
                held.remove_file();
            }
        }
    }

    fn list(&self, test: impl Fn(&Held) -> bool) -> String {
        let matching = self.held.iter().filter(|held| test(held));
        let all: Vec<_> = matching
            .map(|held| describe(&held.name, &held.address.to_string()))
            .collect();
        if all.is_empty() {
            "nothing else".to_owned()
        } else {
            all.join(", ")
        }
    }
}

impl Held {
    fn remove_file(&self) {
        if let (Address::Unix(path), Some(file)) = (&self.address, self.file) {
            socket::unlink(path, file);
        }
    }
}

fn describe(name: &str, address: &str) -> String {
    if name.is_empty() {
        address.to_owned()
    } else {
        format!("{address} ({name})")
    }
}
