//! How a line of the log looks.
//!
//! | | |
//! | --- | --- |
//! | text | `socketmaster[PID] 2006/01/02 15:04:05 [WORKERPID] text`, local time, the original's form |
//! | syslog | `<14>Jan  2 15:04:05 socketmaster[PID]: [WORKERPID] text`, a datagram (RFC 3164, local form without host) |
//! | JSON | `{"time":…,"worker":0,"pid":…,"generation":1,"stream":"stdout","line":"text"}`, time in UTC |
//!
//! `PID` is the supervisor's. Its own lines have no `[WORKERPID] `, or the stream `supervisor` and no worker.
//!
//! The syslog priority is user.info. The original sends kern.info (`<6>`), but only the kernel may speak as the kernel
//! (syslog(3)), and journald files such a message under user as well.

use std::io::Write;

use serde::Serialize;

use super::forward::{Origin, Stream};

/// Ends each piece but the last of a line that was too long to stay whole, in text and in syslog.
pub const CONTINUES: &[u8] = b" [continues]";

/// A moment by calendar and clock, in whatever zone the caller counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
}

impl Civil {
    /// The calendar of so many seconds since 1970 (plus the zone's offset, for local time).
    #[must_use]
    pub fn at(seconds: i64) -> Self {
        let (mut days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Eras of 400 years, and years that begin in March, so that the leap day is the last one.
        days += 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let march = (5 * day + 2) / 153;
        let month = if march < 10 { march + 3 } else { march - 9 };
        Self {
            year: year + era * 400 + i64::from(month <= 2),
            month: usize::try_from(month).unwrap_or_default(),
            day: day - (153 * march + 2) / 5 + 1,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

/// What stands before each line of a worker, or of the supervisor, in one second: of fixed size, so that copying it
/// is a few instructions.
#[derive(Clone, Copy, Debug)]
pub struct Header {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Header {
    /// More than any header needs.
    const MAX: usize = 64;

    /// Before a line of text.
    #[must_use]
    pub fn text(local: &Civil, supervisor: i32, worker: Option<i32>) -> Self {
        let Civil {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = local;
        let time = format_args!("{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}");
        Self::write(format_args!("socketmaster[{supervisor}] {time} "), worker)
    }

    /// Before a line for syslog. Without a worker for lines that say themselves whose they are.
    #[must_use]
    pub fn syslog(local: &Civil, supervisor: i32, worker: Option<i32>) -> Self {
        const MONTHS: &[u8] = b"DecJanFebMarAprMayJunJulAugSepOctNov";
        let name = MONTHS
            .chunks(3)
            .cycle()
            .nth(local.month)
            .unwrap_or_default()
            .escape_ascii();
        let Civil {
            day,
            hour,
            minute,
            second,
            ..
        } = local;
        Self::write(
            format_args!(
                "<14>{name} {day:2} {hour:02}:{minute:02}:{second:02} socketmaster[{supervisor}]: "
            ),
            worker,
        )
    }

    /// Before a line of JSON on standard error: nothing.
    #[must_use]
    pub fn none() -> Self {
        Self {
            bytes: [0; Self::MAX],
            length: 0,
        }
    }

    fn write(text: std::fmt::Arguments<'_>, worker: Option<i32>) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut room = bytes.as_mut_slice();
        // It ends early if it doesn't fit, which no pid and no year before 100,000 can bring about.
        let _ = room
            .write_fmt(text)
            .and_then(|()| worker.map_or(Ok(()), |pid| write!(room, "[{pid}] ")));
        let length = Self::MAX - room.len();
        Self { bytes, length }
    }

    /// Appends it.
    #[inline]
    pub fn push_to(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.length;
        out.extend_from_slice(&self.bytes);
        out.truncate(end);
    }
}

/// The time of a JSON line: RFC 3339 with milliseconds, in UTC.
#[must_use]
pub fn rfc3339(unix_millis: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::at(unix_millis.div_euclid(1000));
    let millis = unix_millis.rem_euclid(1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Appends one JSON object: a line of a worker, or of the supervisor if there is no origin. Bytes that are no UTF-8
/// become U+FFFD. `partial` says that another piece of the line follows.
pub fn push_json(
    out: &mut Vec<u8>,
    time: &str,
    supervisor: i32,
    origin: Option<&Origin>,
    line: &[u8],
    partial: bool,
) {
    #[derive(Serialize)]
    struct Record<'a> {
        time: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        worker: Option<u32>,
        pid: i32,
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<u64>,
        stream: &'a str,
        line: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        partial: bool,
    }
    let record = Record {
        time,
        worker: origin.map(|s| s.slot),
        pid: origin.map_or(supervisor, |s| s.pid),
        generation: origin.map(|s| s.generation),
        stream: match origin.map(|s| s.stream) {
            Some(Stream::Output | Stream::Stdout) => "stdout",
            Some(Stream::Stderr) => "stderr",
            None => "supervisor",
        },
        line: &String::from_utf8_lossy(line),
        partial,
    };
    // Writing plain fields to memory can't fail.
    let _ = serde_json::to_writer(out, &record);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(header: Header) -> String {
        let mut out = b"before ".to_vec();
        header.push_to(&mut out);
        String::from_utf8(out).unwrap().split_off("before ".len())
    }

    /// 2021-02-10 15:39:25.
    const MOMENT: i64 = 1_612_971_565;

    #[test]
    fn text_looks_as_the_original_has_it() {
        let at = Civil::at(MOMENT);
        assert_eq!(
            text(Header::text(&at, 2969, None)),
            "socketmaster[2969] 2021/02/10 15:39:25 "
        );
        assert_eq!(
            text(Header::text(&at, 2969, Some(2970))),
            "socketmaster[2969] 2021/02/10 15:39:25 [2970] "
        );
        let longest = text(Header::text(&at, i32::MAX, Some(i32::MAX)));
        assert!(longest.ends_with("[2147483647] ") && longest.len() < Header::MAX);
    }

    #[test]
    fn syslog_looks_as_rfc_3164_has_it() {
        let at = Civil::at(MOMENT - 8 * 86_400);
        assert_eq!(
            text(Header::syslog(&at, 2969, Some(7))),
            "<14>Feb  2 15:39:25 socketmaster[2969]: [7] "
        );
        assert_eq!(
            text(Header::syslog(&Civil::at(-1), 1, None)),
            "<14>Dec 31 23:59:59 socketmaster[1]: "
        );
        assert!(text(Header::syslog(&at, i32::MAX, Some(i32::MAX))).ends_with("[2147483647] "));
    }

    #[test]
    fn the_calendar_is_right() {
        for (millis, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (MOMENT * 1000 + 7, "2021-02-10T15:39:25.007Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(millis), expected);
        }
    }

    #[test]
    fn json_is_one_object_a_line() {
        let origin = Origin {
            pid: 7,
            generation: 3,
            slot: 1,
            stream: Stream::Stderr,
        };
        let mut out = Vec::new();
        push_json(&mut out, "T", 1, Some(&origin), b"a\"\\\0\n\xff", true);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"time":"T","worker":1,"pid":7,"generation":3,"stream":"stderr","line":"a\"\\\u0000\n�","partial":true}"#
        );
        let mut out = Vec::new();
        push_json(&mut out, "T", 1, None, b"Starting", false);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"time":"T","pid":1,"stream":"supervisor","line":"Starting"}"#
        );
    }
}
