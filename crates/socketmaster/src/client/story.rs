//! What is told of a reload while it goes on.

use std::time::Duration;

use super::words::{printable, span};
use crate::wire::control::Progress;

/// What has been heard so far.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// The instance.
    pub(super) name: String,
    /// How many workers are wanted.
    workers: u32,
    /// The generation that is being brought up, once it has been started.
    pub(super) generation: Option<u64>,
    /// How the newest worker got ready: its pid and the milliseconds.
    ready: Option<(i32, u64)>,
    /// What the newest worker says of itself while it starts.
    says: String,
    /// How many of the generation have got ready.
    count: u32,
    /// The older generations that were told to end and have not.
    draining: Vec<u64>,
    /// The live line.
    live: String,
}

impl Story {
    pub(super) fn new(name: &str, workers: u32) -> Self {
        Self {
            name: printable(name),
            workers,
            ..Self::default()
        }
    }

    /// Takes in what happened, and says it in a line. A verdict has its own words.
    pub(super) fn hear(&mut self, progress: &Progress) -> Option<String> {
        Some(match progress {
            Progress::Queued => {
                self.live = "waits for another reload".into();
                "another reload is under way: this one begins after it".into()
            }
            Progress::Started {
                generation,
                slot,
                pid,
            } => {
                if self.generation != Some(*generation) {
                    self.count = 0;
                }
                self.generation = Some(*generation);
                let which = self.which(*slot);
                self.live = format!("generation {generation}: started ({which}pid {pid})");
                format!("generation {generation} started ({which}pid {pid})")
            }
            Progress::Waits { generation, why } => {
                format!(
                    "generation {generation} is not ready yet: {}",
                    printable(why)
                )
            }
            Progress::Says {
                generation,
                slot,
                pid,
                text,
            } => {
                let which = self.which(*slot);
                self.says = printable(text);
                format!(
                    "generation {generation} says: {} ({which}pid {pid})",
                    self.says
                )
            }
            Progress::Ready {
                generation,
                slot,
                pid,
                after_ms,
            } => {
                self.says.clear();
                self.ready = Some((*pid, *after_ms));
                self.count += u32::from(self.generation == Some(*generation));
                let (which, share) = (self.which(*slot), self.share());
                // In the place of its start, for a line of a narrow terminal.
                self.live = format!("generation {generation}: ready after {after_ms} ms{share}");
                format!(
                    "generation {generation} ready after {after_ms} ms ({which}pid {pid}){share}"
                )
            }
            Progress::Draining {
                generation,
                slot,
                pid,
            } => {
                self.draining.push(*generation);
                let which = self.which(*slot);
                self.live += &format!(" … generation {generation} draining");
                format!("generation {generation} draining ({which}pid {pid})")
            }
            Progress::Gone {
                generation,
                slot,
                how,
            } => {
                let is_it = |other: &u64| other == generation;
                if let Some(at) = self.draining.iter().position(is_it) {
                    self.draining.remove(at);
                }
                let (which, how) = (self.which(*slot), printable(how));
                self.live += &format!(" … generation {generation} gone");
                format!("generation {generation} gone ({which}{how})")
            }
            Progress::Drained => "no older generation is left".into(),
            Progress::Done { .. }
            | Progress::Failed { .. }
            | Progress::NotExpected { .. }
            | Progress::Superseded => return None,
        })
    }

    /// Which worker, by its slot, where there are several.
    fn which(&self, slot: u32) -> String {
        match self.workers {
            0 | 1 => String::new(),
            _ => format!("worker {slot}, "),
        }
    }

    /// Why it failed, and which worker that was.
    pub(super) fn why(&self, slot: Option<u32>, why: &str) -> String {
        let why = printable(why);
        match slot {
            Some(slot) if self.workers > 1 => format!("worker {slot}: {why}"),
            _ => why,
        }
    }

    /// How many of them are ready.
    fn share(&self) -> String {
        match self.workers {
            0 | 1 => String::new(),
            all => format!(", {} of {all}", self.count),
        }
    }

    /// The live line.
    pub(super) fn live(&self, took: Duration) -> String {
        let took = span(took);
        if self.live.is_empty() {
            return format!("  {}: asked … {took}", self.name);
        }
        let says = match &*self.says {
            "" => String::new(),
            says => format!(" … {says}"),
        };
        format!("  {}: {}{says} … {took}", self.name, self.live)
    }

    /// The live line after the verdict.
    pub(super) fn waiting(&self, took: Duration) -> String {
        let generations: Vec<_> = self.draining.iter().map(u64::to_string).collect();
        let which = match generations.len() {
            0 => "the older generations".into(),
            1 => format!("generation {}", generations[0]),
            _ => format!("generations {}", generations.join(", ")),
        };
        let took = span(took);
        format!("  {}: waiting for {which} to finish … {took}", self.name)
    }

    /// That it is done, in a line that says all.
    pub(super) fn done(&self, generation: u64) -> String {
        if self.workers > 1 {
            let (name, workers) = (&self.name, self.workers);
            return format!("{name}: generation {generation} serves ({workers} workers)");
        }
        let ready = self.ready.map_or_else(String::new, |(pid, after_ms)| {
            format!(" (pid {pid}, ready after {after_ms} ms)")
        });
        format!("{}: generation {generation} serves{ready}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_in_a_line() {
        let mut story = Story::new("site", 1);
        let took = Duration::from_millis(300);
        assert_eq!(story.live(took), "  site: asked … 300 ms");
        let mut hear = |progress| story.hear(&progress);
        assert_eq!(
            hear(Progress::Started {
                generation: 3,
                slot: 0,
                pid: 77
            }),
            Some("generation 3 started (pid 77)".into())
        );
        assert_eq!(
            hear(Progress::Says {
                generation: 3,
                slot: 0,
                pid: 77,
                text: "warm\ring".into()
            }),
            Some("generation 3 says: warm\\ring (pid 77)".into())
        );
        assert_eq!(
            story.live(took),
            "  site: generation 3: started (pid 77) … warm\\ring … 300 ms"
        );
        let mut hear = |progress| story.hear(&progress);
        let _ = hear(Progress::Ready {
            generation: 3,
            slot: 0,
            pid: 77,
            after_ms: 270,
        });
        let _ = hear(Progress::Draining {
            generation: 2,
            slot: 0,
            pid: 66,
        });
        assert_eq!(hear(Progress::Done { generation: 3 }), None);
        assert_eq!(
            story.live(took),
            "  site: generation 3: ready after 270 ms … generation 2 draining … 300 ms"
        );
        assert_eq!(
            story.done(3),
            "site: generation 3 serves (pid 77, ready after 270 ms)"
        );
        assert_eq!(
            story.waiting(took),
            "  site: waiting for generation 2 to finish … 300 ms"
        );
    }

    #[test]
    fn of_several_workers_each_is_told_apart() {
        let mut story = Story::new("site", 2);
        let mut lines = Vec::new();
        for slot in [0, 1] {
            let (generation, pid) = (3, 70);
            lines.extend(story.hear(&Progress::Started {
                generation,
                slot,
                pid,
            }));
            lines.extend(story.hear(&Progress::Ready {
                generation,
                slot,
                pid,
                after_ms: 5,
            }));
            lines.extend(story.hear(&Progress::Gone {
                generation: 2,
                slot,
                how: "exit status 0".into(),
            }));
        }
        assert_eq!(
            lines,
            [
                "generation 3 started (worker 0, pid 70)",
                "generation 3 ready after 5 ms (worker 0, pid 70), 1 of 2",
                "generation 2 gone (worker 0, exit status 0)",
                "generation 3 started (worker 1, pid 70)",
                "generation 3 ready after 5 ms (worker 1, pid 70), 2 of 2",
                "generation 2 gone (worker 1, exit status 0)",
            ]
        );
        assert_eq!(story.done(3), "site: generation 3 serves (2 workers)");
    }

    #[test]
    fn what_others_say_is_shown_and_not_obeyed() {
        let mut story = Story::new("a\x1b[2J", 1);
        assert_eq!(story.name, "a\\u{1b}[2J");
        let gone = Progress::Gone {
            generation: 1,
            slot: 0,
            how: "\r".into(),
        };
        assert_eq!(story.hear(&gone), Some("generation 1 gone (\\r)".into()));
    }
}
