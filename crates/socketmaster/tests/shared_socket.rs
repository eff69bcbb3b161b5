//! What an app does to the socket that it shares with all others, and what the supervisor makes of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Address, App, Supervisor, get, pause, processes, setup};

/// O_NONBLOCK of open(2), on x86-64 and aarch64.
const NONBLOCKING: u32 = 0o4000;

fn serving(app: &App) -> Supervisor {
    let supervisor = setup!().flag("-settle=50ms").app(app).start();
    supervisor.wait_until_serving();
    supervisor
}

fn is_nonblocking(pid: i32) -> bool {
    let info = fs::read_to_string(format!("/proc/{pid}/fdinfo/3")).expect("the listener");
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.expect("flags") & NONBLOCKING != 0
}

/// F19: an app that asks for a queue of one would have all others' clients turned away while it is busy.
#[test]
fn a_small_backlog_of_an_app_does_not_stay() {
    let app = App::new("version one\nbacklog 1");
    let supervisor = serving(&app);
    many_may_wait(&supervisor);
}

/// As a reload that fails changes nothing.
#[test]
fn a_small_backlog_of_a_failing_version_does_not_stay() {
    let app = App::new("version one");
    let supervisor = serving(&app);
    app.deploy("backlog 1\nexit 3");
    supervisor.hup();
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    many_may_wait(&supervisor);
}

fn many_may_wait(supervisor: &Supervisor) {
    processes::signal(supervisor.workers()[0], Signal::STOP);
    let Address::Tcp(address) = supervisor.address() else {
        panic!("a port")
    };
    let connect = |_| std::net::TcpStream::connect_timeout(address, Duration::from_millis(900));
    // With a queue of one, the third would be tried again after a second.
    let waiting: Result<Vec<_>, _> = (0..50).map(connect).collect();
    assert_eq!(waiting.expect("a place in the queue for all").len(), 50);
}

/// F16
#[test]
fn a_listener_that_an_app_shuts_down_listens_again() {
    let app = App::new("version one\nafter 300 shutdown-listener");
    let supervisor = serving(&app);
    supervisor.wait_for_line("for everybody; it listens again");
    assert_eq!(supervisor.get("/").version(), "one");
}

/// F16, F7
#[test]
fn it_listens_again_each_time_and_after_an_upgrade_too() {
    let app = App::new("version one\nafter 500 shutdown-listener\nafter 800 shutdown-listener");
    let supervisor = serving(&app);
    supervisor.upgrade();
    for n in 1..=2 {
        supervisor.wait_for_nth_line("for everybody; it listens again", n);
        assert_eq!(supervisor.get("/").version(), "one");
    }
}

/// F16: the kernel never revives these.
#[test]
fn a_unix_listener_that_an_app_shut_down_is_replaced_with_its_workers() {
    let app = App::new("version 1\nafter 800 shutdown-listener");
    let path = app.path("socket");
    let mut supervisor = setup!()
        .app(&app)
        .listen(format!("unix://{}", path.display()))
        .start();
    supervisor.wait_until_serving();
    let before = fs::metadata(&path).unwrap().ino();
    app.deploy("version 2");
    supervisor.wait_for_line("there is a new socket");
    supervisor.wait_for_line("Reload done");
    assert_eq!(supervisor.get("/").version(), "2");
    assert_ne!(fs::metadata(&path).unwrap().ino(), before);
    supervisor.wait_for_line("(generation 1) to stop");
    assert!(supervisor.stop().success());
    assert!(!path.exists());
}

/// F16: as a careless one does when it is told to stop.
#[test]
fn a_failing_version_that_shuts_the_listener_down_harms_nobody() {
    let app = App::new("version one");
    let supervisor = serving(&app);
    let old = supervisor.get("/").pid();
    app.deploy("shutdown-listener\nexit 3");
    supervisor.hup();
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    supervisor.wait_for_line("for everybody; it listens again");
    assert_eq!(supervisor.get("/").pid(), old);
}

/// F15, D8: the original makes the socket blocking at every start, under the event loop of the version that serves.
#[test]
fn a_start_does_not_make_the_socket_blocking_under_a_live_event_loop() {
    let app = App::new("version one");
    let supervisor = serving(&app);
    let old = supervisor.workers()[0];
    assert!(is_nonblocking(old));
    app.deploy("version two\nprint up\nsleep 500");
    supervisor.hup();
    supervisor.wait_for_line("] up");
    assert!(is_nonblocking(old));
    supervisor.wait_for_version("two");
}

/// F15
#[test]
fn an_app_that_changes_the_blocking_mode_for_all_is_told_of() {
    let app = App::new("version one");
    let supervisor = serving(&app);
    app.deploy("version two\nblocking");
    supervisor.hup();
    supervisor.wait_for_line("blocking for all its holders");
    supervisor.wait_for_version("two");
}

/// A first generation finds it as the original leaves it; so does one after a crash, when nobody else is there.
#[test]
fn with_nobody_else_alive_an_app_finds_the_socket_blocking() {
    let app = App::new("version one\nblocking");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_until_serving();
    assert!(!is_nonblocking(supervisor.workers()[0]));

    let nonblocking = App::new("version one");
    let supervisor = serving(&nonblocking);
    assert!(is_nonblocking(supervisor.workers()[0]));
    nonblocking.deploy("version two\nprint up\nsleep 500");
    processes::signal(supervisor.workers()[0], Signal::KILL);
    supervisor.wait_for_line("] up");
    assert!(!is_nonblocking(supervisor.workers()[0]));
}

/// The queue belongs to the socket: who connects while everybody is busy or stopped is answered later.
#[test]
fn connections_in_the_queue_outlive_the_generation_that_did_not_accept_them() {
    let app = App::new("version one");
    let supervisor = serving(&app);
    let old = supervisor.workers()[0];
    processes::signal(old, Signal::STOP);
    let address = supervisor.address().clone();
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let address = address.clone();
            std::thread::spawn(move || get(&address, "/"))
        })
        .collect();
    pause(Duration::from_millis(200));
    processes::signal(old, Signal::KILL);
    for client in clients {
        let answer = client.join().expect("a client").expect("an answer");
        assert_ne!(answer.pid(), old);
    }
}
