//! What the core decides, as scripts: `milliseconds event => the actions, in order`.
//!
//! `deadline` is a timeout that also asserts that the core asked to be woken then; `timeout` comes unasked; `idle`
//! asserts that no wake-up is wanted; `start 3 of 2 in 1` names the slot, which is 0 if not said; `upgrade` goes on with the state as another program reads it.

mod bake;
mod crash;
mod prepare;
mod ready;
mod reload;
mod scale;
mod stop;
mod upgrade;
mod workers;

use std::time::Duration;

use crate::config::Restart;
use crate::core::{Policy, Sign};

const AUTO: Policy = Policy {
    sign: Sign::Waiting {
        settle: Duration::from_millis(250),
    },
    ready_timeout: Duration::from_secs(60),
    drain_timeout: None,
    kill_timeout: None,
    stop_signal: 15,
    restart: Restart::OnFailure,
    workers: 1,
    step: 1,
    bake: Duration::ZERO,
    first_alone: false,
    seed: 0,
};
const TIMER: Policy = Policy {
    sign: Sign::Life(Duration::from_secs(3)),
    ..AUTO
};
const NOTIFY: Policy = Policy {
    sign: Sign::Word,
    ..AUTO
};
const BOUNDED: Policy = Policy {
    drain_timeout: Some(Duration::from_secs(30)),
    kill_timeout: Some(Duration::from_secs(10)),
    ..AUTO
};
const NEVER: Policy = Policy {
    restart: Restart::Never,
    ..AUTO
};
const ALWAYS: Policy = Policy {
    restart: Restart::Always,
    ..AUTO
};
