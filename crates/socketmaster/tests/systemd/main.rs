//! socketmaster and its service manager.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod activation;
mod file;
mod machine;
mod messages;
mod recommended;
mod run;
mod units;
