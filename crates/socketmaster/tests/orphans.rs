//! F11: the supervisor itself is killed.

use rustix::process::Signal;
use testbed::{Address, App, Supervisor, get, pause, processes, setup, until};

fn killed(supervisor: &mut Supervisor) {
    supervisor.wait_until_serving();
    supervisor.signal(Signal::KILL);
    until("the supervisor has ended", || supervisor.ended().is_some());
}

fn url(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("tcp://{address}"),
        Address::Unix(path) => format!("unix://{}", path.display()),
    }
}

/// D11: the original's app dies of SIGPIPE when it next writes.
#[test]
fn the_worker_serves_on_and_what_it_prints_is_still_logged() {
    let app = App::new("version one\nnotify\nafter 1000 print after all");
    let mut supervisor = setup!().app(&app).start();
    let worker = supervisor.get("/").pid();
    killed(&mut supervisor);
    supervisor.wait_for_line(&format!("[{worker}] after all"));
    assert_eq!(get(supervisor.address(), "/").unwrap().pid(), worker);
    processes::signal(worker, Signal::TERM);
    until("the log forwarder ends with the worker", || {
        supervisor.processes().is_empty()
    });
    supervisor.wait_for_line("] got SIGTERM");
}

#[test]
fn with_orphans_kill_the_worker_is_told_to_stop() {
    let app = App::new("version one\nnotify");
    let mut supervisor = setup!().flag("-orphans=kill").app(&app).start();
    killed(&mut supervisor);
    supervisor.wait_for_line("] got SIGTERM");
    until("nothing is left", || supervisor.processes().is_empty());
}

#[test]
fn the_next_supervisor_says_who_holds_the_port() {
    let app = App::new("version one\nnotify");
    let mut supervisor = setup!().app(&app).start();
    let worker = supervisor.get("/").pid();
    killed(&mut supervisor);
    let mut next = setup!().listen(url(supervisor.address())).app(&app).spawn();
    assert_eq!(next.wait().code(), Some(1));
    let complaint = next.wait_for_line(&worker.to_string()).text;
    assert!(complaint.contains("fixture"), "{complaint}");
    assert_eq!(next.processes(), []);

    processes::signal(worker, Signal::TERM);
    until("nothing is left", || supervisor.processes().is_empty());
    let mut next = setup!().listen(url(supervisor.address())).app(&app).start();
    next.wait_until_serving();
    assert_eq!(next.get("/").version(), "one");
    assert_eq!(next.stop().code(), Some(0));
}

/// Many that are killed at any moment leave nothing behind but what serves.
#[test]
fn killed_while_it_starts_it_leaves_no_launcher_behind() {
    for millis in 0..15 {
        let app = App::new("exit 0");
        let mut supervisor = setup!().app(&app).start();
        pause(std::time::Duration::from_millis(millis));
        supervisor.signal(Signal::KILL);
        until("nothing is left", || {
            supervisor.ended().is_some() && supervisor.processes().is_empty()
        });
    }
}
