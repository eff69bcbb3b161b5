//! socketmaster and its service manager.

mod machine;
mod messages;
mod units;
