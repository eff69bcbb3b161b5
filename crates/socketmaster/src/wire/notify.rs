//! What a worker says on its `NOTIFY_SOCKET`: sd_notify(3).

/// The part of a message that concerns us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// `READY=1`.
    pub ready: bool,
    /// `STATUS=…`, for people.
    pub status: Option<String>,
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
                status: Some("warming up".into())
            }
        );
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
