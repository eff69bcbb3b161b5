//! The supervisor at work.
pub mod command;
pub mod notify;
pub mod rundir;
