//! Time, for what changes while somebody looks.

use std::time::Duration;

use crate::core::Time;
use crate::sys::clock;

/// Now.
pub(super) fn now() -> Time {
    Time(clock::monotonic_nanos())
}

/// Until the live line is due again.
pub(super) async fn tick() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}
