//! Bytes as they come from a pipe → lines, in bounded memory.
//!
//! A line is whole up to [`LINE_MAX`] bytes; a longer one comes in pieces, of which each but the last is marked. Where
//! the pieces end depends on the bytes alone, never on how the reads happened to cut them. Any byte but the newline
//! passes as it is, `\r` and NUL included.

/// The longest line that stays whole, in bytes, without its newline.
pub const LINE_MAX: usize = 64 * 1024;

/// An empty buffer of more than this gives its memory back: most lines are shorter.
const KEEP: usize = 4096;

/// A line or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The bytes, without the newline.
    pub bytes: &'a [u8],
    /// Another piece of the same line follows.
    pub continues: bool,
}

impl<'a> Piece<'a> {
    /// A line, or the end of one.
    #[must_use]
    pub fn last(bytes: &'a [u8]) -> Self {
        let continues = false;
        Self { bytes, continues }
    }
}

/// Cuts one stream of bytes into lines. Holds at most one unfinished line of [`LINE_MAX`] bytes.
#[derive(Debug, Default)]
pub struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes the next bytes and hands out each line that they complete.
    pub fn feed(&mut self, mut chunk: &[u8], mut emit: impl FnMut(Piece<'_>)) {
        if !self.partial.is_empty() {
            let Some(rest) = self.resume(chunk, &mut emit) else {
                return;
            };
            chunk = rest;
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', chunk) {
            let line = &chunk[start..end];
            start = end + 1;
            if line.len() <= LINE_MAX {
                emit(Piece::last(line));
            } else {
                self.keep(line, &mut emit);
                self.end(&mut emit);
            }
        }
        self.keep(&chunk[start..], &mut emit);
    }

    /// Hands out the last line if the stream ended without a newline.
    pub fn finish(&mut self, mut emit: impl FnMut(Piece<'_>)) {
        if !self.partial.is_empty() {
            self.end(&mut emit);
        }
    }

    /// Completes the unfinished line and returns what follows it; `None` if it is still unfinished.
    fn resume<'a>(
        &mut self,
        chunk: &'a [u8],
        emit: &mut impl FnMut(Piece<'_>),
    ) -> Option<&'a [u8]> {
        let Some(end) = memchr::memchr(b'\n', chunk) else {
            self.keep(chunk, emit);
            return None;
        };
        self.keep(&chunk[..end], emit);
        self.end(emit);
        Some(&chunk[end + 1..])
    }

    /// Adds bytes to the unfinished line. A piece goes out only when the byte after it is known, so that a line of
    /// exactly [`LINE_MAX`] bytes stays whole, and something is always left to end the line with.
    fn keep(&mut self, mut bytes: &[u8], emit: &mut impl FnMut(Piece<'_>)) {
        while self.partial.len() + bytes.len() > LINE_MAX {
            let (now, later) = bytes.split_at(LINE_MAX + 1 - self.partial.len());
            self.partial.extend_from_slice(now);
            bytes = later;
            let cut = char_boundary(&self.partial, LINE_MAX);
            emit(Piece {
                bytes: &self.partial[..cut],
                continues: true,
            });
            self.partial.drain(..cut);
        }
        self.partial.extend_from_slice(bytes);
    }

    fn end(&mut self, emit: &mut impl FnMut(Piece<'_>)) {
        emit(Piece::last(&self.partial));
        self.partial.clear();
        self.partial.shrink_to(KEEP);
    }
}

/// The last place at or before `at` that is not inside a UTF-8 character, so that a piece of a text is a text too;
/// `at` itself if the bytes are no UTF-8 anyway.
fn char_boundary(bytes: &[u8], at: usize) -> usize {
    let inside = |i: &usize| bytes.get(*i).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|i| !inside(i))
        .unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the chunks, and writes down what came out.
    fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, bool)> {
        let mut out = Vec::new();
        let mut splitter = Splitter::default();
        let mut emit = |p: Piece<'_>| out.push((p.bytes.to_vec(), p.continues));
        for chunk in chunks {
            splitter.feed(chunk, &mut emit);
            assert!(splitter.partial.capacity() <= 2 * LINE_MAX + 2);
        }
        splitter.finish(&mut emit);
        out
    }

    fn lines(input: &[u8]) -> Vec<Vec<u8>> {
        split([input]).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn every_byte_but_the_newline_passes() {
        assert_eq!(lines(b""), [b""; 0]);
        assert_eq!(lines(b"\n\n"), [b"", b""]);
        assert_eq!(
            lines(b"a\r\n\0\xff\nlast"),
            [&b"a\r"[..], b"\0\xff", b"last"]
        );
    }

    #[test]
    fn long_lines_come_in_marked_pieces() {
        for (length, pieces) in [
            (LINE_MAX, 1),
            (LINE_MAX + 1, 2),
            (2 * LINE_MAX, 2),
            (2 * LINE_MAX + 1, 3),
        ] {
            for end in ["", "\n"] {
                let out = split([[vec![b'x'; length], end.into()].concat().as_slice()]);
                assert_eq!(out.len(), pieces, "{length}");
                assert_eq!(out.iter().map(|p| p.0.len()).sum::<usize>(), length);
                for (i, (_, continues)) in out.iter().enumerate() {
                    assert_eq!(*continues, i + 1 < pieces);
                }
            }
        }
    }

    #[test]
    fn pieces_of_a_text_are_texts() {
        let text = format!("x{}", "\u{20ac}".repeat(LINE_MAX));
        let out = split([text.as_bytes()]);
        assert!(
            out.iter()
                .all(|(piece, _)| std::str::from_utf8(piece).is_ok())
        );
        assert_eq!(out.concat_pieces(), text.as_bytes());
        let noise = vec![0x80; 2 * LINE_MAX];
        assert_eq!(split([noise.as_slice()]).concat_pieces(), noise);
    }

    trait Concat {
        fn concat_pieces(&self) -> Vec<u8>;
    }
    impl Concat for Vec<(Vec<u8>, bool)> {
        fn concat_pieces(&self) -> Vec<u8> {
            self.iter().flat_map(|(piece, _)| piece.clone()).collect()
        }
    }

    #[test]
    fn the_size_of_the_reads_does_not_matter() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut input = Vec::new();
            for _ in 0..random.usize(..20) {
                let length =
                    [3, 200, LINE_MAX - 1, LINE_MAX, LINE_MAX + 1, 3 * LINE_MAX][random.usize(..6)];
                let unit: &[u8] =
                    [&b"x"[..], "\u{20ac}".as_bytes(), b"\xff\0\r", b""][random.usize(..4)];
                input.extend(unit.iter().cycle().take(random.usize(..=length)));
                input.extend(std::iter::repeat_n(b'\n', random.usize(..3)));
            }
            let mut rest = input.as_slice();
            let chunks = std::iter::from_fn(|| {
                let largest = [1, 10, 5000, 200_000][random.usize(..4)];
                let (chunk, after) = rest.split_at(random.usize(..=largest).min(rest.len()));
                let more = !rest.is_empty();
                rest = after;
                more.then_some(chunk)
            });
            let chunked: Vec<_> = chunks.collect();
            assert_eq!(split(chunked), split([input.as_slice()]), "seed {seed}");
        }
    }
}
