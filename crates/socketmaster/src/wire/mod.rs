//! Bytes ↔ values. Nothing here opens, sends or waits.

pub mod held;
pub mod uri;
