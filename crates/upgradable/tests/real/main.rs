//! Real processes, real sockets, real signals. They drive the examples, which `cargo test -p upgradable`
//! builds along with them.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests live in real time, and one that cannot go on has failed"
)]

mod chain;
mod epoll;
mod examples;
mod failures;
mod finish;
mod inherit;
mod load;
mod notify;
mod stop;
mod supervised;
mod systemd;
