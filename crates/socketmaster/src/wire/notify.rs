//! What a worker says on its `NOTIFY_SOCKET`: sd_notify(3).

use std::time::Duration;

/// The part of a message that concerns us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// `READY=1`.
    pub ready: bool,
    /// `STATUS=…`, for people.
    pub status: Option<String>,
    /// `EXTEND_TIMEOUT_USEC=…`: how much time the worker asks for.
    pub extend: Option<Duration>,
}

impl Notice {
    /// Reads the lines of one datagram; what we do not know is for others.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Self {
        let mut notice = Self::default();
        for line in datagram.split(|byte| *byte == b'\n') {
            if line == b"READY=1" {
                notice.ready = true;
            } else if let Some(status) = line.strip_prefix(b"STATUS=") {
                notice.status = Some(String::from_utf8_lossy(status).into_owned());
            } else if let Some(micros) = line.strip_prefix(b"EXTEND_TIMEOUT_USEC=") {
                let micros = std::str::from_utf8(micros).ok();
                let micros = micros.and_then(|micros| micros.parse().ok());
                notice.extend = micros.map(Duration::from_micros);
            }
        }
        notice
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_ready_among_other_lines() {
        let notice = Notice::parse(b"STATUS=warming up\nREADY=1\nMAINPID=7\n");
        assert_eq!(
            notice,
            Notice {
                ready: true,
                status: Some("warming up".into()),
                extend: None,
            }
        );
    }

    #[test]
    fn time_is_asked_for_in_microseconds() {
        let asked = |text: &[u8]| Notice::parse(text).extend;
        let micros = |n| Some(Duration::from_micros(n));
        assert_eq!(
            asked(b"EXTEND_TIMEOUT_USEC=1500000\nSTATUS=x"),
            micros(1_500_000)
        );
        assert_eq!(
            asked(b"EXTEND_TIMEOUT_USEC=18446744073709551615"),
            micros(u64::MAX)
        );
        for other in [
            &b"EXTEND_TIMEOUT_USEC="[..],
            b"EXTEND_TIMEOUT_USEC=-1",
            b"EXTEND_TIMEOUT_USEC=1s",
        ] {
            assert_eq!(asked(other), None, "{other:?}");
        }
    }

    #[test]
    fn ready_is_exactly_that() {
        for other in [
            &b"READY=0"[..],
            b"READY=10",
            b"XREADY=1",
            b"ready=1",
            b"",
            b"\xff\x00\n=",
        ] {
            assert!(!Notice::parse(other).ready, "{other:?}");
        }
    }
}
