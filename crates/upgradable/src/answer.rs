//! The answer to an upgrade, for a thread or a task to wait for.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::UpgradeError;

type Outcome = Result<u32, UpgradeError>;

/// An upgrade under way: a future for any runtime, with [`Upgrade::wait`] for a thread. Dropping it does not call the
/// upgrade off.
#[derive(Debug)]
#[must_use = "it may fail, and then the old version serves on"]
pub struct Upgrade(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    waker: Option<Waker>,
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Asker(Arc<Shared>);

pub(crate) fn pair() -> (Asker, Upgrade) {
    let shared = Arc::new(Shared::default());
    (Asker(Arc::clone(&shared)), Upgrade(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asker {
    pub(crate) fn tell(self, outcome: Outcome) {
        let mut state = self.0.lock();
        state.outcome = Some(outcome);
        let waker = state.waker.take();
        drop(state);
        self.0.changed.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Upgrade {
    /// Blocks this thread until the new process is ready, and returns its pid; or until it is known why there is none.
    ///
    /// # Errors
    /// See [`UpgradeError`]. The server carries on as if nothing had been asked for.
    pub fn wait(self) -> Result<u32, UpgradeError> {
        let mut state = self.0.lock();
        loop {
            if let Some(outcome) = state.outcome.take() {
                return outcome;
            }
            let woken = self.0.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Upgrade {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock();
        if let Some(outcome) = state.outcome.take() {
            return Poll::Ready(outcome);
        }
        let before = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(before);
        Poll::Pending
    }
}
