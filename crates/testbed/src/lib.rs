//! What the tests and the bench stand on: a supervisor as a real process, an app behind it, clients in front of it.
//!
//! It knows the program under test by its flags, signals, log and exit status alone, so that the same suite can be held
//! against another binary: `SOCKETMASTER_UNDER_TEST` names it. Nothing here sleeps for a fixed time where a fact can
//! be waited for; every wait is bounded, and one that fails shows the whole log.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests live in real time, and one that cannot go on has failed"
)]

mod app;
mod careless;
mod http;
mod load;
mod log;
mod machine;
mod needs;
pub mod processes;
mod setup;
mod supervisor;

use std::thread;
use std::time::{Duration, Instant};

pub use app::{App, fixture};
pub use careless::{Careless, Tally};
pub use http::{Address, Answer, get, get_in};
pub use load::{Load, Report};
pub use log::{Line, Log};
pub use machine::Machine;
pub use needs::{cannot_run, is_root, program};
pub use setup::{Setup, free_port};
pub use supervisor::{Supervisor, shell_status};

/// How long anything may take that should happen soon.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor to be: the binary of the package that the test belongs to.
#[macro_export]
macro_rules! setup {
    () => {
        $crate::Setup::new(env!("CARGO_BIN_EXE_socketmaster"))
    };
}

/// Asks until there is an answer, for at most `patience`.
pub fn poll<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= end {
            return answer;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until something is so.
///
/// # Panics
/// It is not within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    assert!(
        poll(PATIENCE, || so().then_some(())).is_some(),
        "not within {PATIENCE:?}: {what}"
    );
}

/// Lets time pass, where the test is about time.
pub fn pause(span: Duration) {
    thread::sleep(span);
}

/// The monotonic clock.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}
