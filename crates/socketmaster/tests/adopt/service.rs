//! A program behind `socketmaster run`, and what every program goes through.

use std::path::{Path, PathBuf};

use testbed::{Address, Load, Report, Setup, Supervisor, until};

/// The programs' sources.
pub(crate) const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adopt/apps");

/// How often each program is reloaded.
pub(crate) const RELOADS: usize = 5;

/// Clients with short requests, at each address.
pub(crate) const CLIENTS: usize = 3;

/// Clients whose requests take half a second each, so that every stop meets some of them.
const SLOW_CLIENTS: usize = 2;

/// A source by its name.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(APPS).join(name)
}

/// A port of 127.0.0.1.
pub(crate) fn tcp(port: u16) -> Address {
    Address::Tcp(([127, 0, 0, 1], port).into())
}

/// The program at work: its first generation is ready.
pub(crate) fn serve(setup: Setup, addresses: &[Address]) -> Supervisor {
    let supervisor = setup.run(addresses).start();
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor
}

/// Reloads once, and waits until the old generation has gone.
pub(crate) fn reload(supervisor: &Supervisor) {
    let old = supervisor.workers();
    let before = supervisor.log().count("Reload done");
    supervisor.hup();
    supervisor.wait_for_nth_line("Reload done", before + 1);
    until(
        "the old generation has gone and one process is the new one",
        || {
            let new = supervisor.workers();
            new.len() == 1 && !old.contains(&new[0])
        },
    );
}

/// Reloads while clients ask at all addresses, each time over a new connection.
pub(crate) fn reload_under_load(supervisor: &Supervisor) -> Report {
    let start = |address: &Address| Load::start(address, CLIENTS, "/");
    let loads: Vec<_> = supervisor.addresses().iter().map(start).collect();
    for _ in 0..RELOADS {
        reload(supervisor);
    }
    let reports = loads.into_iter().map(Load::stop);
    reports.fold(Report::default(), |mut sum, report| {
        assert!(
            report.ok >= CLIENTS * RELOADS,
            "too little to tell: {report:?}"
        );
        sum.add(report);
        sum
    })
}

/// A program that drains: with each reload new processes answer, and nothing is lost.
pub(crate) fn loses_nothing(setup: Setup, addresses: &[Address]) {
    let report = finishes(setup, addresses);
    assert_eq!(report.failed, 0, "{report:?}");
}

/// A program that finishes what it has begun: a request that takes half a second is never lost.
pub(crate) fn finishes(setup: Setup, addresses: &[Address]) -> Report {
    let mut supervisor = serve(setup, addresses);
    let slow = Load::start(&addresses[0], SLOW_CLIENTS, "/slow?ms=500");
    let report = reload_under_load(&supervisor);
    let slow = slow.stop();
    assert_eq!(slow.failed, 0, "{slow:?}");
    assert!(slow.ok > 0, "{slow:?}");
    assert!(report.by_pid.len() > RELOADS, "{report:?}");
    leaves_nothing(&mut supervisor);
    report
}

/// A program that does not drain: each client may lose what it is about at each stop, which is the program's doing, with
/// any supervisor or none. But nobody is refused.
pub(crate) fn refuses_nobody(setup: Setup, addresses: &[Address]) -> Report {
    let mut supervisor = serve(setup, addresses);
    let report = reload_under_load(&supervisor);
    loses_little(&report);
    leaves_nothing(&mut supervisor);
    report
}

/// What a program that does not drain may lose.
pub(crate) fn loses_little(report: &Report) {
    println!(
        "{} answered, {} lost: {:?}",
        report.ok, report.failed, report.errors
    );
    assert!(report.failed <= CLIENTS * RELOADS, "{report:?}");
    let refused = report.errors.iter().any(|error| error.contains("refused"));
    assert!(!refused, "{report:?}");
}

/// The end: all processes go.
pub(crate) fn leaves_nothing(supervisor: &mut Supervisor) {
    supervisor.stop();
    assert_eq!(supervisor.processes(), []);
}
