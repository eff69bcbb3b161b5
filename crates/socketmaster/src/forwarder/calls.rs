//! System calls of the workers that nobody else answers any more.
//!
//! While the supervisor answers them, its copy of the descriptor and ours mean the same queue, and a call that we took
//! would be one that it waits for in vain. So nothing is asked of epoll but the hang-up, which it always tells
//! (epoll_ctl(2)), and no call wakes us. Once they are left to us, each goes on as if nobody had ever stopped it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::epoll;

use crate::sys::seccomp;

/// Marks these descriptors among the events.
const MARK: u64 = 1 << 63;

/// Calls of one worker that are answered before others get their turn.
const CALLS_A_TURN: usize = 64;

#[derive(Debug)]
struct Kept {
    notify: OwnedFd,
    /// Whether its calls are left to us.
    left: bool,
}

/// The workers' descriptors, by the supervisor's name for the worker.
#[derive(Debug, Default)]
pub struct Calls {
    kept: BTreeMap<u64, Kept>,
    /// Those that hung up, of which the supervisor has not been told yet.
    pub deserted: Vec<u64>,
}

impl Calls {
    /// Whose event this is, if it is one of these.
    #[must_use]
    pub fn worker(event: u64) -> Option<u64> {
        (event & MARK != 0).then_some(event & !MARK)
    }

    /// No process is left that could wait for an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Keeps a descriptor, or, if it is there already, takes note of whether its calls are left to us.
    ///
    /// # Errors
    /// It cannot be watched: memory is short. It is not kept then.
    pub fn keep(
        &mut self,
        epoll: &OwnedFd,
        id: u64,
        notify: OwnedFd,
        left: bool,
    ) -> io::Result<()> {
        if let Entry::Vacant(place) = self.kept.entry(id) {
            epoll::add(epoll, &notify, data(id), epoll::EventFlags::empty())?;
            let left = false;
            place.insert(Kept { notify, left });
        }
        if left {
            self.take(epoll, id)?;
        }
        Ok(())
    }

    /// Nobody but us is there to answer.
    pub fn take_all(&mut self, epoll: &OwnedFd) {
        let ids: Vec<_> = self.kept.keys().copied().collect();
        for id in ids {
            // A change of what is watched needs no memory.
            let _ = self.take(epoll, id);
        }
    }

    fn take(&mut self, epoll: &OwnedFd, id: u64) -> io::Result<()> {
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.left = true;
            epoll::modify(epoll, &kept.notify, data(id), epoll::EventFlags::IN)?;
        }
        Ok(())
    }

    /// Lets go of all.
    pub fn forget(&mut self, epoll: &OwnedFd) {
        while let Some((_, kept)) = self.kept.pop_first() {
            let _ = epoll::delete(epoll, &kept.notify);
        }
    }

    /// Something has happened to this one: lets the calls that wait go on, or finds that it has hung up.
    pub fn answer(&mut self, epoll: &OwnedFd, id: u64) {
        let Some(kept) = self.kept.get(&id) else {
            return;
        };
        if kept.left && !has_ended(kept.notify.as_fd()) {
            return;
        }
        // By hand, because a copy of the supervisor's would leave it watched.
        let _ = epoll::delete(epoll, &kept.notify);
        self.kept.remove(&id);
        self.deserted.push(id);
    }
}

/// Lets the calls that wait go on. Whether there can be no more.
fn has_ended(notify: BorrowedFd<'_>) -> bool {
    for _ in 0..CALLS_A_TURN {
        match seccomp::next(notify) {
            Ok(Some(call)) => seccomp::go_on(notify, call.id),
            Ok(None) => return true,
            // None waits, or the next event says so again.
            Err(_) => return false,
        }
    }
    false
}

fn data(id: u64) -> epoll::EventData {
    epoll::EventData::new_u64(id | MARK)
}
