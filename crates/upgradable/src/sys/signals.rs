//! Signals, noted by a handler that does nothing but count and wake.
//!
//! A handler and not a blocked mask, because a mask is inherited by every program that the server starts, which then
//! could not be stopped.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::wake::Wake;

/// A signal that is counted from now on.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) number: i32,
    count: Arc<AtomicU32>,
}

impl Counted {
    /// Counts a signal and wakes with it. Handlers that others have installed, and install later through the same
    /// registry (tokio's), run too.
    pub(crate) fn new(number: i32, wake: &Arc<Wake>) -> io::Result<Self> {
        let count = Arc::new(AtomicU32::new(0));
        let (ours, wake) = (Arc::clone(&count), Arc::clone(wake));
        let note = move || {
            ours.fetch_add(1, Ordering::Relaxed);
            wake.wake();
        };
        // SAFETY: an atomic addition and a plain system call (rustix makes it without touching errno) are
        // async-signal-safe, and neither allocates nor locks.
        unsafe { signal_hook_registry::register(number, note) }?;
        Ok(Self { number, count })
    }

    /// How often it has come since this was asked last.
    pub(crate) fn take(&self) -> u32 {
        self.count.swap(0, Ordering::Relaxed)
    }
}
