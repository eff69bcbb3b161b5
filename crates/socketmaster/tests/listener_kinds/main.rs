//! Listeners of every kind, with real programs behind them: what is no TCP and no unix stream socket.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod activation;
mod connections;
mod datagrams;
mod programs;
mod run;
