//! When to start again what ended by itself: at once, then 0.1 s doubling to 30 s, each ±25 %; from the beginning
//! again after a stable minute.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);
const STABLE: Duration = Duration::from_secs(60);

/// How often a start has been needed since things were last stable.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait before the next start, given how long the worker had been ready.
    pub(super) fn next(&mut self, ready_for: Duration, seed: u64) -> Duration {
        if ready_for >= STABLE {
            self.failures = 0;
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let delay = FIRST.saturating_mul(1 << doublings.min(16)).min(LONGEST);
        // Jitter, so that a hundred supervisors whose database went away do not come back in step.
        let percent = 75 + mix(seed ^ u64::from(failures)) % 51;
        delay.mul_f64(percent as f64 / 100.0).min(LONGEST)
    }
}

/// The finalizer of splitmix64: every bit of the input moves every bit of the output.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_once_then_doubling_to_thirty_seconds() {
        let mut backoff = Backoff::default();
        let mut expected = 0.0;
        for n in 0..20 {
            let delay = backoff.next(Duration::ZERO, 7).as_secs_f64();
            assert!((expected * 0.74..=expected * 1.26).contains(&delay) || n == 0 && delay == 0.0);
            assert!(delay <= 30.0);
            expected = if n == 0 {
                0.1
            } else {
                (expected * 2.0f64).min(30.0)
            };
        }
    }

    #[test]
    fn a_stable_minute_forgives() {
        let mut backoff = Backoff::default();
        for _ in 0..9 {
            backoff.next(Duration::ZERO, 7);
        }
        assert_eq!(backoff.next(Duration::from_secs(60), 7), Duration::ZERO);
        assert!(backoff.next(Duration::from_secs(59), 7) > Duration::ZERO);
    }

    #[test]
    fn jitter_differs_between_supervisors() {
        let delay = |seed| {
            let mut backoff = Backoff { failures: 8 };
            backoff.next(Duration::ZERO, seed)
        };
        assert!((0..10).any(|seed| delay(seed) != delay(seed + 1)));
    }
}
