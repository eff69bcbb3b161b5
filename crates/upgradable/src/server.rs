//! The handle of a server.

use std::fmt::{self, Display};
use std::net::UdpSocket;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;

use crate::answer::{self, Upgrade};
use crate::error::{Cut, Error};
use crate::gate::{Stage, Until};
use crate::inherit::Inheritance;
use crate::keeper::Keeper;
use crate::listener::Listener;
use crate::options::Options;
use crate::program::Program;
use crate::refusal;
use crate::shared::{Note, Shared};
use crate::sys::socket::Kind;
use crate::sys::wake::Wake;

/// A server that can be replaced. There is one in a process; clones mean the same.
#[derive(Clone, Debug)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

static MADE: AtomicBool = AtomicBool::new(false);

impl Server {
    /// Takes what was handed over and watches for signals, as [`Options`] say without being told otherwise. Line 1 of
    /// `main`: a descriptor that is opened before, or a child that is started before, may meet the ones that are
    /// handed over.
    ///
    /// SIGTERM, SIGINT and SIGQUIT ask the server to stop from here on. A second one ends the process at once with
    /// status 128 + the signal, and so does the first one before the server is ready. Handlers of others run too.
    ///
    /// # Errors
    /// - [`Error::Twice`]: it has been called before.
    /// - [`Error::Inherited`]: what was handed over makes no sense. A new version that fails here costs nothing: the
    ///   old one serves on.
    /// - [`Error::Watch`]: out of descriptors or threads.
    pub fn new() -> Result<Self, Error> {
        Self::start(Options::new())
    }

    pub(crate) fn start(options: Options) -> Result<Self, Error> {
        if MADE.swap(true, Ordering::SeqCst) {
            return Err(Error::Twice);
        }
        let wake = Arc::new(Wake::new().map_err(Error::Watch)?);
        // Before anything can take its time: a stop that comes now is not to be lost, nor to kill.
        let signals = Keeper::signals(&options, &wake).map_err(Error::Watch)?;
        let program = Program::of_this_process();
        let inherited = Inheritance::take()?;
        let refusal = refusal::of_environment(&inherited, options.pid_file.is_some());
        let shared = Shared::new(options, wake, inherited.sockets, inherited.state);
        let shared = Arc::new(shared.map_err(Error::Watch)?);
        let keeper = Keeper::new(
            Arc::clone(&shared),
            signals,
            program,
            inherited.predecessor,
            refusal,
        );
        let thread = thread::Builder::new().name("upgradable".into());
        thread.spawn(move || keeper.run()).map_err(Error::Watch)?;
        Ok(Self { shared })
    }

    /// Listens on `HOST:PORT`, `:PORT` (every address; where there is no IPv6, every one of IPv4), `unix:PATH` or
    /// `unix:@NAME`: on the socket handed over for it, or, if none was handed over at all, on a new one. All listening
    /// sockets are to be asked for before the first accept.
    ///
    /// The sockets can come from the version before, from socketmaster (`EINHORN_FDS`), or from systemd
    /// (sd_listen_fds(3)). A port of 0 means any port of that host.
    ///
    /// # Errors
    /// - [`Error::Address`]: it is none of these.
    /// - [`Error::Unmatched`]: a supervisor handed over sockets, and this is none of them.
    /// - [`Error::Ambiguous`], [`Error::Duplicate`]: it is not clear which one, or it is taken.
    /// - [`Error::Bind`]: what bind(2) says.
    pub fn listen(&self, address: impl Display) -> Result<Listener, Error> {
        self.listen_as("", address)
    }

    /// Listens on the socket that the supervisor handed over under this name (`FileDescriptorName=` of
    /// systemd.socket(5), `name=` of a socketmaster listener), whatever its address is; without a supervisor as
    /// [`Server::listen`].
    ///
    /// # Errors
    /// As [`Server::listen`].
    pub fn listen_as(&self, name: &str, address: impl Display) -> Result<Listener, Error> {
        let asked = address.to_string();
        let held = self.shared.sockets().claim(Kind::Listener, name, &asked)?;
        Ok(Listener::new(self.clone(), held))
    }

    /// A UDP socket, handed over or bound. The new version gets the same one; which of the two gets a datagram while
    /// both read is undefined, so stop reading at [`Server::leaving`].
    ///
    /// # Errors
    /// As [`Server::listen`].
    pub fn datagram(&self, address: impl Display) -> Result<UdpSocket, Error> {
        let asked = address.to_string();
        let held = self.shared.sockets().claim(Kind::Datagram, "", &asked)?;
        let socket = held
            .fd
            .try_clone()
            .map_err(|error| Error::Bind(asked, error))?;
        Ok(socket.into())
    }

    /// Says that the server can serve, for one that has to warm up first ([`Options::explicit_ready`]): `READY=1` of
    /// sd_notify(3) to the supervisor, and our own word to the version before. Later calls do nothing.
    pub fn ready(&self) {
        self.shared.ready();
    }

    /// Starts the program at this one's path again, hands it the sockets, and waits until it is ready. Then this
    /// process accepts no more and leaves. If it does not become ready, nothing has changed, and it can be tried
    /// again.
    ///
    /// The program is found by `argv[0]` as this process was started, links not resolved, in the directory where it
    /// was started: so `current -> releases/42` is followed anew each time. It gets the same arguments.
    ///
    /// # Errors
    /// See [`UpgradeError`](crate::UpgradeError).
    pub fn upgrade(&self) -> Upgrade {
        let (asker, upgrade) = answer::pair();
        self.shared.note(Note::Upgrade(asker));
        upgrade
    }

    /// Asks the server to stop, as SIGTERM does.
    pub fn stop(&self) {
        self.shared.note(Note::Stop);
    }

    /// From when on the server leaves, because its successor serves or because it was told to stop. Clients are to be
    /// asked to go now; `serve` does that for HTTP.
    pub fn leaving(&self) -> Until {
        Until::new(&self.shared.gate, Stage::Leaving)
    }

    /// From when on connections that are idle are to be closed: the lame duck is over. `serve` does that for HTTP.
    pub fn closing(&self) -> Until {
        Until::new(&self.shared.gate, Stage::Closing)
    }

    /// When the server has left: no connection is open, or the drain timeout is over. The end of `main`. A process
    /// whose `main` does not get here by the end of the drain timeout, because it is stuck in a connection, is ended a
    /// second later with status 1.
    ///
    /// # Errors
    /// [`Error::Cut`]: the drain timeout came first.
    pub fn drained(&self) -> Drained {
        let over = Until::new(&self.shared.gate, Stage::Over);
        Drained {
            over,
            shared: Arc::clone(&self.shared),
        }
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// What the version before left ([`Options::state`]); `None` if there was none or it left nothing.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        self.shared.inherited_state.as_deref()
    }
}

/// The end of a server: a future for any runtime, with [`Drained::wait`] for a thread.
#[must_use = "the process ends before its connections unless this is waited for"]
pub struct Drained {
    over: Until,
    shared: Arc<Shared>,
}

impl Drained {
    /// Blocks this thread until the server has left.
    ///
    /// # Errors
    /// [`Error::Cut`]: the drain timeout came first.
    pub fn wait(self) -> Result<(), Error> {
        self.over.wait();
        self.outcome()
    }

    fn outcome(&self) -> Result<(), Error> {
        match self.shared.cut.load(Ordering::SeqCst) {
            0 => Ok(()),
            connections => {
                self.shared.note(Note::Over);
                Err(Cut { connections }.into())
            }
        }
    }
}

impl Future for Drained {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.over).poll(cx).map(|()| self.outcome())
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}
