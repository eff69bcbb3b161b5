//! A thousand reloads, after which everything is as it was.

use testbed::{App, Supervisor, processes, setup, until};

const RELOADS: usize = 1000;

/// By then whatever is made once has been made.
const WARM: usize = 100;

/// What must not grow: of the supervisor and of its helpers.
#[derive(Debug, PartialEq, Eq)]
struct Descriptors(Vec<usize>);

fn helpers(supervisor: &Supervisor) -> Vec<i32> {
    let workers = supervisor.workers();
    let mut all = processes::children(supervisor.pid());
    all.retain(|pid| !workers.contains(pid));
    all.insert(0, supervisor.pid());
    all
}

fn descriptors(supervisor: &Supervisor) -> Descriptors {
    let all = helpers(supervisor);
    Descriptors(
        all.into_iter()
            .map(|pid| processes::descriptors(pid).len())
            .collect(),
    )
}

fn memory(supervisor: &Supervisor) -> Vec<u64> {
    helpers(supervisor)
        .into_iter()
        .map(|pid| processes::figure(pid, "VmRSS"))
        .collect()
}

fn reload(supervisor: &Supervisor, times: std::ops::RangeInclusive<usize>) {
    for n in times {
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {} serves", n + 1));
    }
    // One that has ended and is not reaped yet is no worker any more, and would be taken for a helper.
    until("one worker is left", || {
        supervisor.workers().len() == 1 && helpers(supervisor).len() == 2
    });
}

/// F31, D6
#[test]
fn after_a_thousand_reloads_nothing_has_grown() {
    let app = App::new("version one\nnotify");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_until_serving();
    reload(&supervisor, 1..=WARM);
    let (descriptors_then, memory_then) = (descriptors(&supervisor), memory(&supervisor));
    reload(&supervisor, WARM + 1..=RELOADS);
    // The pipe of a worker that has just ended may have been open still when they were first counted.
    until("no more descriptors than before", || {
        let now = descriptors(&supervisor);
        now.0.len() == descriptors_then.0.len()
            && now
                .0
                .iter()
                .zip(&descriptors_then.0)
                .all(|(now, then)| now <= then)
    });
    until("no zombies", || {
        processes::zombies(supervisor.pid()).is_empty()
    });
    let memory_now = memory(&supervisor);
    println!(
        "{descriptors_then:?}; KiB after {WARM}: {memory_then:?}, after {RELOADS}: {memory_now:?}"
    );
    assert_eq!(memory_then.len(), memory_now.len());
    for (then, now) in memory_then.iter().zip(&memory_now) {
        assert!(
            *now <= then + 256,
            "KiB after {WARM}: {memory_then:?}, after {RELOADS}: {memory_now:?}"
        );
    }
    assert_eq!(
        supervisor.get("/").member("generation"),
        (RELOADS + 1).to_string()
    );
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}
