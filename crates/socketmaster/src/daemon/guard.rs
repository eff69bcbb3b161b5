//! The listeners, looked after: a worker shares them with all others, and can spoil them for all.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::Daemon;
use super::inputs::{Input, Inputs, Task};
use super::listeners::{Listener, Place};
use crate::sys::hangup::HangupWatch;
use crate::sys::watched::Watched;

/// The listeners and what is known of their state.
#[derive(Debug)]
pub(super) struct Sockets {
    listeners: Vec<Listener>,
    /// The highest that a listener has had.
    last_key: u64,
    /// In rising order.
    inodes: Vec<u64>,
    /// Whether each, by its inode, was non-blocking when the last worker became ready; `None` before the first.
    nonblocking: Option<BTreeMap<u64, bool>>,
    hint_given: bool,
    hangups: Arc<HangupWatch>,
    _watching: Task,
}

impl Sockets {
    /// Takes charge of the listeners, and removes their files if it cannot.
    pub(super) fn new(listeners: Vec<Listener>, inputs: &Inputs) -> io::Result<Self> {
        let watching = watch_all(&listeners, inputs);
        let (hangups, watching) =
            watching.inspect_err(|_| listeners.iter().for_each(Listener::remove_path))?;
        let mut this = Self {
            last_key: listeners.iter().map(Listener::key).max().unwrap_or(0),
            listeners,
            inodes: Vec::new(),
            nonblocking: None,
            hint_given: false,
            hangups,
            _watching: watching,
        };
        for listener in &mut this.listeners {
            name(listener, &mut this.last_key);
        }
        this.note_inodes();
        Ok(this)
    }

    fn note_inodes(&mut self) {
        self.inodes = self.listeners.iter().map(Listener::inode).collect();
        self.inodes.sort_unstable();
    }

    pub(super) fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    pub(super) fn inodes(&self) -> &[u64] {
        &self.inodes
    }

    /// Those that have these keys, in the order of the keys.
    pub(super) fn with_keys(&self, keys: impl Iterator<Item = u64>) -> Vec<&Listener> {
        let found = keys.filter_map(|key| self.listeners.iter().find(|l| l.key() == key));
        found.collect()
    }

    /// The listener with this key.
    pub(super) fn of_key(&mut self, key: u64) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|l| l.key() == key)
    }

    /// Holds one more, and returns its key.
    ///
    /// # Errors
    /// It cannot be watched: out of memory.
    pub(super) fn hold(&mut self, mut listener: Listener) -> io::Result<u64> {
        if listener.takes_connections() {
            self.hangups.add(listener.fd(), listener.inode())?;
        }
        let key = name(&mut listener, &mut self.last_key);
        self.listeners.push(listener);
        self.note_inodes();
        Ok(key)
    }

    /// The keys of those that were asked for.
    pub(super) fn configured(&self) -> impl Iterator<Item = u64> {
        let own = self.listeners.iter().filter(|l| l.adopted().is_none());
        own.map(Listener::key)
    }

    /// Holds these no longer.
    pub(super) fn release(&mut self, which: impl Fn(&Listener) -> bool) -> Vec<Listener> {
        let released: Vec<_> = self
            .listeners
            .extract_if(.., |listener| which(listener))
            .collect();
        for listener in &released {
            let _ = self.hangups.remove(listener.fd());
        }
        self.note_inodes();
        released
    }

    /// The listener with this inode.
    pub(super) fn of_inode(&mut self, inode: u64) -> Option<&mut Listener> {
        self.listeners.iter_mut().find(|l| l.inode() == inode)
    }

    /// The listener at this place.
    pub(super) fn at(&self, place: &Place) -> Option<&Listener> {
        self.listeners.iter().find(|l| l.place() == Some(place))
    }

    /// Makes the sockets blocking, as a first generation finds them: only before a start while no worker lives, since it
    /// would hang a live event loop in accept.
    pub(super) fn set_blocking(&self) {
        for listener in &self.listeners {
            // It fails for no socket that listens; and a program that wants it otherwise sets it.
            let _ = listener.set_blocking();
        }
    }

    /// After a worker has ended that was never ready: undoes a smaller backlog. A socket that cannot listen again was
    /// shut down, which is seen and told of by itself.
    pub(super) fn look_after_failed(&self) {
        for listener in &self.listeners {
            let _ = listener.restore_backlog();
        }
    }

    /// After a worker has become ready: undoes a smaller backlog, and says what a change of blocking mode means for
    /// older workers.
    pub(super) fn look_after(&mut self, pid: i32, others: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        for listener in &self.listeners {
            if let Err(error) = listener.restore_backlog() {
                complaints.push(format!(
                    "Cannot restore the backlog of {}: {error}",
                    listener.uri().text
                ));
            }
        }
        complaints.extend(self.unreachable());
        let modes = self.modes();
        let before = self.nonblocking.replace(modes.clone());
        if let Some(before) = before.filter(|_| others) {
            let changed = self.listeners.iter().filter_map(|listener| {
                let inode = listener.inode();
                Some((listener, before.get(&inode)?, modes.get(&inode)?))
            });
            for (listener, _, is) in changed.filter(|(_, was, is)| was != is) {
                complaints.push(drift(&listener.uri().text, pid, *is));
            }
        }
        complaints
    }

    /// Which listeners no client finds any more.
    pub(super) fn unreachable(&self) -> Vec<String> {
        let lost = self.listeners.iter().filter(|l| !l.is_reachable());
        let complain = |listener: &Listener| {
            let cure = if listener.adopted().is_some() {
                "a reload has the program make it anew"
            } else {
                "stop socketmaster and start it again"
            };
            format!(
                "The file of {} is no longer ours: somebody removed or replaced it, and no client finds the socket; {cure}",
                listener.uri().text
            )
        };
        lost.map(complain).collect()
    }

    /// By the inodes.
    fn modes(&self) -> BTreeMap<u64, bool> {
        self.listeners
            .iter()
            .map(|l| (l.inode(), l.is_nonblocking().unwrap_or(false)))
            .collect()
    }

    /// What a failed worker may have tripped over, if the worker that serves left a listener non-blocking; said once.
    pub(super) fn nonblocking_hint(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.hint_given, self.nonblocking.is_some()) {
            return None;
        }
        let served = self.nonblocking.as_ref()?;
        let is_nonblocking = |l: &&Listener| served.get(&l.inode()) == Some(&true);
        let listener = self.listeners.iter().find(is_nonblocking)?;
        Some(format!(
            "Note: the serving generation has made {} non-blocking, which all its holders share; if the new program \
             calls accept() and expects it to block, that fails with EAGAIN",
            listener.uri().text
        ))
    }
}

/// Gives a listener the next key, if it has none.
fn name(listener: &mut Listener, last: &mut u64) -> u64 {
    if listener.key() == 0 {
        *last += 1;
        listener.set_key(*last);
    }
    listener.key()
}

fn drift(listener: &str, pid: i32, nonblocking: bool) -> String {
    if nonblocking {
        format!(
            "{pid} has made {listener} non-blocking for all its holders: an older worker that waits in accept() will \
             see EAGAIN"
        )
    } else {
        format!(
            "{pid} has made {listener} blocking for all its holders: the event loop of an older worker may hang in \
             accept()"
        )
    }
}

fn watch_all(listeners: &[Listener], inputs: &Inputs) -> io::Result<(Arc<HangupWatch>, Task)> {
    let hangups = Arc::new(HangupWatch::new()?);
    for listener in listeners.iter().filter(|l| l.takes_connections()) {
        hangups.add(listener.fd(), listener.inode())?;
    }
    let watched = Watched::for_input(Arc::new(hangups.as_fd().try_clone_to_owned()?))?;
    let task = Task::spawn(watch(watched, Arc::clone(&hangups), inputs.clone()));
    Ok((hangups, task))
}

async fn watch(watched: Watched, hangups: Arc<HangupWatch>, inputs: Inputs) {
    let take = |_: BorrowedFd<'_>| match hangups.take() {
        Ok(which) if which.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
        other => other,
    };
    while let Ok(which) = watched.read(take).await {
        if inputs.send(Input::ListenersDown(which)).is_err() {
            return;
        }
    }
}

impl Daemon {
    /// A worker has shut these listeners down, for everybody. TCP sockets listen again at a word; a unix socket is
    /// dead for good and is replaced, with the workers that hold it.
    pub(super) fn revive(&mut self, which: &[u64]) {
        let mut replaced = false;
        for inode in which {
            let held = self.sockets.listeners.iter_mut();
            let Some(listener) = held.into_iter().find(|l| l.inode() == *inode) else {
                continue;
            };
            let name = listener.uri().text.clone();
            if listener.restore_backlog().is_ok() {
                self.log.say(format!(
                    "A worker had shut {name} down for everybody; it listens again"
                ));
                continue;
            }
            let _ = self.sockets.hangups.remove(listener.fd());
            match listener.reopen() {
                Ok(()) => {
                    let _ = self.sockets.hangups.add(listener.fd(), listener.inode());
                    self.log.say(format!(
                        "A worker had shut {name} down for good; there is a new socket, and a reload gives it to a \
                         new generation"
                    ));
                    replaced = true;
                }
                Err(error) => self
                    .log
                    .say(format!("A worker has shut {name} down: {error}")),
            }
        }
        if replaced {
            self.sockets.note_inodes();
            self.reload();
        }
    }
}
