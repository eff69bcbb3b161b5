//! Bytes ↔ values. Nothing here opens, sends or waits.

pub mod uri;
