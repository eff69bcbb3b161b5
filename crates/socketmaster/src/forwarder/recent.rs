//! The last of the log, for whoever asks later.
//!
//! Lines have positions: the bytes before them, counted from a number that is larger than any position of a forwarder
//! that was there before. So a reader who knows how far it has read misses nothing and sees nothing twice.

/// How much is kept at most, in bytes. The memory is taken with the first line, and touched as lines come.
const KEPT: usize = 64 * 1024;

/// What is left when that is full: each time less to move than what has come since.
const LEFT: usize = KEPT / 4 * 3;

/// The last lines, always whole.
#[derive(Debug)]
pub struct Recent {
    bytes: Vec<u8>,
    end: u64,
}

impl Recent {
    /// Nothing yet, at this position.
    #[must_use]
    pub fn new(position: u64) -> Self {
        Self {
            bytes: Vec::new(),
            end: position,
        }
    }

    /// What is kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The position of the first line that is kept.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.end - self.bytes.len() as u64
    }

    /// The position of the line to come.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Adds whole lines.
    pub fn add(&mut self, lines: &[u8]) {
        let begin = self.begin_after(lines);
        self.bytes.reserve_exact(KEPT - self.bytes.len());
        match begin.checked_sub(self.end) {
            Some(skipped) => {
                self.bytes.clear();
                self.bytes.extend_from_slice(&lines[index(skipped)..]);
            }
            None => {
                self.bytes.drain(..index(begin - self.begin()));
                self.bytes.extend_from_slice(lines);
            }
        }
        self.end += lines.len() as u64;
    }

    /// Where what is kept will begin when these lines have been added.
    #[must_use]
    pub fn begin_after(&self, lines: &[u8]) -> u64 {
        let all = self.bytes.len() + lines.len();
        if all <= KEPT {
            return self.begin();
        }
        // From the next line on: where the line before it ends.
        let before = all - LEFT - 1;
        let old = self.bytes.get(before..).unwrap_or_default();
        let new = &lines[before.saturating_sub(self.bytes.len())..];
        let cut = match (memchr::memchr(b'\n', old), memchr::memchr(b'\n', new)) {
            (Some(at), _) => before + at + 1,
            (None, Some(at)) => all - new.len() + at + 1,
            (None, None) => all,
        };
        self.begin() + cut as u64
    }

    /// The position of the last `lines` lines, or of the first one that is kept.
    #[must_use]
    pub fn last(&self, lines: usize) -> u64 {
        let end = memchr::memrchr_iter(b'\n', &self.bytes).nth(lines);
        self.begin() + end.map_or(0, |at| at as u64 + 1)
    }

    /// The first position from this one on, or the first one that is kept, at which a line begins.
    #[must_use]
    pub fn line_from(&self, position: u64) -> u64 {
        let Some(from) = position.checked_sub(self.begin() + 1) else {
            return self.begin();
        };
        let rest = self.bytes.get(index(from)..).unwrap_or_default();
        memchr::memchr(b'\n', rest).map_or(self.end, |at| self.begin() + from + at as u64 + 1)
    }

    /// How many lines end from this position on and before that, with these lines added to what is kept.
    #[must_use]
    pub fn count(&self, from: u64, to: u64, lines: &[u8]) -> u64 {
        let count = |bytes: &[u8], begin: u64| {
            let at = |position: u64| index(position.saturating_sub(begin)).min(bytes.len());
            memchr::memchr_iter(b'\n', &bytes[at(from)..at(to)]).count() as u64
        };
        count(&self.bytes, self.begin()) + count(lines, self.end)
    }
}

/// No position is further from another than there is memory.
fn index(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(range: std::ops::Range<u32>) -> Vec<u8> {
        range
            .flat_map(|n| format!("line {n}\n").into_bytes())
            .collect()
    }

    fn from(recent: &Recent, position: u64) -> String {
        let bytes = &recent.bytes()[index(position - recent.begin())..];
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn the_last_lines_are_kept_whole() {
        for size in [1, 10, 1000, 100_000] {
            let mut recent = Recent::new(7);
            for begin in (0..200_000).step_by(size) {
                let added = lines(begin..begin + u32::try_from(size).unwrap());
                let told = recent.begin_after(&added);
                recent.add(&added);
                assert_eq!(recent.begin(), told);
                assert!(recent.bytes().len() <= KEPT && recent.bytes().starts_with(b"line "));
            }
            assert!(recent.bytes().len() >= LEFT - 100, "{size}");
            assert_eq!(recent.end(), 7 + lines(0..200_000).len() as u64);
            assert_eq!(from(&recent, recent.last(2)), "line 199998\nline 199999\n");
            assert_eq!(recent.last(0), recent.end());
            assert_eq!(recent.last(usize::MAX), recent.begin());
        }
    }

    #[test]
    fn a_position_is_that_of_a_line() {
        let mut recent = Recent::new(100);
        recent.add(b"one\ntwo\nthree\n");
        for (position, line) in [
            (0, 100),
            (100, 100),
            (101, 104),
            (104, 104),
            (105, 108),
            (113, 114),
            (114, 114),
            (999, 114),
        ] {
            assert_eq!(recent.line_from(position), line, "{position}");
        }
        for (from, to, lines) in [
            (100, 114, 3),
            (104, 108, 1),
            (108, 118, 2),
            (114, 122, 2),
            (118, 122, 1),
        ] {
            assert_eq!(recent.count(from, to, b"new\nnew\n"), lines, "{from} {to}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_leaves_nothing() {
        let mut recent = Recent::new(0);
        recent.add(b"before\n");
        let mut long = vec![b'x'; KEPT];
        long.push(b'\n');
        recent.add(&long);
        assert_eq!((recent.bytes(), recent.begin()), (&b""[..], recent.end()));
        recent.add(b"after\n");
        assert_eq!(recent.bytes(), b"after\n");
    }
}
