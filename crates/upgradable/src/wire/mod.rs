//! Bytes and variables ↔ values. Pure.

pub(crate) mod environment;
pub(crate) mod handover;
