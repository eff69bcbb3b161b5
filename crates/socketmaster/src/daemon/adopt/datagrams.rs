//! Datagram sockets, which nobody listens on: bound is all that they get, and that the kernel does after our answer.

use std::os::fd::AsFd;
use std::time::Duration;

use super::listen::is_bound_there;
use crate::core::WorkerId;
use crate::daemon::Daemon;
use crate::daemon::inputs::{Input, Task};
use crate::sys::peer;
use crate::sys::socket::{self, Type};

/// Microseconds pass from our answer to the bind, where nothing else wants the processor. Elsewhere we look again, each
/// time after twice as long.
const SOON: Duration = Duration::from_millis(5);

/// By then the kernel has refused the bind.
const LAST: Duration = Duration::from_secs(2);

impl Daemon {
    /// Looks what has become of a bind that went on.
    pub(super) fn look_later(&mut self, id: WorkerId, inode: u64) {
        self.look_in(SOON, id, inode);
    }

    fn look_in(&mut self, pause: Duration, id: WorkerId, inode: u64) {
        let inputs = self.inputs.clone();
        self.tasks.push(Task::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = inputs.send(Input::Bound(id, inode, pause));
        }));
    }

    /// After an upgrade, for the looks that the program before us has promised.
    pub(in crate::daemon) fn look_again(&mut self) {
        let workers = self.workers.iter();
        let own = workers.filter_map(|(id, worker)| Some((*id, &worker.calls.as_ref()?.seen.own)));
        let promised: Vec<_> = own
            .flat_map(|(id, own)| own.iter().map(move |(inode, own)| (id, *inode, own)))
            .filter(|(_, _, own)| own.place.kind == Type::Datagram)
            .map(|(id, inode, _)| (id, inode))
            .collect();
        for (id, inode) in promised {
            self.look_later(id, inode);
        }
    }

    /// Adopts it if it is bound, and still there.
    pub(in crate::daemon) fn bound(&mut self, id: WorkerId, inode: u64, after: Duration) {
        self.tasks.retain(|task| !task.is_over());
        let Some(own) = self
            .calls(id)
            .and_then(|calls| calls.seen.own.remove(&inode))
        else {
            return;
        };
        let (tid, number) = own.holder;
        let Ok(copy) = peer::copy_fd(tid, number) else {
            return;
        };
        if socket::inode(copy.as_fd()).ok() != Some(inode) {
            return;
        }
        if !is_bound_there(&copy, &own.place) {
            if let Some(calls) = self.calls(id).filter(|_| after < LAST) {
                calls.seen.own.insert(inode, own);
                self.look_in(after * 2, id, inode);
            }
            return;
        }
        if self.adopt(id, tid, copy, own, 0).is_some() {
            if let Some(calls) = self.calls(id) {
                calls.seen.bound.insert(inode);
                calls.seen.listened.insert(inode);
            }
            self.claimed(id);
        }
    }
}
