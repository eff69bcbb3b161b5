//! What upgrades cost, and what they would lose: `cargo run --release -p upgradable --example upgradable_bench`.
//!
//! The cost is the article's test (`pairs`), the loss is that of the same clients with this library and with axum's own
//! goodbye (`losses`). Arguments: the seconds of each half of a pair (20), the pairs (5), the upgrades in a half (4).

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it measures real time, and one that cannot go on has failed"
)]

#[path = "../../../../examples/upgradable/main.rs"]
mod article;
mod losses;
mod pairs;
mod served;
mod stock;

use rustix::process::{Pid, set_child_subreaper};

use crate::served::Program;

fn main() -> Result<(), upgradable::Error> {
    // The servers are this program too, so that what is measured is never an old build.
    match Program::of_this_process() {
        Some(Program::Article) => return article::main(),
        Some(Program::Stock) => return stock::main(),
        None => {}
    }
    let mut numbers = std::env::args()
        .skip(1)
        .map(|word| word.parse::<u32>().unwrap());
    let seconds = numbers.next().unwrap_or(20);
    let pairs = numbers.next().unwrap_or(5);
    let upgrades = numbers.next().unwrap_or(4);
    // So that we wait for all of a chain, and their processor time is known.
    set_child_subreaper(Pid::from_raw(1)).unwrap();
    pairs::measure(seconds, pairs, upgrades);
    losses::measure();
    Ok(())
}
