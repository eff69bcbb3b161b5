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
use crate::wire::forward::CALLS_UNTOLD;

/// Marks these descriptors among the events.
const MARK: u64 = 1 << 63;

/// Calls of one worker that are answered before others get their turn.
const CALLS_A_TURN: usize = 64;

#[derive(Debug)]
struct Kept {
    notify: OwnedFd,
    /// The number of a call that the supervisor took not long ago.
    taken: Option<u64>,
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

    /// Keeps a descriptor, or, if it is there already, takes note of the news: the number of a call that the supervisor
    /// took, and whether calls are left to us.
    ///
    /// # Errors
    /// It cannot be watched: memory is short. It is not kept then.
    pub fn keep(
        &mut self,
        epoll: &OwnedFd,
        id: u64,
        notify: OwnedFd,
        taken: Option<u64>,
        left: bool,
    ) -> io::Result<()> {
        if let Entry::Vacant(place) = self.kept.entry(id) {
            epoll::add(epoll, &notify, data(id), epoll::EventFlags::empty())?;
            place.insert(Kept {
                notify,
                taken: None,
                left: false,
            });
        }
        if let Some(kept) = self.kept.get_mut(&id) {
            kept.taken = taken;
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
            let_go(kept);
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

/// Lets go on what the supervisor had taken and not answered: nobody can take it a second time, and it would wait for
/// ever. Numbers under which nothing waits do no harm.
fn let_go(kept: &Kept) {
    if let Some(taken) = kept.taken {
        // Twice as many, for calls of many threads at once.
        for later in 0..2 * CALLS_UNTOLD {
            seccomp::go_on(kept.notify.as_fd(), taken.wrapping_add(later));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::buffer::spare_capacity;
    use rustix::event::Timespec;
    use rustix::pipe::pipe;

    /// The workers that something has happened to by now.
    fn events(epoll: &OwnedFd) -> Vec<u64> {
        let mut events = Vec::with_capacity(8);
        epoll::wait(
            epoll,
            spare_capacity(&mut events),
            Some(&Timespec::default()),
        )
        .unwrap();
        events
            .iter()
            .map(|event| Calls::worker(event.data.u64()).unwrap())
            .collect()
    }

    #[test]
    fn nothing_but_the_hang_up_is_noticed_before_they_are_left() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut calls = Calls::default();
        let (read, write) = pipe().unwrap();
        calls
            .keep(&epoll, 7, read.try_clone().unwrap(), None, false)
            .unwrap();
        rustix::io::write(&write, b"call").unwrap();
        assert!(events(&epoll).is_empty());
        calls.take_all(&epoll);
        assert_eq!(events(&epoll), [7]);
        drop(write);
        rustix::io::read(&read, &mut [0; 4]).unwrap();
        calls.answer(&epoll, 7);
        assert!(calls.is_empty());
        assert_eq!(calls.deserted, [7]);
        assert!(events(&epoll).is_empty());
    }

    #[test]
    fn news_come_with_another_copy() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut calls = Calls::default();
        let (read, write) = pipe().unwrap();
        calls
            .keep(&epoll, 7, read.try_clone().unwrap(), None, false)
            .unwrap();
        rustix::io::write(&write, b"call").unwrap();
        calls.keep(&epoll, 7, read, None, true).unwrap();
        assert_eq!(events(&epoll), [7]);
    }

    #[test]
    fn what_is_forgotten_is_no_longer_watched() {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let mut calls = Calls::default();
        let (read, write) = pipe().unwrap();
        calls
            .keep(&epoll, 7, read.try_clone().unwrap(), None, false)
            .unwrap();
        calls.forget(&epoll);
        assert!(calls.is_empty());
        drop(write);
        assert!(events(&epoll).is_empty());
    }
}
