//! What /proc says of a process, in figures.

use std::fs;

use testbed::processes::figure;

/// Times that it was switched out, of all its threads: waits and preemptions.
pub(crate) fn switches(pid: i32) -> u64 {
    sum(
        pid,
        &["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"],
    )
}

/// Times that it waited.
pub(crate) fn waits(pid: i32) -> u64 {
    sum(pid, &["voluntary_ctxt_switches"])
}

/// Processor time that it has used, in µs (`/proc/PID/schedstat`, of the main thread).
pub(crate) fn processor_micros(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanos = text
        .split_whitespace()
        .next()
        .and_then(|n| n.parse::<u64>().ok());
    nanos.unwrap_or(0) / 1000
}

/// `/proc/PID/status` speaks of the main thread alone.
fn sum(pid: i32, names: &[&str]) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    threads
        .map(|thread: i32| names.iter().map(|name| figure(thread, name)).sum::<u64>())
        .sum()
}

/// Its share of memory, in MB: pages that it shares count in part.
pub(crate) fn proportional_memory(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    megabytes(kib.unwrap_or(0))
}

/// A figure of `/proc/PID/status` in MB.
pub(crate) fn memory(pid: i32, name: &str) -> f64 {
    megabytes(figure(pid, name))
}

fn megabytes(kib: u64) -> f64 {
    kib as f64 * 1024.0 / 1e6
}
