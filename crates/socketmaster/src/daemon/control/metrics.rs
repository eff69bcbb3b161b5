//! The metrics: what is so now is looked up when somebody asks, what has happened is counted as it does.
//!
//! No crate for it: of the counts those of the program before us must be taken over in an upgrade, histograms included,
//! and that is all there is to it beside the text.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::core::{Request, Time, Verdict, WorkerId};
use crate::daemon::{Daemon, now};
use crate::sys::{clock, socket};
use crate::wire::exposition::{Format, Labels, Page};

/// The bounds of the parts of a histogram, in seconds: reloads take less than a minute mostly, drains up to hours. They
/// go through upgrades: only ever add some at the end.
const BOUNDS: [f64; 12] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0,
];

/// Spans of time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Spans {
    /// How many fall between each bound and the one before.
    parts: Vec<u64>,
    count: u64,
    seconds: f64,
}

impl Spans {
    fn add(&mut self, from: Time, to: Time) {
        let seconds = (to - from).as_secs_f64();
        self.parts.resize(BOUNDS.len(), 0);
        if let Some(part) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.parts[part] += 1;
        }
        self.count += 1;
        self.seconds += seconds;
    }

    fn show(&self, page: &mut Page, name: &str, help: &str) {
        let parts = self.parts.iter().copied().chain(std::iter::repeat(0));
        let parts = BOUNDS.into_iter().zip(parts);
        page.histogram(name, help, parts, self.count, self.seconds);
    }
}

/// What is counted, from the first start through all upgrades.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Verdicts: done, failed, superseded.
    verdicts: [u64; 3],
    reloads: Spans,
    drains: Spans,
    /// Ends of workers: failed, unplanned, drained, killed.
    ends: [u64; 4],
    /// When those were asked for that have no verdict yet.
    asked: BTreeMap<Request, Time>,
    /// When those were told to stop that have not gone yet.
    told: BTreeMap<WorkerId, Time>,
    /// Those that failed, or were killed, and have not gone yet.
    failed: BTreeSet<WorkerId>,
    killed: BTreeSet<WorkerId>,
    /// When a reload was done last, in seconds since 1970.
    done_at: Option<f64>,
}

impl Counters {
    /// A reload was asked for.
    pub fn asked(&mut self, request: Request) {
        self.asked.insert(request, now());
    }

    pub(super) fn verdict(&mut self, request: Request, verdict: Verdict) {
        let which = match verdict {
            Verdict::Done(_) => {
                self.done_at = Some(clock::unix_seconds());
                0
            }
            Verdict::Failed(..) => 1,
            Verdict::Superseded => 2,
        };
        self.verdicts[which] += 1;
        if let Some(asked) = self.asked.remove(&request) {
            self.reloads.add(asked, now());
        }
    }

    /// A worker was told to stop.
    pub fn told(&mut self, id: WorkerId) {
        self.told.entry(id).or_insert_with(now);
    }

    /// A worker was killed.
    pub fn killed(&mut self, id: WorkerId) {
        self.killed.insert(id);
    }

    pub(super) fn failed(&mut self, id: WorkerId) {
        self.failed.insert(id);
    }

    /// A worker has gone, that was in this phase.
    pub(super) fn gone(&mut self, id: WorkerId, phase: &str) {
        let failed = self.failed.remove(&id);
        let killed = self.killed.remove(&id);
        let told = self.told.remove(&id);
        self.ends[match phase {
            "starting" => 0,
            _ if failed => 0,
            "ready" => 1,
            _ if killed => 3,
            _ => 2,
        }] += 1;
        if let Some(told) = told {
            self.drains.add(told, now());
        }
    }
}

fn labels<const N: usize>(
    label: &'static str,
    values: [&'static str; N],
) -> impl Iterator<Item = Labels<'static>> {
    values.into_iter().map(move |value| Some((label, value)))
}

impl Daemon {
    pub(super) fn metrics(&self, format: Format) -> String {
        let mut page = Page::new(format);
        let version = Some(("version", env!("CARGO_PKG_VERSION")));
        page.gauge(
            "socketmaster_build_info",
            "The supervisor's version.",
            [(version, 1.0)],
        );
        page.gauge(
            "socketmaster_process_start_time_seconds",
            "When the supervisor started, before all upgrades, in seconds since 1970.",
            [(
                None,
                clock::unix_seconds() - (now() - self.since).as_secs_f64(),
            )],
        );
        page.gauge(
            "socketmaster_generation",
            "The generation that serves; 0 before the first is ready.",
            [(None, self.core.serving().map_or(0.0, |g| g.0 as f64))],
        );
        let phases: Vec<_> = self.workers.keys().chain(self.remnants.keys()).collect();
        let states = ["starting", "ready", "draining"].map(|state| {
            let of_state = phases.iter().filter(|id| self.phase(***id) == state);
            (Some(("state", state)), of_state.count() as f64)
        });
        page.gauge("socketmaster_processes", "Workers by their phase.", states);
        self.counted(&mut page);
        self.queues(&mut page);
        page.finish()
    }

    fn counted(&self, page: &mut Page) {
        let counters = &self.counters;
        page.counter(
            "socketmaster_reloads_total",
            "Requests for a reload by their verdict.",
            labels("result", ["done", "failed", "superseded"]).zip(counters.verdicts),
        );
        counters.reloads.show(
            page,
            "socketmaster_reload_duration_seconds",
            "From the request for a reload to its verdict.",
        );
        let well = self.last_reload.as_ref().is_none_or(|last| last.done);
        page.gauge(
            "socketmaster_last_reload_successful",
            "Whether the last reload did not fail; 1 before the first.",
            [(None, f64::from(u8::from(well)))],
        );
        page.gauge(
            "socketmaster_last_reload_success_timestamp_seconds",
            "When a reload was done last, in seconds since 1970; missing before the first.",
            counters.done_at.map(|at| (None, at)),
        );
        counters.drains.show(
            page,
            "socketmaster_drain_duration_seconds",
            "From the signal to a worker to stop to its end.",
        );
        page.counter(
            "socketmaster_process_exits_total",
            "Ends of workers: failed before they were ready, unplanned while they were, drained when told to, killed \
             because they had not.",
            labels("reason", ["failed", "unplanned", "drained", "killed"]).zip(counters.ends),
        );
    }

    fn queues(&self, page: &mut Page) {
        // Several sockets may be bound to one address: a series must be there once.
        let mut queues = BTreeMap::<String, [Option<u32>; 3]>::new();
        for listener in self.sockets.listeners() {
            let queue = socket::queue(listener.fd());
            let news = [
                queue.map(|(now, _)| now),
                queue.map(|(_, limit)| limit),
                socket::drops(listener.fd()),
            ];
            let sums = queues.entry(listener.actual()).or_default();
            for (sum, new) in sums.iter_mut().zip(news) {
                *sum = sum.map_or(new, |sum| Some(sum.saturating_add(new.unwrap_or(0))));
            }
        }
        let of = |which: usize| {
            let known = queues.iter();
            known.filter_map(move |(uri, sums)| Some((Some(("listener", &**uri)), sums[which]?)))
        };
        page.gauge(
            "socketmaster_listener_backlog",
            "Connections that wait to be accepted; of TCP alone.",
            of(0).map(|(labels, n)| (labels, f64::from(n))),
        );
        page.gauge(
            "socketmaster_listener_backlog_limit",
            "How many connections may wait.",
            of(1).map(|(labels, n)| (labels, f64::from(n))),
        );
        page.counter(
            "socketmaster_listener_drops_total",
            "What the kernel dropped for want of room in the queue, mostly; a client that tries again counts again.",
            of(2).map(|(labels, n)| (labels, u64::from(n))),
        );
    }
}
