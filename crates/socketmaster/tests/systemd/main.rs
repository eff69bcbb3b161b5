//! socketmaster and its service manager.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activation;
mod machine;
mod messages;
mod run;
mod units;
