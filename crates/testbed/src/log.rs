//! The supervisor's log as it comes, with the moment of each line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// One line, without its end.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it was read.
    pub at: Instant,
    /// What it says. Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// All lines so far, and more to come.
#[derive(Debug)]
pub struct Log {
    shared: Arc<(Mutex<Lines>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: Vec<Line>,
    ended: bool,
}

impl Log {
    pub(crate) fn read(source: impl Read + Send + 'static) -> Self {
        let shared = Arc::new((Mutex::new(Lines::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let reader = thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            while source.read_until(b'\n', &mut bytes).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&bytes)
                    .trim_end_matches('\n')
                    .to_owned();
                bytes.clear();
                theirs.0.lock().unwrap().lines.push(Line {
                    at: Instant::now(),
                    text,
                });
                theirs.1.notify_all();
            }
            theirs.0.lock().unwrap().ended = true;
            theirs.1.notify_all();
        });
        Self {
            shared,
            reader: Some(reader),
        }
    }

    /// Waits for the `n`th line (from 1) that contains this, for at most `patience` and while there may be more.
    #[must_use]
    pub fn nth(&self, pattern: &str, n: usize, patience: Duration) -> Option<Line> {
        let end = Instant::now() + patience;
        let mut lines = self.shared.0.lock().unwrap();
        let (mut seen, mut found) = (0, 0);
        loop {
            for line in &lines.lines[seen..] {
                found += usize::from(line.text.contains(pattern));
                if found == n {
                    return Some(line.clone());
                }
            }
            seen = lines.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.ended {
                return None;
            }
            lines = self.shared.1.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// How many lines contain this so far.
    #[must_use]
    pub fn count(&self, pattern: &str) -> usize {
        self.lines()
            .iter()
            .filter(|line| line.text.contains(pattern))
            .count()
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.shared.0.lock().unwrap().lines.clone()
    }

    /// All lines so far, as a text.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines()
            .iter()
            .map(|line| line.text.clone() + "\n")
            .collect()
    }

    /// Waits until nobody holds the log any more, for at most `patience`; says whether that is so.
    pub fn ended(&mut self, patience: Duration) -> bool {
        let (mutex, changed) = &*self.shared;
        let lines =
            changed.wait_timeout_while(mutex.lock().unwrap(), patience, |lines| !lines.ended);
        let ended = lines.unwrap().0.ended;
        if let Some(reader) = self.reader.take_if(|_| ended) {
            let _ = reader.join();
        }
        ended
    }
}
