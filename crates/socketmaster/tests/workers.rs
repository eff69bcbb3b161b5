//! Several workers: replaced one after the other or together, restarted in their slots, more and fewer of them; and the
//! bake, which one worker has too.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{App, Load, Setup, Supervisor, fixture, free_port, now, processes, setup, until};

const MS: Duration = Duration::from_millis(1);

fn with(app: &App, flags: &[&str]) -> Setup {
    let setup = setup!().flag("-settle=50ms").app(app);
    flags.iter().fold(setup, Setup::flag)
}

/// Started, with so many workers ready.
fn serving(setup: Setup, workers: usize) -> Supervisor {
    let supervisor = setup.start();
    supervisor.wait_for_nth_line("of generation 1 is ready", workers);
    supervisor
}

/// What a process has in its environment.
fn variable(pid: i32, name: &str) -> String {
    let all = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let all = String::from_utf8_lossy(&all).into_owned();
    let mut values = all
        .split('\0')
        .filter_map(|v| v.strip_prefix(name)?.strip_prefix('='));
    values.next().unwrap_or_default().to_owned()
}

/// The slots of the workers with their generations.
fn slots(supervisor: &Supervisor) -> BTreeSet<(String, String)> {
    let workers = supervisor.workers().into_iter();
    let slot = |pid| {
        let [slot, generation] = ["SOCKETMASTER_WORKER", "SOCKETMASTER_GENERATION"];
        (variable(pid, slot), variable(pid, generation))
    };
    workers.map(slot).collect()
}

fn are(supervisor: &Supervisor, expected: &[(u32, u32)]) {
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|(slot, generation)| (slot.to_string(), generation.to_string()))
        .collect();
    until(&format!("the workers are {expected:?}"), || {
        slots(supervisor) == expected && supervisor.workers().len() == expected.len()
    });
}

/// The fixture, but a worker ends at once with status 3 while a file of its slot's name is there.
fn breakable(app: &App) -> (String, impl Fn(u32)) {
    let directory = app.path("");
    let script = format!(
        "#!/bin/sh\n[ -e {}/broken.$SOCKETMASTER_WORKER ] && exit 3\nexec {} {}\n",
        directory.display(),
        fixture().display(),
        app.script().display()
    );
    let program = app.executable("breakable", &script);
    let break_slot = move |slot| {
        fs::write(directory.join(format!("broken.{slot}")), "").expect("a file");
    };
    (program.to_string_lossy().into_owned(), break_slot)
}

#[test]
fn a_rolling_reload_under_load_loses_nothing_and_never_has_fewer_workers() {
    let app = App::new("version 1");
    let mut supervisor = serving(with(&app, &["-workers=3"]), 3);
    are(&supervisor, &[(0, 1), (1, 1), (2, 1)]);
    let load = Load::start(supervisor.address(), 8, "/?ms=2");
    for n in 2..=4 {
        app.deploy(&format!("version {n}"));
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {n} serves"));
        let text = supervisor.log().text();
        let of_it = format!("of generation {n} is ready");
        let told = format!("(generation {}) to stop", n - 1);
        let mut ready = 0;
        let mut stopped = 0;
        for line in text.lines() {
            ready += u32::from(line.contains(&of_it));
            stopped += u32::from(line.contains(&told));
            assert!(stopped <= ready && ready <= stopped + 1, "{text}");
        }
        assert_eq!((ready, stopped), (3, 3));
    }
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.ok > 100, "too little to tell: {report:?}");
    are(&supervisor, &[(0, 4), (1, 4), (2, 4)]);
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn a_third_worker_that_fails_stops_the_roll_and_the_rest_stays() {
    let app = App::new("version one\nnotify");
    let (program, break_slot) = breakable(&app);
    let setup = setup!().flag("-workers=4").command(program, &[]);
    let supervisor = serving(setup, 4);
    let old: Vec<_> = supervisor.workers();
    break_slot(2);
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 failed: it exited with status 3");
    supervisor.wait_for_line(
        "Reload failed: 2 of 4 workers were replaced before, the others serve on as they were",
    );
    are(&supervisor, &[(0, 2), (1, 2), (2, 1), (3, 1)]);
    let stayed = supervisor
        .workers()
        .into_iter()
        .filter(|pid| old.contains(pid));
    assert_eq!(stayed.count(), 2);
    fs::remove_file(app.path("broken.2")).unwrap();
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 3 serves");
    are(&supervisor, &[(0, 3), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn all_at_once_changes_nothing_when_one_fails_and_loses_nothing() {
    let app = App::new("version one");
    let (program, break_slot) = breakable(&app);
    let flags = ["-workers=3", "-strategy=all", "-settle=50ms"];
    let setup = flags
        .iter()
        .fold(setup!(), Setup::flag)
        .command(program, &[]);
    let supervisor = serving(setup, 3);
    let old = supervisor.workers();
    let load = Load::start(supervisor.address(), 8, "/?ms=2");
    break_slot(1);
    for n in 1..=3 {
        supervisor.hup();
        supervisor.wait_for_nth_line("serves on, nothing has changed", n);
        until("only the old ones are there", || {
            supervisor.workers() == old
        });
    }
    fs::remove_file(app.path("broken.1")).unwrap();
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 5 serves");
    are(&supervisor, &[(0, 5), (1, 5), (2, 5)]);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
}

#[test]
fn one_of_three_that_dies_is_started_again_in_its_slot() {
    let app = App::new("version one\nnotify");
    let supervisor = serving(with(&app, &["-workers=3"]), 3);
    let before = supervisor.workers();
    let victim = before
        .iter()
        .find(|pid| variable(**pid, "SOCKETMASTER_WORKER") == "1");
    let victim = *victim.unwrap();
    processes::signal(victim, Signal::KILL);
    supervisor.wait_for_line("Restarting generation 1 at once");
    supervisor.wait_for_nth_line("of generation 1 is ready", 4);
    are(&supervisor, &[(0, 1), (1, 1), (2, 1)]);
    let after = supervisor.workers();
    let stayed = before.iter().filter(|pid| after.contains(pid));
    assert_eq!(stayed.count(), 2);
    assert!(!after.contains(&victim));
}

#[test]
fn ttin_and_ttou_add_and_remove_a_worker() {
    let app = App::new("version one");
    let mut supervisor = with(&app, &[]).start();
    supervisor.wait_until_serving();
    let load = Load::start(supervisor.address(), 4, "/?ms=2");
    supervisor.signal(Signal::TTIN);
    supervisor.wait_for_line("Scaling to 2 workers");
    supervisor.signal(Signal::TTIN);
    supervisor.wait_for_line("Scaling to 3 workers");
    supervisor.wait_for_line("Worker 2 of generation 1 is ready");
    are(&supervisor, &[(0, 1), (1, 1), (2, 1)]);
    supervisor.upgrade();
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    are(&supervisor, &[(0, 2), (1, 2), (2, 2)]);
    for n in 1..=2 {
        supervisor.signal(Signal::TTOU);
        supervisor.wait_for_nth_line("Scaling to", 2 + n);
    }
    are(&supervisor, &[(0, 2)]);
    supervisor.signal(Signal::TTOU);
    supervisor.wait_for_line("No fewer than 1 worker");
    are(&supervisor, &[(0, 2)]);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn a_version_that_dies_in_the_bake_is_withdrawn() {
    let app = App::new("version one\nnotify");
    let supervisor = with(&app, &["-bake=2s"]).start();
    supervisor.wait_until_serving();
    let old = supervisor.workers();
    app.deploy("version two\nnotify\nafter 300 exit 4");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 is ready");
    supervisor.wait_for_line(
        "Generation 2 failed: it was ready, but ended with status 4 before the reload was done",
    );
    supervisor.wait_for_line("Reload failed: generation 1 serves on, nothing has changed");
    assert_eq!(supervisor.workers(), old);
    assert_eq!(supervisor.log().count("to stop"), 0);
    assert_eq!(supervisor.get("/").version(), "one");
}

/// What it has shown of the new version is not for the others to find out.
#[test]
fn a_worker_that_has_taken_over_and_crashes_stops_the_roll() {
    let app = App::new("version one\nnotify");
    let slow = format!(
        "#!/bin/sh\n[ $SOCKETMASTER_GENERATION.$SOCKETMASTER_WORKER = 2.1 ] && sleep 30\nexec {} {}\n",
        fixture().display(),
        app.script().display()
    );
    let slow = app.executable("slow", &slow);
    let setup = setup!().flag("-settle=50ms").flag("-workers=3");
    let supervisor = serving(setup.command(slow, &[]), 3);
    let old = supervisor.workers();
    app.deploy("version two\nnotify\nafter 300 exit 4");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 failed: it was ready, but ended with status 4");
    supervisor.wait_for_line("Reload failed: 1 of 3 workers");
    let left = supervisor.workers();
    let serve_on = old.iter().filter(|pid| left.contains(pid)).count();
    assert_eq!(
        serve_on, 2,
        "the others of the old version: {left:?} of {old:?}"
    );
}

#[test]
fn the_old_one_stands_by_for_the_whole_bake() {
    let app = App::new("version one\nnotify");
    let supervisor = with(&app, &["-bake=500ms"]).start();
    supervisor.wait_until_serving();
    let old = supervisor.workers()[0];
    app.deploy("version two\nnotify");
    supervisor.hup();
    let ready = supervisor.wait_for_line("Generation 2 is ready").at;
    let told = supervisor.wait_for_line(&format!("Telling {old}")).at;
    assert!(told - ready >= 450 * MS, "{:?}", told - ready);
    supervisor.wait_for_line("Reload done: generation 2 serves");
    are(&supervisor, &[(0, 2)]);
}

#[test]
fn a_stop_in_the_bake_ends_all() {
    let app = App::new("version one\nnotify");
    let mut supervisor = with(&app, &["-bake=60s", "-workers=2"]).start();
    supervisor.wait_for_nth_line("of generation 1 is ready", 2);
    supervisor.hup();
    supervisor.wait_for_line("of generation 2 is ready");
    let asked = now();
    assert_eq!(supervisor.stop().code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(20));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn a_first_start_of_which_one_worker_fails_ends_the_service() {
    let app = App::new("version one\nnotify");
    let (program, break_slot) = breakable(&app);
    break_slot(1);
    let mut supervisor = setup!().flag("-workers=3").command(program, &[]).start();
    assert_eq!(supervisor.wait().code(), Some(3));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn twenty_workers_roll_in_fives() {
    let app = App::new("version one\nnotify");
    let supervisor = serving(with(&app, &["-workers=20", "-surge=5"]), 20);
    let before = processes::descriptors(supervisor.pid()).len();
    app.deploy("version two\nnotify");
    let asked = now();
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    println!("20 workers, 5 at a time: {:?}", asked.elapsed());
    let all: Vec<_> = (0..20).map(|slot| (slot, 2)).collect();
    are(&supervisor, &all);
    until("the descriptors are as many as before", || {
        processes::descriptors(supervisor.pid()).len() == before
    });
    assert_eq!(supervisor.log().count("to stop: SIGTERM"), 20);
}

/// Until all are ready nothing is, and until all are replaced, or one has failed, the reload goes on.
#[test]
fn the_service_manager_hears_of_the_end_only_at_the_end() {
    let app = App::new("version one\nnotify");
    let (program, break_slot) = breakable(&app);
    let manager = UnixDatagram::bind(app.path("manager")).unwrap();
    manager.set_read_timeout(Some(30_000 * MS)).unwrap();
    let hear_until_ready = || {
        let mut heard = Vec::new();
        while !heard
            .last()
            .is_some_and(|m: &String| m.starts_with("READY=1"))
        {
            let mut buffer = [0; 4096];
            let length = manager.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        heard
    };
    let setup = setup!()
        .flag("-workers=3")
        .flag("-bake=100ms")
        .variable("NOTIFY_SOCKET", app.path("manager"));
    let supervisor = serving(setup.command(program, &[]), 3);
    let heard = hear_until_ready();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[0].starts_with("STATUS=Starting; generation 1 serves"));
    assert!(
        heard[2].ends_with("STATUS=generation 1 serves, 3 workers"),
        "{heard:?}"
    );

    supervisor.hup();
    let heard = hear_until_ready();
    assert!(heard[0].starts_with("RELOADING=1"), "{heard:?}");
    assert!(
        heard[heard.len() - 1].ends_with("generation 2 serves, 3 workers"),
        "{heard:?}"
    );
    supervisor.wait_for_line("Reload done: generation 2 serves");

    break_slot(2);
    supervisor.hup();
    let heard = hear_until_ready();
    assert!(heard[0].starts_with("RELOADING=1"), "{heard:?}");
    let last = &heard[heard.len() - 1];
    assert!(
        last.contains("Reload failed: 2 of 3 workers were replaced"),
        "{heard:?}"
    );
}

/// Each binds its port itself: the first for all of its generation, too.
#[test]
fn workers_that_bind_for_themselves_share_what_the_first_has_bound() {
    let Some(python) = testbed::program("python3") else {
        return;
    };
    let port = free_port();
    let address = testbed::Address::Tcp(([127, 0, 0, 1], port).into());
    let app = App::new("");
    let server = app.executable("server.py", &SERVER.replace("PORT", &port.to_string()));
    let setup = setup!().flag("-workers=3").flag("-settle=50ms");
    let setup = setup.command(python, &[server.to_str().unwrap()]);
    let mut supervisor = setup.run(std::slice::from_ref(&address)).start();
    supervisor.wait_for_nth_line("of generation 1 is ready", 3);
    are(&supervisor, &[(0, 1), (1, 1), (2, 1)]);
    assert_eq!(supervisor.log().count("Adopted "), 1);
    let load = Load::start(&address, 4, "/");
    supervisor.hup();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    are(&supervisor, &[(0, 2), (1, 2), (2, 2)]);
    supervisor.signal(Signal::TTIN);
    supervisor.wait_for_line("Worker 3 of generation 2 is ready");
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

/// It answers what it has accepted, and ends at TERM.
const SERVER: &str = r#"#!/usr/bin/env python3
import os, signal, socket, sys

stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", PORT))
listener.listen()
listener.settimeout(0.05)
while not stopping:
    try:
        client, _ = listener.accept()
    except (TimeoutError, BlockingIOError):
        continue
    client.settimeout(5)
    client.recv(4096)
    body = b'{"pid": %d}' % os.getpid()
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    client.close()
"#;
