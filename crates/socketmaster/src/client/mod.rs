//! The verbs `reload`, `status`, `scale`, `stop`, `upgrade` and `logs`: finds the supervisor, asks it, and shows what it says.
//!
//! Nothing here is needed for what is asked to happen: a client that is killed half-way has only stopped listening.

mod error;
mod find;
mod link;
mod logs;
mod pace;
mod reload;
mod scale;
mod status;
mod stop;
mod story;
mod table;
mod upgrade;
mod words;

use std::time::Duration;

use tokio::time::timeout;

use crate::screen::Screen;
use crate::sys::stderr;
use crate::wire::control::LogsRequest;

pub use error::ClientError;

/// What to ask of whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The instance, by its name or pid; `None` is the only one, and for `status` all.
    pub name: Option<String>,
    /// What.
    pub what: What,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A new generation.
    Reload {
        /// Wait until the older ones have gone.
        wait_drained: bool,
        /// Only if this one serves.
        if_generation: Option<u64>,
        /// How long to wait.
        timeout: Option<Duration>,
    },
    /// How things are.
    Status {
        /// As JSON.
        json: bool,
    },
    /// So many workers.
    Scale {
        /// How many.
        workers: u32,
    },
    /// The log.
    Logs {
        /// How many of its last lines.
        lines: usize,
        /// And those to come.
        follow: bool,
    },
    /// The end.
    Stop {
        /// How long to wait.
        timeout: Option<Duration>,
    },
    /// A new supervisor.
    Upgrade {
        /// How long to wait.
        timeout: Option<Duration>,
    },
}

/// How a verb ends, as an exit status.
pub mod status_of {
    /// As it should.
    pub const DONE: u8 = 0;
    /// It failed, or is degraded.
    pub const FAILED: u8 = 1;
    /// It is not clear who is meant.
    pub const USAGE: u8 = 2;
    /// Nobody of that name runs.
    pub const NOT_RUNNING: u8 = 3;
    /// Not in time.
    pub const TIMED_OUT: u8 = 4;
    /// Not the expected generation.
    pub const NOT_EXPECTED: u8 = 5;
}

/// Does what is asked and returns the exit status.
#[must_use]
pub fn run(order: &Order) -> u8 {
    let screen = Screen::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(ClientError::Runtime)
        .and_then(|runtime| runtime.block_on(obey(order, &screen)));
    outcome.unwrap_or_else(|error| {
        screen.clear();
        stderr::say(&error);
        error.status()
    })
}

async fn obey(order: &Order, screen: &Screen) -> Result<u8, ClientError> {
    let name = order.name.as_deref();
    let limit = match order.what {
        What::Status { json } => return status::run(name, json, screen).await,
        What::Scale { .. } | What::Logs { .. } => Duration::MAX,
        What::Reload { timeout, .. } | What::Stop { timeout } | What::Upgrade { timeout } => {
            timeout.unwrap_or(Duration::MAX)
        }
    };
    let begin = pace::now();
    let found = timeout(limit, find::one(name)).await;
    let instance = found.map_err(|_| ClientError::NotFoundInTime)??;
    let told = words::printable(&instance.status.name);
    let done = async {
        match order.what {
            What::Reload {
                wait_drained,
                if_generation,
                ..
            } => reload::run(instance, wait_drained, if_generation, screen).await,
            What::Scale { workers } => scale::run(instance, workers, screen).await,
            What::Logs { lines, follow } => {
                let after = None;
                let wanted = LogsRequest {
                    lines,
                    follow,
                    after,
                };
                logs::run(instance, wanted).await
            }
            What::Upgrade { .. } => upgrade::run(instance, screen).await,
            What::Stop { .. } | What::Status { .. } => stop::run(instance, screen).await,
        }
    };
    let left = limit.saturating_sub(pace::now() - begin);
    let late = |_| ClientError::Late(told, order.what.clone());
    timeout(left, done).await.map_err(late)?
}
