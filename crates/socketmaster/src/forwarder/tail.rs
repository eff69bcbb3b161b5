//! The last that a worker printed: what people want to see of one that failed.

use std::collections::VecDeque;

/// How much of each pipe is kept, in bytes.
const KEPT: usize = 8 * 1024;

/// How many lines are told.
const LINES: usize = 20;

/// Of so many pipes that have ended, the last is still known: the supervisor asks when its worker has gone.
const ENDED: usize = 16;

/// The last bytes of one pipe. Costs a copy of at most 8 KiB for each read, which takes up to 64.
#[derive(Debug, Default)]
pub struct Tail(Vec<u8>);

impl Tail {
    /// Takes note of what was read.
    #[inline]
    pub fn add(&mut self, read: &[u8]) {
        let read = last(read);
        // Moved up only when there is twice as much as is wanted, not with each line.
        if self.0.len() + read.len() > 2 * KEPT {
            let surplus = (self.0.len() + read.len() - KEPT).min(self.0.len());
            self.0.drain(..surplus);
        }
        self.0.extend_from_slice(read);
    }
}

fn last(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(KEPT)..]
}

/// The last of pipes that have ended.
#[derive(Debug, Default)]
pub struct Ended(VecDeque<(u64, i32, Tail)>);

impl Ended {
    /// Keeps that of pipe `id` of the worker `pid`, in place of the oldest.
    pub fn keep(&mut self, id: u64, pid: i32, Tail(mut bytes): Tail) {
        if self.0.len() >= ENDED {
            self.0.pop_front();
        }
        bytes.drain(..bytes.len().saturating_sub(KEPT));
        bytes.shrink_to_fit();
        self.0.push_back((id, pid, Tail(bytes)));
    }

    /// Those of this worker, with their pipes.
    pub fn of(&self, pid: i32) -> impl Iterator<Item = (u64, &Tail)> {
        let is_its = move |(_, of, _): &&(u64, i32, Tail)| *of == pid;
        self.0
            .iter()
            .filter(is_its)
            .map(|(id, _, tail)| (*id, tail))
    }
}

/// The last lines of these pipes, one pipe after the other: at most 20, and 8 KiB in all. Of a longer line its end.
/// Bytes that are no UTF-8 are replaced.
pub fn lines<'a>(tails: impl Iterator<Item = &'a Tail>) -> Vec<String> {
    let mut all = Vec::new();
    for Tail(bytes) in tails {
        all.extend_from_slice(last(bytes));
        if all.last().is_some_and(|byte| *byte != b'\n') {
            all.push(b'\n');
        }
    }
    let text = all.strip_suffix(b"\n").unwrap_or(&all);
    if text.is_empty() {
        return Vec::new();
    }
    let mut room = KEPT;
    let mut lines = Vec::new();
    for line in text.rsplit(|byte| *byte == b'\n').take(LINES) {
        if room == 0 {
            break;
        }
        let line = &line[line.len().saturating_sub(room)..];
        room = room.saturating_sub(line.len() + 1);
        lines.push(String::from_utf8_lossy(line).into_owned());
    }
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(reads: &[&[u8]]) -> Tail {
        let mut tail = Tail::default();
        reads.iter().for_each(|read| tail.add(read));
        tail
    }

    #[test]
    fn the_last_twenty_lines_in_their_order() {
        let text: String = (1..=5000).map(|n| format!("line {n}\n")).collect();
        let wanted: Vec<_> = (4981..=5000).map(|n| format!("line {n}")).collect();
        for size in [1, 7, 100, 4096, 65536] {
            let reads: Vec<_> = text.as_bytes().chunks(size).collect();
            assert_eq!(lines([&tail(&reads)].into_iter()), wanted, "{size}");
        }
    }

    #[test]
    fn never_more_than_eight_kibibytes_are_kept_or_told() {
        let long = [b'x'; 100_000];
        let mut kept = tail(&[&long]);
        for _ in 0..1000 {
            kept.add(&[b'y'; 100]);
            assert!(kept.0.len() <= 2 * KEPT);
        }
        let told = lines([&kept, &kept].into_iter());
        assert_eq!(told, ["y".repeat(KEPT)]);
    }

    #[test]
    fn nothing_printed_is_no_line_and_an_unfinished_line_is_one() {
        assert!(lines([&tail(&[])].into_iter()).is_empty());
        assert_eq!(lines([&tail(&[b"a\n\nb"])].into_iter()), ["a", "", "b"]);
        let both = [&tail(&[b"out\nend"]), &tail(&[b"error\n"])];
        assert_eq!(lines(both.into_iter()), ["out", "end", "error"]);
    }

    #[test]
    fn sixteen_that_ended_are_known() {
        let mut ended = Ended::default();
        for pid in 1..=17 {
            ended.keep(1, pid, tail(&[&[b'x'; 20_000]]));
        }
        assert_eq!(ended.of(1).count(), 0);
        assert_eq!(ended.of(2).count(), 1);
        assert!(ended.0.iter().all(|(.., tail)| tail.0.len() == KEPT));
    }
}
