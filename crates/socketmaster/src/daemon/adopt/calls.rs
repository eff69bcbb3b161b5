//! What a worker's calls have told of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::WorkerId;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::daemon::listeners::Place;
use crate::sys::watched::Watched;
use crate::sys::{fds, peer, seccomp, socket};

/// How much the log is told of one worker's calls.
const MOST_SAID: usize = 100;

/// From so many sockets on, those that are gone are looked for.
const MANY: usize = 64;

/// A worker whose calls we answer.
#[derive(Debug)]
pub struct Calls {
    pub(super) notify: Arc<OwnedFd>,
    pub(super) seen: Seen,
    _listening: Task,
}

/// What is known of its sockets, by their inodes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Listeners that it has bound, or that were adopted from it.
    pub(super) bound: BTreeSet<u64>,
    /// Those of them that it listens on.
    pub(super) listened: BTreeSet<u64>,
    /// Sockets of its own that it has bound, and may yet listen on.
    pub(super) own: BTreeMap<u64, Own>,
    /// Listeners that took the place of a socket which an epoll instance watched already, and watches no more.
    #[serde(default)]
    pub(super) early: BTreeSet<u64>,
    /// Threads that a signal took from a bind which was done. Only on kernels before 5.19.
    #[serde(default)]
    pub(super) unheard: BTreeSet<i32>,
    /// Whether it said `READY=1` while a listener was missing.
    pub(super) says_ready: bool,
    /// Whether it uses io_uring, whose binds nobody sees.
    pub(super) uses_ring: bool,
    /// What the log has been told, which is not said twice.
    pub(super) said: BTreeSet<String>,
}

/// A socket of the program's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Own {
    pub(super) place: Place,
    /// The path of a unix socket, from the root on.
    pub(super) file: Option<OsString>,
    /// The thread that bound it, and the number that it has there.
    pub(super) holder: (i32, i32),
}

/// What an upgrade hands over.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldCalls {
    fd: i32,
    seen: Seen,
}

impl Calls {
    /// Takes calls from this descriptor from now on.
    ///
    /// # Errors
    /// Out of memory.
    pub fn listen(notify: OwnedFd, id: WorkerId, inputs: &Inputs) -> io::Result<Self> {
        Self::with(notify, Seen::default(), id, inputs)
    }

    fn with(notify: OwnedFd, seen: Seen, id: WorkerId, inputs: &Inputs) -> io::Result<Self> {
        let notify = Arc::new(notify);
        let watched = Watched::for_input(Arc::clone(&notify))?;
        let inputs = inputs.clone();
        // A call that was taken is in the queue at once: nothing is held here that an upgrade could lose.
        let listening = Task::spawn(async move {
            while let Ok(call) = watched.read(seccomp::next).await {
                let Some(call) = call else {
                    let _ = inputs.send(Input::Deserted(id));
                    return;
                };
                if inputs.send(Input::Call(id, call)).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            notify,
            seen,
            _listening: listening,
        })
    }

    /// Whether it has come to none of the listeners.
    #[must_use]
    pub fn has_bound_nothing(&self) -> bool {
        self.seen.bound.is_empty()
    }

    /// Whether it has bound the listener with this inode.
    #[must_use]
    pub fn has_bound(&self, inode: u64) -> bool {
        self.seen.bound.contains(&inode)
    }

    /// Whether something is said for the first time, and not the hundredth of its kind.
    pub(super) fn is_news(&mut self, text: &str) -> bool {
        self.seen.said.len() < MOST_SAID && self.seen.said.insert(text.to_owned())
    }

    /// Takes note of a socket that is about to be bound. Those that are closed again without a word, as clients do that
    /// bind their own port, are forgotten in time.
    pub(super) fn remember(&mut self, inode: u64, own: Own) {
        let sockets = &mut self.seen.own;
        if sockets.len() >= MANY && sockets.len().is_power_of_two() {
            sockets.retain(|inode, own| own.is_open(*inode));
        }
        sockets.insert(inode, own);
    }

    /// What the next program needs to go on.
    #[must_use]
    pub fn to_held(&self) -> HeldCalls {
        HeldCalls {
            fd: self.notify.as_raw_fd(),
            seen: self.seen.clone(),
        }
    }

    /// Goes on where another program left off.
    ///
    /// # Errors
    /// The descriptor is not there.
    pub fn from_held(held: HeldCalls, id: WorkerId, inputs: &Inputs) -> io::Result<Self> {
        Self::with(fds::take_over(held.fd)?, held.seen, id, inputs)
    }
}

impl HeldCalls {
    /// The descriptor's number.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.fd
    }
}

impl Own {
    fn is_open(&self, inode: u64) -> bool {
        let (tid, number) = self.holder;
        let now = peer::copy_fd(tid, number).and_then(|copy| socket::inode(copy.as_fd()));
        now.is_ok_and(|now| now == inode)
    }

    pub(super) fn path(&self) -> Option<PathBuf> {
        self.file.as_ref().map(PathBuf::from)
    }
}
