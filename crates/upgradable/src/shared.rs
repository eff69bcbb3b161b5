//! What the handles of a server and its keeper share.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::answer::Asker;
use crate::error::UpgradeError;
use crate::gate::{Gate, Stage};
use crate::options::Options;
use crate::sockets::Sockets;
use crate::sys::clock;
use crate::sys::wake::Wake;

/// A wish of the server.
#[derive(Debug)]
pub(crate) enum Note {
    Ready,
    Upgrade(Asker),
    Stop,
    /// `main` knows that it is over.
    Over,
}

pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) gate: Arc<Gate>,
    /// Wakes the keeper.
    pub(crate) wake: Arc<Wake>,
    /// Readable from the moment when no more is to be accepted: one descriptor that ends every poll.
    pub(crate) halt: Wake,
    pub(crate) sockets: Mutex<Sockets>,
    pub(crate) inherited_state: Option<Vec<u8>>,
    /// Nobody comes after us: what is queued is ours to serve.
    pub(crate) last: AtomicBool,
    /// We have come to serve at all.
    pub(crate) served: AtomicBool,
    /// The connections that were cut, once it is over.
    pub(crate) cut: AtomicUsize,
    connections: AtomicUsize,
    listeners: AtomicUsize,
    asked_ready: AtomicBool,
    notes: Mutex<Vec<Note>>,
    complained: Mutex<Option<Duration>>,
}

/// Between two complaints about the same thing.
const QUIET: Duration = Duration::from_secs(10);

impl Shared {
    pub(crate) fn new(
        options: Options,
        wake: Arc<Wake>,
        sockets: Sockets,
        inherited_state: Option<Vec<u8>>,
    ) -> io::Result<Self> {
        Ok(Self {
            options,
            gate: Arc::default(),
            wake,
            halt: Wake::new()?,
            sockets: Mutex::new(sockets),
            inherited_state,
            last: AtomicBool::new(false),
            served: AtomicBool::new(false),
            cut: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            listeners: AtomicUsize::new(0),
            asked_ready: AtomicBool::new(false),
            notes: Mutex::new(Vec::new()),
            complained: Mutex::new(None),
        })
    }

    pub(crate) fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, note: Note) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(note);
        self.wake.wake();
    }

    pub(crate) fn take_notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says once that the server can serve.
    pub(crate) fn ready(&self) {
        if !self.asked_ready.swap(true, Ordering::SeqCst) {
            self.note(Note::Ready);
        }
    }

    /// Says something to the operator. A logger that panics must not end the keeper.
    pub(crate) fn log(&self, line: &str) {
        let _ = catch_unwind(AssertUnwindSafe(|| (self.options.log)(line)));
    }

    /// What the server wants to hand over besides its sockets.
    pub(crate) fn make_state(&self) -> Result<Option<Vec<u8>>, UpgradeError> {
        let make = |make: &Arc<dyn Fn() -> Vec<u8> + Send + Sync>| {
            let made = catch_unwind(AssertUnwindSafe(|| make()));
            made.map_err(|_| {
                UpgradeError::HandOver(io::Error::other("the state function panicked"))
            })
        };
        self.options.state.as_ref().map(make).transpose()
    }

    /// Logs what would fill the log if it were said each time.
    pub(crate) fn complain(&self, line: &str) {
        let now = clock::now();
        let mut last = self
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now >= last + QUIET) {
            *last = Some(now);
            drop(last);
            self.log(line);
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Whether no connection is open and none can come any more.
    pub(crate) fn is_idle(&self) -> bool {
        let stage = self.gate.stage();
        // A listener that is not asked any more cannot say that its queue is empty: it is waited for for a while only.
        let no_more = self.listeners.load(Ordering::SeqCst) == 0 || stage >= Stage::Closing;
        stage >= Stage::Leaving && no_more && self.connections() == 0
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Server");
        f.field("stage", &self.gate.stage());
        f.field("connections", &self.connections());
        f.finish_non_exhaustive()
    }
}

/// What counts as long as it lives.
#[derive(Debug)]
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    counts: Counts,
}

#[derive(Clone, Copy, Debug)]
enum Counts {
    Connection,
    Listener,
}

impl Ticket {
    /// A connection. Take it before accepting: between the accept and the count the server might look idle.
    pub(crate) fn connection(shared: &Arc<Shared>) -> Self {
        Self::new(shared, Counts::Connection)
    }

    pub(crate) fn listener(shared: &Arc<Shared>) -> Self {
        Self::new(shared, Counts::Listener)
    }

    fn new(shared: &Arc<Shared>, counts: Counts) -> Self {
        let this = Self {
            shared: Arc::clone(shared),
            counts,
        };
        this.counter().fetch_add(1, Ordering::SeqCst);
        this
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn counter(&self) -> &AtomicUsize {
        match self.counts {
            Counts::Connection => &self.shared.connections,
            Counts::Listener => &self.shared.listeners,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let was = self.counter().fetch_sub(1, Ordering::SeqCst);
        if was == 1 && self.shared.gate.stage() >= Stage::Leaving {
            self.shared.wake.wake();
        }
    }
}
