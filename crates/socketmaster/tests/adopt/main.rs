//! `socketmaster run` with real programs, unchanged: each binds its sockets itself, as always, and is reloaded under load.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod abrupt;
mod drain;
mod haproxy;
mod nginx;
mod redis;
mod service;
mod slow;
