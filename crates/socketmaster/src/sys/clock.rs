//! The clocks.

use rustix::time::{ClockId, clock_gettime};

/// Seconds since 1970 by the wall clock, which may be set.
#[must_use]
pub fn unix_seconds() -> f64 {
    let now = clock_gettime(ClockId::Realtime);
    // Exact to a microsecond until the year 2242.
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Nanoseconds of `CLOCK_MONOTONIC`: not set back by anybody, the same for every process, kept across exec.
#[must_use]
pub fn monotonic_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + nanos
}
