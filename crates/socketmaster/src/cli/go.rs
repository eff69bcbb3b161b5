//! Booleans, numbers and durations as Go's `flag` package reads them: the original is written in Go.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::values::ValueError;

/// The longest duration Go has: about 292 years, in nanoseconds.
const LONGEST: u64 = i64::MAX as u64;

/// Go's `strconv.ParseBool`.
pub fn boolean(value: &OsStr) -> Result<bool, ValueError> {
    match value.as_bytes() {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        _ => Err(ValueError::Parse),
    }
}

/// Go's `strconv.ParseInt(value, 0, 64)`: `0x`, `0o`, `0b`, a leading 0 is octal, `_` between digits.
pub fn integer(value: &OsStr) -> Result<i64, ValueError> {
    let (negative, unsigned) = match value.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        all => (false, all),
    };
    let (radix, digits) = match unsigned {
        [] => return Err(ValueError::Parse),
        [b'0', b'x' | b'X', digits @ ..] if !digits.is_empty() => (16, digits),
        [b'0', b'o' | b'O', digits @ ..] if !digits.is_empty() => (8, digits),
        [b'0', b'b' | b'B', digits @ ..] if !digits.is_empty() => (2, digits),
        [b'0', digits @ ..] => (8, digits),
        digits => (10, digits),
    };
    let mut number = 0_u64;
    // A `_` follows a digit or the base, and a digit follows it. Go finds that out last, after the range.
    let mut after_digit = radix != 10;
    let mut misplaced = false;
    for &byte in digits {
        if byte == b'_' {
            misplaced |= !after_digit;
            after_digit = false;
            continue;
        }
        let digit = char::from(byte).to_digit(radix).ok_or(ValueError::Parse)?;
        after_digit = true;
        number = number
            .checked_mul(radix.into())
            .and_then(|number| number.checked_add(digit.into()))
            .ok_or(ValueError::Range)?;
    }
    if misplaced || digits.ends_with(b"_") {
        return Err(ValueError::Parse);
    }
    let number = if negative {
        0_i64.checked_sub_unsigned(number)
    } else {
        i64::try_from(number).ok()
    };
    number.ok_or(ValueError::Range)
}

/// Milliseconds; none at or below zero. Capped at Go's longest duration, so that adding it to a time cannot overflow.
pub fn millis(value: &OsStr) -> Result<Duration, ValueError> {
    let millis = u64::try_from(integer(value)?).unwrap_or(0);
    Ok(Duration::from_millis(millis).min(Duration::from_nanos(LONGEST)))
}

/// Go's `time.ParseDuration`, not below zero: `500ms`, `3s`, `1m30s`, `1.5h`, and a bare `0`.
pub fn duration(value: &OsStr) -> Result<Duration, ValueError> {
    let text = value.to_str().ok_or(ValueError::Duration)?;
    if text.starts_with('-') {
        return Err(ValueError::Negative);
    }
    match text.strip_prefix('+').unwrap_or(text) {
        "" => Err(ValueError::Duration),
        "0" => Ok(Duration::ZERO),
        terms => nanos(terms)
            .map(Duration::from_nanos)
            .ok_or(ValueError::Duration),
    }
}

/// The sum of terms like `1m` and `1.5s`.
fn nanos(mut terms: &str) -> Option<u64> {
    let mut sum = 0_u64;
    while !terms.is_empty() {
        let (whole, rest) = digits(terms);
        let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = rest
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (unit, rest) = rest.split_at(end);
        let unit: u64 = match unit {
            "ns" => 1,
            // Unicode has two of the letter: the micro sign and the Greek one.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        sum = sum.checked_add(whole.checked_mul(unit)?)?;
        // A nanosecond is the 14th digit of an hour's fraction; what follows the 18th changes nothing.
        let mut scale = 1_u128;
        let mut part = 0_u128;
        for digit in fraction.bytes().take(18) {
            scale *= 10;
            part = part * 10 + u128::from(digit - b'0');
        }
        sum = sum.checked_add(u64::try_from(part * u128::from(unit) / scale).ok()?)?;
        terms = rest;
    }
    (sum <= LONGEST).then_some(sum)
}

/// Splits the decimal digits at the start off.
fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_go() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("+5", Ok(5)),
            ("0x1F", Ok(31)),
            ("0X_f", Ok(15)),
            ("-0b11", Ok(-3)),
            ("0o17", Ok(15)),
            ("017", Ok(15)),
            ("0_7", Ok(7)),
            ("1_000", Ok(1000)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(ValueError::Range)),
            ("-9223372036854775809", Err(ValueError::Range)),
            // The range is exceeded before the letter is seen.
            ("99999999999999999999x", Err(ValueError::Range)),
            ("9999999999x9999999999", Err(ValueError::Parse)),
            ("", Err(ValueError::Parse)),
            ("-", Err(ValueError::Parse)),
            ("+-1", Err(ValueError::Parse)),
            ("0x", Err(ValueError::Parse)),
            ("09", Err(ValueError::Parse)),
            ("_1", Err(ValueError::Parse)),
            ("1_", Err(ValueError::Parse)),
            ("1__0", Err(ValueError::Parse)),
            ("0_", Err(ValueError::Parse)),
            (" 3", Err(ValueError::Parse)),
            ("1e3", Err(ValueError::Parse)),
        ] {
            assert_eq!(integer(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn durations_as_go() {
        let nanos = |n| Ok(Duration::from_nanos(n));
        for (text, expected) in [
            ("0", nanos(0)),
            ("+0", nanos(0)),
            ("0s", nanos(0)),
            ("3s", nanos(3_000_000_000)),
            ("500ms", nanos(500_000_000)),
            ("1m30s", nanos(90_000_000_000)),
            ("1.5s", nanos(1_500_000_000)),
            (".5s", nanos(500_000_000)),
            ("5.s", nanos(5_000_000_000)),
            ("1h1us1ns", nanos(3_600_000_001_001)),
            ("3µs", nanos(3_000)),
            ("3μs", nanos(3_000)),
            ("1.00000000000000000001s", nanos(1_000_000_000)),
            ("9223372036854775807ns", nanos(LONGEST)),
            ("9223372036854775808ns", Err(ValueError::Duration)),
            ("2562048h", Err(ValueError::Duration)),
            ("99999999999999999999h", Err(ValueError::Duration)),
            ("", Err(ValueError::Duration)),
            ("+", Err(ValueError::Duration)),
            ("3", Err(ValueError::Duration)),
            ("3 s", Err(ValueError::Duration)),
            ("1d", Err(ValueError::Duration)),
            (".s", Err(ValueError::Duration)),
            ("s", Err(ValueError::Duration)),
            ("1s1", Err(ValueError::Duration)),
            ("-1s", Err(ValueError::Negative)),
        ] {
            assert_eq!(duration(OsStr::new(text)), expected, "{text}");
        }
    }

    #[test]
    fn millis_never_overflow() {
        assert_eq!(millis(OsStr::new("-5")), Ok(Duration::ZERO));
        assert_eq!(millis(OsStr::new("3000")), Ok(Duration::from_secs(3)));
        assert_eq!(
            millis(OsStr::new("9223372036854775807")),
            Ok(Duration::from_nanos(LONGEST))
        );
    }
}
