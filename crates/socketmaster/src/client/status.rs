//! `socketmaster status`: a line of verdict, then what it stands on.

use std::time::Duration;

use super::table::lay_out;
use super::words::{bytes, count, printable, seconds, span};
use super::{ClientError, find, status_of};
use crate::screen::{Mark, Screen};
use crate::wire::control::{ListenerStatus, Restarting, Status, WorkerStatus};

/// Shows one instance, or all, and returns the worst of their statuses.
pub(super) async fn run(
    name: Option<&str>,
    json: bool,
    screen: &Screen,
) -> Result<u8, ClientError> {
    let instances = find::matching(name).await?;
    for (at, instance) in instances.iter().enumerate() {
        if json {
            screen.line(&instance.text);
            continue;
        }
        if at > 0 {
            screen.line("");
        }
        show(&instance.status, screen);
    }
    let healthy = instances.iter().all(|it| it.status.is_healthy());
    Ok(if healthy {
        status_of::DONE
    } else {
        status_of::FAILED
    })
}

fn show(status: &Status, screen: &Screen) {
    let mark = match status.is_healthy() {
        true => Mark::Good,
        false => Mark::Bad,
    };
    screen.marked(mark, &verdict(status));
    let mut sections = Vec::new();
    let headings = ["LISTENER", "QUEUE", "NAME", ""].map(String::from).to_vec();
    let rows = status.listeners.iter().map(listener);
    sections.push(std::iter::once(headings).chain(rows).collect::<Vec<_>>());
    let headings = [
        "GENERATION",
        "WORKER",
        "PID",
        "PHASE",
        "AGE",
        "READY AFTER",
        "CONNECTIONS",
        "MEMORY",
        "SAYS",
    ];
    let several = status.workers_wanted > 1;
    let rows = status.workers.iter().map(|it| worker(it, several));
    let headings = headings.map(String::from).to_vec();
    sections.push(std::iter::once(headings).chain(rows).collect());
    for section in sections.iter().filter(|section| section.len() > 1) {
        screen.line("");
        for (at, line) in lay_out(section).iter().enumerate() {
            screen.line(&if at == 0 {
                screen.faint(line)
            } else {
                line.clone()
            });
        }
    }
    screen.line("");
    if let Some(last) = &status.last_reload {
        let ago = seconds(last.ago_s);
        let generation = last.generation;
        screen.line(&match &last.why {
            _ if last.done => format!("  last reload    generation {generation}, done, {ago} ago"),
            why => format!(
                "  last reload    generation {generation}, failed, {ago} ago: {}",
                printable(why.as_deref().unwrap_or("no reason is known"))
            ),
        });
    }
    if let Some(Restarting { in_ms, ended }) = &status.restarting {
        let after = span(Duration::from_millis(*in_ms));
        let ended = ended.as_deref().map(printable).unwrap_or_default();
        let why = if ended.is_empty() {
            ended
        } else {
            format!(": {ended}")
        };
        screen.line(&format!("  restart        in {after}{why}"));
    }
    screen.line(&format!(
        "  supervisor     pid {}, version {}, up {}",
        status.pid,
        printable(&status.version),
        seconds(status.uptime_s)
    ));
}

/// How it is, in a line.
fn verdict(status: &Status) -> String {
    let name = printable(&status.name);
    let listeners = count(status.listeners.len(), "listener");
    let serves = match (status.serving, status.ready) {
        (Some(generation), true) => format!("generation {generation} serves{}", which(status)),
        (Some(generation), false) => format!("nobody is ready since generation {generation}"),
        (None, true) => "ready".into(),
        (None, false) => "no generation has been ready yet".into(),
    };
    if status.is_healthy() {
        let reloading = if status.reloading { ", reloading" } else { "" };
        return format!("{name}: healthy, {serves}, {listeners}{reloading}");
    }
    let last_failed = status.last_reload.as_ref().is_some_and(|last| !last.done);
    let what = match (status.stopping, status.serving) {
        (true, _) => "stopping".into(),
        (_, None) if status.reloading => "starting".to_owned(),
        _ => "degraded".into(),
    };
    let failed = match last_failed {
        true if status.ready => ", but the last reload failed",
        true => ", and the last reload failed",
        false => "",
    };
    format!("{name}: {what}, {serves}{failed}")
}

/// The process that serves.
fn which(status: &Status) -> String {
    let mut ready = status
        .workers
        .iter()
        .filter(|worker| worker.phase == "ready" && Some(worker.generation) == status.serving);
    match (ready.next(), ready.next()) {
        (Some(worker), None) => {
            let after = worker.ready_after_ms;
            let after = after.map_or_else(String::new, |ms| format!(", ready after {ms} ms"));
            format!(" (pid {}{after})", worker.pid)
        }
        _ => String::new(),
    }
}

fn listener(listener: &ListenerStatus) -> Vec<String> {
    let queue = match (listener.queue, listener.queue_limit) {
        (Some(now), Some(limit)) => format!("{now}/{limit}"),
        (Some(now), None) => now.to_string(),
        _ => match (listener.waiting_bytes, listener.waiting_bytes_limit) {
            (Some(now), Some(limit)) => format!("{now}/{limit} B"),
            _ => "-".into(),
        },
    };
    let name = listener.name.as_deref().map(printable);
    let adopted = if listener.adopted { "adopted" } else { "" };
    vec![
        printable(&listener.uri),
        queue,
        name.unwrap_or_default(),
        adopted.into(),
    ]
}

/// The slot is of interest only where there are several.
fn worker(worker: &WorkerStatus, several: bool) -> Vec<String> {
    let ready_after = worker.ready_after_ms.map(|ms| format!("{ms} ms"));
    vec![
        worker.generation.to_string(),
        if several {
            worker.slot.to_string()
        } else {
            String::new()
        },
        worker.pid.to_string(),
        printable(&worker.phase),
        span(Duration::from_millis(worker.age_ms)),
        ready_after.unwrap_or_default(),
        worker
            .connections
            .map_or_else(String::new, |n| n.to_string()),
        worker.rss_bytes.map_or_else(String::new, bytes),
        worker.says.as_deref().map(printable).unwrap_or_default(),
    ]
}
