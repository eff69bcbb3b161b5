//! `socketmaster run` with real programs, unchanged: each binds its sockets itself, as always, and is reloaded under load.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod abrupt;
mod awkward;
mod drain;
mod ends;
mod failures;
mod growth;
mod haproxy;
mod held;
mod hostile;
mod nginx;
mod nobody;
mod readiness;
mod redis;
mod refusals;
mod service;
mod slow;
mod steps;
mod stops;
mod strangers;
mod takeover;
mod upgrades;
