//! How far a server has come, for threads and for tasks of any runtime to wait for.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The stages, in the order in which they are reached. A stage can be passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Starting,
    Serving,
    Leaving,
    Closing,
    Over,
}

const STAGES: [Stage; 5] = {
    use Stage::{Closing, Leaving, Over, Serving, Starting};
    [Starting, Serving, Leaving, Closing, Over]
};

#[derive(Debug, Default)]
pub(crate) struct Gate {
    stage: AtomicU8,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: BTreeMap<u64, (Stage, Waker)>,
    last: u64,
}

impl Gate {
    pub(crate) fn stage(&self) -> Stage {
        STAGES[usize::from(self.stage.load(Ordering::SeqCst))]
    }

    /// Goes on to a stage, and lets all look who wait for one.
    pub(crate) fn reach(&self, stage: Stage) {
        let mut waiting = self.lock();
        self.stage.fetch_max(stage as u8, Ordering::SeqCst);
        let all = std::mem::take(&mut waiting.wakers).into_iter();
        let (reached, others): (Vec<_>, Vec<_>) =
            all.partition(|(_, (wanted, _))| *wanted <= stage);
        waiting.wakers.extend(others);
        drop(waiting);
        self.changed.notify_all();
        for (_, (_, waker)) in reached {
            waker.wake();
        }
    }

    /// Blocks the thread until the stage is reached.
    pub(crate) fn wait(&self, stage: Stage) {
        let mut waiting = self.lock();
        while self.stage() < stage {
            let woken = self.changed.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stage to come: a future for any runtime, with [`Until::wait`] for a thread.
///
/// It can be cloned for each connection; waiting costs nothing until it is over.
#[must_use = "it does nothing unless it is waited for"]
pub struct Until {
    gate: Arc<Gate>,
    stage: Stage,
    registered: Option<(u64, Waker)>,
}

impl Until {
    pub(crate) fn new(gate: &Arc<Gate>, stage: Stage) -> Self {
        Self {
            gate: Arc::clone(gate),
            stage,
            registered: None,
        }
    }

    /// Blocks this thread until it is so.
    pub fn wait(&self) {
        self.gate.wait(self.stage);
    }

    /// Whether it is so already.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.gate.stage() >= self.stage
    }
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_reached() {
            return Poll::Ready(());
        }
        // A connection polls this with each of its reads: mostly the same task, for which nothing is to be done.
        let same = |(_, waker): &(u64, Waker)| waker.will_wake(cx.waker());
        if self.registered.as_ref().is_some_and(same) {
            return Poll::Pending;
        }
        let this = &mut *self;
        let mut waiting = this.gate.lock();
        // It may have come to it just now, and then nobody would wake us.
        if this.gate.stage() >= this.stage {
            return Poll::Ready(());
        }
        let number = this.registered.as_ref().map_or_else(
            || {
                waiting.last += 1;
                waiting.last
            },
            |(number, _)| *number,
        );
        let before = waiting
            .wakers
            .insert(number, (this.stage, cx.waker().clone()));
        // Unlocked first: dropping a waker may drop a task, and that another one of us.
        drop(waiting);
        drop(before);
        this.registered = Some((number, cx.waker().clone()));
        Poll::Pending
    }
}

impl Clone for Until {
    fn clone(&self) -> Self {
        Self::new(&self.gate, self.stage)
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some((number, _)) = self.registered {
            let mut waiting = self.gate.lock();
            let waker = waiting.wakers.remove(&number);
            drop(waiting);
            drop(waker);
        }
    }
}

impl fmt::Debug for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
