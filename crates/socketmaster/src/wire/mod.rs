//! Bytes ↔ values. Nothing here opens, sends or waits.

pub mod forward;
pub mod line;
pub mod split;
pub mod uri;
