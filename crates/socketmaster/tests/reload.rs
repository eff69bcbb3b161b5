//! Reloads: what counts as ready, what becomes of those that fail, and requests that come thick and fast.

use std::time::Duration;

use rustix::process::Signal;
use testbed::{App, Load, Setup, Supervisor, now, pause, processes, setup, until};

const MS: Duration = Duration::from_millis(1);

/// What a failed reload must leave as it was.
struct Before {
    pid: i32,
    descriptors: Vec<(i32, String)>,
}

impl Before {
    fn of(supervisor: &Supervisor) -> Self {
        Self {
            pid: supervisor.get("/").pid(),
            descriptors: processes::descriptors(supervisor.pid()),
        }
    }

    #[track_caller]
    fn is_unchanged(&self, supervisor: &Supervisor) {
        assert_eq!(supervisor.get("/").pid(), self.pid);
        until("only the old worker is there", || {
            supervisor.workers() == [self.pid]
        });
        until("the descriptors are as before", || {
            processes::descriptors(supervisor.pid()) == self.descriptors
        });
    }
}

/// Serving version one, for which anything seen waiting is ready after 50 ms.
fn serving(app: &App, flags: &[&str]) -> Supervisor {
    let setup = setup!().flag("-settle=50ms").app(app);
    let supervisor = flags.iter().fold(setup, Setup::flag).start();
    supervisor.wait_until_serving();
    supervisor
}

/// F20: the old one answers what it has, the new one what comes later, and nobody waits for either.
#[test]
fn requests_in_flight_are_answered_by_the_old_and_later_ones_by_the_new() {
    let app = App::new("version one");
    let mut supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    let in_flight = supervisor.get_slowly(1000);
    app.deploy("version two\nnotify");
    supervisor.hup();
    let new = supervisor.wait_for_version("two").pid();
    assert!(!in_flight.is_finished());
    assert_eq!(in_flight.join().unwrap().unwrap().pid(), old);
    until("the old one has left", || supervisor.workers() == [new]);
    assert_eq!(supervisor.stop().code(), Some(0));
}

/// F1: a boot that takes longer than any timer of the original's is waited for.
#[test]
fn a_slow_boot_is_waited_for() {
    let app = App::new("version one");
    let supervisor = serving(&app, &[]);
    let load = Load::start(supervisor.address(), 2, "/?ms=5");
    app.deploy("version two\nsleep 1500\nnotify");
    let asked = now();
    supervisor.hup();
    let told = supervisor.wait_for_line("] got SIGTERM");
    assert!(told.at - asked >= 1500 * MS);
    supervisor.wait_for_version("two");
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
}

/// F1: a version that hangs before it listens never takes over.
#[test]
fn a_version_that_never_listens_is_stopped_and_the_old_one_serves_on() {
    let app = App::new("version one");
    let supervisor = serving(&app, &["-ready-timeout=500ms"]);
    let before = Before::of(&supervisor);
    app.deploy("version two\nhang");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 failed: it was not ready within 500 ms");
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    before.is_unchanged(&supervisor);
}

/// It serves, but never says that it is ready: what it has accepted by the end of its time it finishes.
#[test]
fn a_version_that_is_not_ready_in_time_finishes_what_it_has_accepted() {
    let app = App::new("version one\nnotify");
    let supervisor = serving(&app, &["-ready=notify", "-ready-timeout=500ms"]);
    let before = Before::of(&supervisor);
    app.deploy("version two\nslow 300");
    let load = Load::start(supervisor.address(), 8, "/");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 failed: it was not ready within 500 ms");
    supervisor.wait_for_line("(generation 2) to stop: SIGTERM");
    supervisor.wait_for_line("exit status 0");
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert!(report.by_pid.len() > 1, "both have answered: {report:?}");
    before.is_unchanged(&supervisor);
}

#[test]
fn one_that_is_not_ready_in_time_and_takes_no_notice_of_term_is_killed() {
    let app = App::new("version one\nnotify");
    let flags = [
        "-ready=notify",
        "-ready-timeout=300ms",
        "-drain-timeout=300ms",
    ];
    let supervisor = serving(&app, &flags);
    let before = Before::of(&supervisor);
    app.deploy("version two\nignore-term");
    supervisor.hup();
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    supervisor.wait_for_line("(generation 2): it did not end in time");
    before.is_unchanged(&supervisor);
}

/// F1, F36: Go makes its listener before it accepts; a program that fails right after that must not pass.
#[test]
fn a_listener_made_and_a_death_soon_after_is_a_failed_reload() {
    let app = App::new("version one");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_until_serving();
    let before = Before::of(&supervisor);
    app.deploy("version two\nafter 100 exit 3");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 failed: it exited with status 3");
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    before.is_unchanged(&supervisor);
}

#[test]
fn a_new_worker_that_is_stopped_is_a_failed_reload() {
    let app = App::new("version one");
    let supervisor = serving(&app, &["-ready-timeout=1s"]);
    let before = Before::of(&supervisor);
    app.deploy("version two\nprint up\nsleep 300");
    supervisor.hup();
    supervisor.wait_for_line("] up");
    let new = supervisor
        .workers()
        .into_iter()
        .find(|pid| *pid != before.pid)
        .unwrap();
    processes::signal(new, Signal::STOP);
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    before.is_unchanged(&supervisor);
}

/// F2: that an older one still drains says nothing about the new one.
#[test]
fn a_crashing_deploy_while_an_older_generation_drains_stops_nobody() {
    let app = App::new("version one");
    let supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    let in_flight = supervisor.get_slowly(2000);
    app.deploy("version two\nnotify");
    supervisor.hup();
    let two = supervisor.wait_for_version("two").pid();
    supervisor.wait_for_line(&format!("[{old}] got SIGTERM"));
    for (n, crash) in ["exit 3", "abort", "after 20 exit 3"]
        .into_iter()
        .enumerate()
    {
        app.deploy(crash);
        supervisor.hup();
        supervisor.wait_for_nth_line("Reload failed: generation 2 serves on", n + 1);
        assert_eq!(supervisor.get("/").pid(), two);
    }
    assert!(!in_flight.is_finished());
    assert_eq!(in_flight.join().unwrap().unwrap().pid(), old);
    until("one worker is left", || supervisor.workers() == [two]);
}

/// D4, F31: a reload that cannot even start leaves no descriptor, and the supervisor can still stop.
#[test]
fn a_missing_and_a_non_executable_program_change_nothing_ten_times_each() {
    let app = App::new("version one");
    let program = app.path("app");
    std::os::unix::fs::symlink(testbed::fixture(), &program).unwrap();
    let mut supervisor = setup!()
        .flag("-settle=50ms")
        .command(&program, &[app.script().to_str().unwrap()])
        .start();
    supervisor.wait_until_serving();
    let before = Before::of(&supervisor);
    std::fs::remove_file(&program).unwrap();
    for n in 1..=10 {
        supervisor.hup();
        supervisor.wait_for_nth_line("Reload failed", n);
    }
    before.is_unchanged(&supervisor);
    std::fs::write(&program, "no program").unwrap();
    for n in 11..=20 {
        supervisor.hup();
        supervisor.wait_for_nth_line("Reload failed", n);
    }
    before.is_unchanged(&supervisor);
    assert_eq!(supervisor.stop().code(), Some(0));
}

#[test]
fn ready_1_counts_at_once() {
    let app = App::new("version one\nnotify");
    let supervisor = setup!().flag("-settle=1m").app(&app).start();
    supervisor.wait_until_serving();
    app.deploy("version two\nsleep 200\nnotify");
    let asked = now();
    supervisor.hup();
    let told = supervisor.wait_for_line("] got SIGTERM").at - asked;
    assert!(told >= 200 * MS && told < 10_000 * MS, "{told:?}");
    supervisor.wait_for_version("two");
}

/// `-start` means what it meant in the original: the time from the start of the new to TERM for the old.
#[test]
fn with_start_the_old_is_told_after_exactly_that_time() {
    let app = App::new("version one");
    let supervisor = setup!().flag("-start=400").app(&app).start();
    supervisor.wait_for_version("one");
    supervisor.wait_until_serving();
    let mut spans = Vec::new();
    for n in 1..=3 {
        let asked = now();
        supervisor.hup();
        spans.push(supervisor.wait_for_nth_line("got SIGTERM", n).at - asked);
        until("the old one has left", || supervisor.workers().len() == 1);
    }
    assert!(spans.iter().all(|span| *span >= 400 * MS), "{spans:?}");
    // A busy machine may delay one of them.
    assert!(spans.iter().any(|span| *span <= 500 * MS), "{spans:?}");
}

/// F3: a second signal does not cut the wait of the first short.
#[test]
fn a_second_hup_does_not_end_the_wait_of_the_first() {
    let app = App::new("version one");
    let supervisor = setup!().flag("-start=800").app(&app).start();
    supervisor.wait_until_serving();
    let asked = now();
    supervisor.hup();
    pause(300 * MS);
    supervisor.hup();
    let told = supervisor.wait_for_line("got SIGTERM");
    assert!(told.at - asked >= 800 * MS, "{:?}", told.at - asked);
    supervisor.wait_for_line("Generation 3 is ready");
}

/// F4: what was deployed and signalled while a reload was under way is served in the end.
#[test]
fn a_hup_during_a_reload_gets_a_generation_of_its_own() {
    let app = App::new("version one");
    let supervisor = serving(&app, &[]);
    app.deploy("version two\nprint up\nsleep 300");
    supervisor.hup();
    supervisor.wait_for_line("] up");
    app.deploy("version three");
    supervisor.hup();
    supervisor.wait_for_version("three");
    supervisor.wait_for_line("Reload done: generation 2 serves");
    supervisor.wait_for_line("Reload done: generation 3 serves");
}

/// F5
#[test]
fn hups_during_a_reload_are_one_more() {
    let app = App::new("version one");
    let supervisor = serving(&app, &[]);
    app.deploy("version two\nprint up\nsleep 500");
    supervisor.hup();
    supervisor.wait_for_line("] up");
    for _ in 0..10 {
        supervisor.hup();
        pause(10 * MS);
    }
    supervisor.wait_for_line("Reload done: generation 3 serves");
    pause(300 * MS);
    assert_eq!(supervisor.log().count("Starting "), 3);
}

/// F5, F4: a storm costs generations, never requests, and the last word holds.
#[test]
fn a_hundred_hups_in_a_second_lose_nothing() {
    let app = App::new("version one\nnotify");
    let mut supervisor = serving(&app, &[]);
    let load = Load::start(supervisor.address(), 4, "/?ms=5");
    app.deploy("version two\nnotify");
    for _ in 0..100 {
        supervisor.hup();
        pause(10 * MS);
    }
    app.deploy("version three\nnotify");
    supervisor.hup();
    supervisor.wait_for_version("three");
    until("one worker is left", || supervisor.workers().len() == 1);
    assert_eq!(supervisor.get("/").version(), "three");
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    let generations = supervisor.log().count("Starting ");
    assert!(
        (3..=102).contains(&generations),
        "{generations} generations"
    );
    assert_eq!(supervisor.stop().code(), Some(0));
}

/// F4, D2
#[test]
fn a_stop_during_a_reload_wins_at_once() {
    let app = App::new("version one");
    let mut supervisor = serving(&app, &[]);
    app.deploy("version two\nsleep 15000");
    supervisor.hup();
    pause(200 * MS);
    let asked = now();
    assert_eq!(supervisor.stop().code(), Some(0));
    assert!(asked.elapsed() < 5000 * MS, "{:?}", asked.elapsed());
    assert_eq!(supervisor.processes(), []);
}

/// F42: who has been told to stop is not told again by each later reload.
#[test]
fn a_draining_worker_is_told_once() {
    let app = App::new("version one\nignore-term");
    let supervisor = serving(&app, &[]);
    let old = supervisor.get("/").pid();
    app.deploy("version two");
    for n in 1..=3 {
        supervisor.hup();
        supervisor.wait_for_nth_line("Reload done", n);
    }
    supervisor.wait_for_nth_line("] got SIGTERM", 3);
    assert_eq!(supervisor.log().count(&format!("[{old}] got SIGTERM")), 1);
}
