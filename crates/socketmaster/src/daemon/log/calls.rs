//! The workers' calls, which the forwarder lets go on when the supervisor does not answer them any more.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Log, Message};
use crate::core::WorkerId;
use crate::sys::seccomp::{self, Call};

/// A copy of the descriptor by which a worker's calls are answered.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) notify: OwnedFd,
    /// Whether its calls are left to the forwarder.
    pub(super) left: bool,
}

impl Log {
    /// Has the forwarder keep a copy: should we be killed, the program's calls go on.
    pub fn keep(&mut self, id: WorkerId, notify: BorrowedFd<'_>) {
        // Out of descriptors: then it would go as if there were no forwarder.
        if let Ok(notify) = notify.try_clone_to_owned() {
            let left = false;
            self.calls.insert(id.0, Kept { notify, left });
            self.queue.push_back(Message::Calls(id.0));
            self.flush();
        }
    }

    /// Leaves the calls to the forwarder. From here on nobody else may take any.
    pub fn leave(&mut self, id: WorkerId) {
        if let Some(kept) = self.calls.get_mut(&id.0) {
            kept.left = true;
            self.queue.push_back(Message::Calls(id.0));
            self.flush();
        }
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
