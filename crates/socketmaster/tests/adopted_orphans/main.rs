//! Programs that bind for themselves, when nobody is left to answer their calls: the log forwarder lets them go on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use rustix::process::Signal;
use testbed::{Address, Answer, Supervisor, get, processes, program, setup, until};

const BINDER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/adopted_orphans/binder.py"
);

/// A supervisor with the program behind it, which listens on a unix socket.
struct Binder {
    supervisor: Supervisor,
    socket: PathBuf,
    _directory: tempfile::TempDir,
}

/// `None` without Python.
fn start() -> Option<Binder> {
    let python = program("python3")?;
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let args = ["-u", BINDER, socket.to_str().unwrap()];
    let supervisor = setup!().flag("-adopt").command(python, &args).spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    Some(Binder {
        supervisor,
        socket,
        _directory: directory,
    })
}

impl Binder {
    #[track_caller]
    fn ask(&self, path: &str) -> Answer {
        asked(&Address::Unix(self.socket.clone()), path)
    }

    fn kill(&mut self) {
        self.supervisor.signal(Signal::KILL);
        until("it is dead", || self.supervisor.ended().is_some());
    }

    fn replace_forwarder(&self) {
        processes::signal(self.supervisor.forwarder(), Signal::KILL);
        let said = "Another log forwarder goes on";
        self.supervisor.wait_for_line(said);
        // The supervisor answers, so what it did before that is done: the new one has the descriptor.
        self.ask("/bind");
    }

    /// Without the supervisor all is native, and when the program ends nothing is left.
    #[track_caller]
    fn goes_on(&mut self) {
        self.kill();
        let address = port(&self.ask("/bind"));
        let pid = asked(&address, "/").pid();
        self.ask("/unlink");
        assert!(!self.socket.exists());
        processes::signal(pid, Signal::TERM);
        until("all are gone", || self.supervisor.processes().is_empty());
    }
}

/// Asks, and gets what was asked for.
#[track_caller]
fn asked(address: &Address, path: &str) -> Answer {
    let answer = get(address, path).unwrap();
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

/// The port that the program says it has opened now.
#[track_caller]
fn port(answer: &Answer) -> Address {
    let port = answer.member("port").as_u64().unwrap();
    Address::Tcp(([127, 0, 0, 1], u16::try_from(port).unwrap()).into())
}

#[test]
fn after_the_supervisor_binds_and_removals_are_the_kernels_again() {
    let Some(mut binder) = start() else { return };
    let pid = binder.ask("/").pid();
    // While it lives it answers: the file that all generations share stays.
    let first = port(&binder.ask("/bind"));
    binder.ask("/unlink");
    assert!(binder.socket.exists());
    binder.kill();
    let second = port(&binder.ask("/bind"));
    for address in [&first, &second] {
        assert_eq!(asked(address, "/").pid(), pid);
    }
    let third = port(&asked(&second, "/bind"));
    assert_eq!(asked(&third, "/").pid(), pid);
    binder.goes_on();
}

#[test]
fn another_forwarder_lets_them_go_on_too() {
    let Some(mut binder) = start() else { return };
    binder.replace_forwarder();
    binder.goes_on();
}

/// The forwarder that was there has its copy; one that comes later gets the supervisor's.
#[test]
fn an_upgrade_changes_nothing_of_it() {
    for replaced in [false, true] {
        let Some(mut binder) = start() else { return };
        binder.supervisor.upgrade();
        binder.ask("/unlink");
        assert!(binder.socket.exists());
        if replaced {
            binder.replace_forwarder();
        }
        binder.supervisor.upgrade();
        binder.goes_on();
    }
}

#[test]
fn a_generation_that_has_gone_leaves_no_descriptor() {
    let Some(mut binder) = start() else { return };
    for generation in 2..6 {
        let pid = binder.ask("/").pid();
        binder.supervisor.hup();
        let ready = format!("Generation {generation} is ready");
        binder.supervisor.wait_for_line(&ready);
        until("the older one has gone", || !processes::is_alive(pid));
    }
    let count = |pid: i32| {
        let open = processes::descriptors(pid);
        let notify = open.iter().filter(|(_, what)| what.contains("seccomp"));
        notify.count()
    };
    let (supervisor, forwarder) = (binder.supervisor.pid(), binder.supervisor.forwarder());
    // One to answer by, one for the next forwarder.
    until("only one generation's are open", || {
        count(supervisor) == 2 && count(forwarder) == 1
    });
    binder.goes_on();
}

/// It stays for them, though nothing is left to log.
#[test]
fn a_program_that_writes_no_more_may_bind_on() {
    let Some(mut binder) = start() else { return };
    let forwarder = binder.supervisor.forwarder();
    let pipes = || {
        let open = processes::descriptors(forwarder);
        open.iter()
            .filter(|(number, what)| *number > 2 && what.starts_with("pipe:"))
            .count()
    };
    assert_eq!(pipes(), 1);
    binder.ask("/close");
    until("its pipe has ended", || pipes() == 0);
    binder.goes_on();
}

/// A worker that has ended unasked is no worker any more, whoever is left of it.
#[test]
fn what_a_crashed_worker_leaves_behind_binds_for_itself() {
    let Some(binder) = start() else { return };
    let pid = binder.ask("/").pid();
    let left = port(&binder.ask("/leave"));
    binder.supervisor.wait_for_line("exit status 1");
    let another = port(&asked(&left, "/bind"));
    let child = asked(&another, "/").pid();
    assert_ne!(child, pid);
    processes::signal(child, Signal::KILL);
    // The next one is answered as before.
    binder.supervisor.wait_for_nth_line("is ready", 2);
    binder.ask("/unlink");
    assert!(binder.socket.exists());
}

#[test]
fn a_forwarder_does_not_wake_up_for_calls_that_the_supervisor_answers() {
    let Some(binder) = start() else { return };
    let forwarder = binder.supervisor.forwarder();
    let woken = || processes::figure(forwarder, "voluntary_ctxt_switches");
    // What the start had it write is written.
    let mut before = woken();
    until("it rests", || {
        testbed::pause(std::time::Duration::from_millis(50));
        before == std::mem::replace(&mut before, woken())
    });
    for _ in 0..50 {
        binder.ask("/bind");
        binder.ask("/unlink");
    }
    assert_eq!(woken(), before);
}

/// What the supervisor had in its hand when it was killed, nobody else can take.
#[test]
fn a_call_that_was_not_answered_any_more_goes_on() {
    for _ in 0..5 {
        let Some(mut binder) = start() else { return };
        binder.ask("/hammer");
        let counts = |binder: &Binder| {
            let counts = binder.ask("/count").member("counts");
            serde_json::from_value::<Vec<u64>>(counts).unwrap()
        };
        // More often than the forwarder is told of.
        until("all bind", || counts(&binder).iter().all(|n| *n > 1000));
        binder.kill();
        let before = counts(&binder);
        until("all bind on", || {
            counts(&binder)
                .iter()
                .zip(&before)
                .all(|(now, then)| now > then)
        });
        binder.goes_on();
    }
}
