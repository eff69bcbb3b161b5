//! The local time zone.
//!
//! One call into the C library, which is linked anyway and knows the rules of `TZ` and `/etc/localtime`, instead of a
//! time zone library of our own.

/// How far local time is ahead of UTC at this moment, in seconds (localtime(3), `tm_gmtoff`). The zone is read once,
/// at the first call, as Go does it; a change to or from summer time is followed.
#[must_use]
pub fn utc_offset(unix_seconds: i64) -> i64 {
    // SAFETY: `tm` is plain integers and one pointer, for which zero is a value.
    let mut broken_down: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to live values of the right type, and localtime_r keeps neither. It reads the environment,
    // which nobody changes while it runs: there is one thread, and `set_var` is refused by a lint.
    let done = unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut broken_down) };
    if done.is_null() {
        0
    } else {
        broken_down.tm_gmtoff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_year_is_utc() {
        assert_eq!(utc_offset(i64::MAX), 0);
    }

    #[test]
    fn an_offset_is_less_than_a_day_and_a_bit() {
        assert!(utc_offset(1_700_000_000).abs() <= 26 * 3600);
    }
}
