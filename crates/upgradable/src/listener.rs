//! A socket that connections are accepted from, until it is time to go.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::address::Address;
use crate::conn::{Conn, Stream};
use crate::gate::Stage;
use crate::server::Server;
use crate::shared::{Shared, Ticket};
use crate::sockets::Held;
use crate::sys::{socket, wake};

/// A listening socket. Share it by reference among threads; each connection goes to one of them.
pub struct Listener<S = Stream> {
    pub(crate) server: Server,
    pub(crate) address: Address,
    layer: Layer<Stream, S>,
    /// The layer is one of the user's.
    pub(crate) is_wrapped: bool,
    open: Mutex<Option<Arc<Open>>>,
}

pub(crate) type Layer<A, B> = Box<dyn Fn(A) -> B + Send + Sync>;

/// The socket for as long as it is accepted from.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) fd: Arc<OwnedFd>,
    /// A supervisor holds it too: what waits in its queue is not lost when we close it.
    given: bool,
    _ticket: Ticket,
}

impl Open {
    /// Whether more is to be accepted: as long as we serve, and then what is queued if nobody else will.
    pub(crate) fn is_wanted(&self, shared: &Shared) -> bool {
        shared.gate.stage() < Stage::Leaving || self.may_take_rest(shared)
    }

    fn may_take_rest(&self, shared: &Shared) -> bool {
        let ours = shared.last.load(Ordering::SeqCst) && shared.served.load(Ordering::SeqCst);
        ours && !self.given
    }
}

impl Listener {
    pub(crate) fn new(server: Server, held: Held) -> Self {
        let open = Open {
            fd: held.fd,
            given: held.given,
            _ticket: Ticket::listener(&server.shared),
        };
        Self {
            server,
            address: held.address,
            layer: Box::new(|stream| stream),
            is_wrapped: false,
            open: Mutex::new(Some(Arc::new(open))),
        }
    }
}

impl<S> Listener<S> {
    /// Where it is bound: the port that the system chose, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Puts a layer of your own around each connection: counting, limiting, encrypting.
    ///
    /// ```no_run
    /// use std::io::{self, Read};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use upgradable::{Server, Stream};
    ///
    /// struct Counting(Stream, Arc<AtomicUsize>);
    ///
    /// impl Read for Counting {
    ///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
    ///         self.0.read(buffer).inspect(|n| _ = self.1.fetch_add(*n, Ordering::Relaxed))
    ///     }
    /// }
    ///
    /// let received = Arc::new(AtomicUsize::new(0));
    /// let listener = Server::new()?.listen(":8080")?;
    /// let listener = listener.wrap(move |stream| Counting(stream, Arc::clone(&received)));
    /// # Ok::<(), upgradable::Error>(())
    /// ```
    pub fn wrap<T>(self, layer: impl Fn(S) -> T + Send + Sync + 'static) -> Listener<T>
    where
        S: 'static,
    {
        let inner = self.layer;
        Listener {
            server: self.server,
            address: self.address,
            layer: Box::new(move |stream| layer(inner(stream))),
            is_wrapped: true,
            open: self.open,
        }
    }

    /// Waits for the next connection; `None` when there will be no more, because the successor serves or a stop was
    /// asked for. At a stop for good what waits in the queue comes first.
    ///
    /// The first call makes the server ready ([`Server::ready`]), unless that was reserved
    /// ([`Options::explicit_ready`](crate::Options::explicit_ready)).
    ///
    /// It does not fail: where accept(2) does, because this process or the system is out of descriptors or memory, it
    /// says so in the log and tries again after a while.
    pub fn accept(&self) -> Option<Conn<S>> {
        let shared = &self.server.shared;
        if !shared.options.explicit_ready {
            shared.ready();
        }
        shared.gate.wait(Stage::Serving);
        let mut pause = Pause::default();
        loop {
            let open = self.lock().clone()?;
            let leaving = shared.gate.stage() >= Stage::Leaving;
            match accept(shared, &open) {
                Accepted::One(fd, peer, ticket) => {
                    let stream = (self.layer)(Stream::new(fd, &self.address));
                    return Some(Conn::new(stream, peer, ticket));
                }
                Accepted::Again => {}
                // Nobody is waiting any more, or it is not for us to serve them.
                Accepted::NoMore => *self.lock() = None,
                Accepted::None | Accepted::Failed(_) if leaving => *self.lock() = None,
                Accepted::None => {
                    wake::wait(&[open.fd.as_fd(), shared.halt.as_fd()], None);
                }
                Accepted::Failed(error) => {
                    let span = pause.after(&error, shared, &self.address);
                    wake::wait(&[shared.halt.as_fd()], Some(span));
                }
            }
        }
    }

    /// The connections to come, as [`Listener::accept`] has them.
    #[must_use = "an iterator does nothing by itself"]
    pub fn incoming(&self) -> Incoming<'_, S> {
        Incoming(self)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn take_open(&self) -> Option<Arc<Open>> {
        self.lock().take()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> fmt::Debug for Listener<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .field("is_wrapped", &self.is_wrapped)
            .finish_non_exhaustive()
    }
}

/// The connections of a [`Listener`], until there will be no more.
#[derive(Debug)]
pub struct Incoming<'a, S>(&'a Listener<S>);

impl<S> Iterator for Incoming<'_, S> {
    type Item = Conn<S>;

    fn next(&mut self) -> Option<Conn<S>> {
        self.0.accept()
    }
}

/// How one try ended.
pub(crate) enum Accepted {
    One(OwnedFd, Address, Ticket),
    None,
    /// That one was gone again.
    Again,
    /// We are not to try.
    NoMore,
    Failed(io::Error),
}

/// Tries once, without waiting.
pub(crate) fn accept(shared: &Arc<Shared>, open: &Open) -> Accepted {
    let ticket = Ticket::connection(shared);
    // After the ticket: who looks for open connections after the stage has changed sees either this or nothing.
    if !open.is_wanted(shared) {
        return Accepted::NoMore;
    }
    match socket::accept(&open.fd) {
        Ok((fd, peer)) => Accepted::One(fd, peer, ticket),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Accepted::None,
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => Accepted::Again,
            _ => Accepted::Failed(error),
        },
    }
}

/// Growing pauses after failures.
#[derive(Debug, Default)]
pub(crate) struct Pause(Option<Duration>);

const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(1);

impl Pause {
    /// How long to wait now.
    pub(crate) fn after(
        &mut self,
        error: &io::Error,
        shared: &Shared,
        address: &Address,
    ) -> Duration {
        if error.kind() == io::ErrorKind::InvalidInput
            && let Some(held) = shared.sockets().at(address)
        {
            // It does not listen any more: another process that shares it has shut it down, for all. That can be
            // undone. If not, there is nothing left to try but this again.
            let _ = socket::relisten(&held.fd);
        }
        shared.complain(&format!("cannot accept on {address} for now: {error}"));
        let span = self.0.map_or(SHORTEST, |span| LONGEST.min(span * 2));
        self.0 = Some(span);
        span
    }
}
