//! How the lines look that this forwarder writes: the format asked for, the supervisor's pid and the time.

use rustix::time::{ClockId, clock_gettime};

use crate::config::LogFormat;
use crate::sys::localtime;
use crate::wire::forward::Origin;
use crate::wire::line::{CONTINUES, Civil, Header, push_json, rfc3339};
use crate::wire::split::Piece;

/// What all lines have in common.
#[derive(Debug)]
pub struct Look {
    supervisor: i32,
    format: LogFormat,
    syslog: bool,
    /// The calendar of the second last looked at: the same for millions of lines.
    local: (i64, Civil),
}

/// What the lines of one read have in common.
#[derive(Debug)]
pub struct Stamp {
    header: Header,
    time: String,
    origin: Option<Origin>,
}

impl Look {
    /// Lines of this supervisor's log, for syslog or for standard error.
    #[must_use]
    pub fn new(supervisor: i32, format: LogFormat, syslog: bool) -> Self {
        Self {
            supervisor,
            format,
            syslog,
            local: (i64::MIN, Civil::at(0)),
        }
    }

    /// Looks at the clock, for lines of this worker, or of the supervisor if there is no origin.
    pub fn stamp(&mut self, origin: Option<Origin>) -> Stamp {
        let now = clock_gettime(ClockId::Realtime);
        if self.local.0 != now.tv_sec {
            self.local = (
                now.tv_sec,
                Civil::at(now.tv_sec + localtime::utc_offset(now.tv_sec)),
            );
        }
        let text = self.format == LogFormat::Text;
        let worker = origin.filter(|_| text).map(|origin| origin.pid);
        Stamp {
            header: match (self.syslog, text) {
                (true, _) => Header::syslog(&self.local.1, self.supervisor, worker),
                (false, true) => Header::text(&self.local.1, self.supervisor, worker),
                (false, false) => Header::none(),
            },
            time: if text {
                String::new()
            } else {
                rfc3339(now.tv_sec * 1000 + now.tv_nsec / 1_000_000)
            },
            origin,
        }
    }

    /// Appends a line, with its newline unless it is for syslog, where the datagram is the line.
    #[inline]
    pub fn push(&self, out: &mut Vec<u8>, stamp: &Stamp, piece: Piece<'_>) {
        stamp.header.push_to(out);
        match self.format {
            LogFormat::Text => {
                out.extend_from_slice(piece.bytes);
                if piece.continues {
                    out.extend_from_slice(CONTINUES);
                }
            }
            LogFormat::Json => {
                push_json(
                    out,
                    &stamp.time,
                    self.supervisor,
                    stamp.origin.as_ref(),
                    piece.bytes,
                    piece.continues,
                );
            }
        }
        if !self.syslog {
            out.push(b'\n');
        }
    }
}
