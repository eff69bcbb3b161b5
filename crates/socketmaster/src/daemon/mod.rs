//! The only caller of the core, and the only place where an action becomes a system call.

pub mod listeners;
