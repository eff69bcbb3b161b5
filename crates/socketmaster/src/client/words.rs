//! Words and figures for people.

use std::time::Duration;

/// A text of others without what a terminal would obey: control characters become `\u{…}`, and so do marks that turn
/// the direction of writing.
pub(super) fn printable(text: &str) -> String {
    let dangerous = |c: char| {
        (c.is_control() && c != '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if dangerous(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Numbers with commas.
pub(super) fn list(numbers: &[i32]) -> String {
    let words: Vec<_> = numbers.iter().map(i32::to_string).collect();
    words.join(", ")
}

/// A span in its two largest units.
pub(super) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0 => format!("{} ms", span.as_millis()),
        1..10 => format!("{:.1} s", span.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A span that is known to the second.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        0 => "less than 1 s".into(),
        1..60 => format!("{seconds} s"),
        _ => span(Duration::from_secs(seconds)),
    }
}

/// Bytes as people count them.
pub(super) fn bytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 1000.0 {
        format!("{megabytes:.1} MB")
    } else {
        format!("{:.1} GB", megabytes / 1000.0)
    }
}

/// `1 listener`, `2 listeners`.
pub(super) fn count(n: usize, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_234, "1.2 s"),
            (59_999, "59 s"),
            (61_000, "1 min 1 s"),
            (7_260_000, "2 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn nothing_that_a_terminal_obeys() {
        assert_eq!(
            printable("a\tü\x1b[2J\u{202e}\r\n"),
            "a\tü\\u{1b}[2J\\u{202e}\\r\\n"
        );
    }

    #[test]
    fn figures() {
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(bytes(3_210_000_000), "3.2 GB");
        assert_eq!(
            (count(1, "listener"), count(0, "listener")),
            ("1 listener".into(), "0 listeners".into())
        );
        assert_eq!(list(&[1, 23]), "1, 23");
    }
}
