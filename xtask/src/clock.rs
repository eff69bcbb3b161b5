//! The clock, for spans that are shown to people.

use std::time::Instant;

#[expect(
    clippy::disallowed_methods,
    reason = "the product's rule; here time is what is measured"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
