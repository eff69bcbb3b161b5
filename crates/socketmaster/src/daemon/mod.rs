//! The supervisor at work.
pub mod command;
pub mod inputs;
pub mod listeners;
pub mod log;
pub mod notify;
pub mod rundir;
pub mod systemd;
pub mod upgrade;
pub mod words;
pub mod worker;
