//! The workers' calls, which the forwarder lets go on when the supervisor does not answer them any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Log, Message};
use crate::core::WorkerId;
use crate::sys::seccomp::{self, Call};
use crate::wire::forward::CALLS_UNTOLD;

/// A copy of the descriptor by which a worker's calls are answered.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) notify: OwnedFd,
    /// The number of the call that the forwarder was told of last.
    pub(super) taken: Option<u64>,
    /// Whether its calls are left to the forwarder.
    pub(super) left: bool,
}

impl Log {
    /// Has the forwarder keep a copy: should we be killed, the program's calls go on.
    pub fn keep(&mut self, id: WorkerId, notify: BorrowedFd<'_>) {
        // Out of descriptors: then it would go as if there were no forwarder.
        if let Ok(notify) = notify.try_clone_to_owned() {
            let kept = Kept {
                notify,
                taken: None,
                left: false,
            };
            self.calls.insert(id.0, kept);
            self.tell_of(id);
        }
    }

    /// Takes note of a call that is about to be answered. Should we be killed before that, the forwarder knows its number,
    /// or one not far from it.
    pub fn taken(&mut self, id: WorkerId, call: &Call) {
        let Some(kept) = self.calls.get_mut(&id.0) else {
            return;
        };
        let is_near = |told: u64| call.id.wrapping_sub(told) < CALLS_UNTOLD;
        if !kept.taken.is_some_and(is_near) {
            kept.taken = Some(call.id);
            self.tell_of(id);
        }
    }

    /// Leaves the calls to the forwarder. From here on nobody else may take any.
    pub fn leave(&mut self, id: WorkerId) {
        if let Some(kept) = self.calls.get_mut(&id.0) {
            kept.left = true;
            self.tell_of(id);
        }
    }

    fn tell_of(&mut self, id: WorkerId) {
        self.queue.push_back(Message::Calls(id.0));
        self.flush();
    }

    /// Lets a call go on that was taken before its worker's calls were left.
    pub fn go_on(&self, id: WorkerId, call: &Call) {
        if let Some(kept) = self.calls.get(&id.0) {
            seccomp::go_on(kept.notify.as_fd(), call.id);
        }
    }

    /// No process is left that could wait for an answer.
    pub fn forget(&mut self, id: WorkerId) {
        self.calls.remove(&id.0);
    }
}
