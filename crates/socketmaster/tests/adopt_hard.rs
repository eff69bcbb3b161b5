//! `socketmaster run` with programs that do what few do: each is a case that once was wrong.
#![allow(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use testbed::{Setup, Supervisor, free_port, pause, processes, program, setup, until};

/// Listens on a port and ends on TERM. What `more` does before that is its own.
fn python(more: &str) -> String {
    format!(
        "import os, signal, socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('127.0.0.1', int(sys.argv[1])))
s.listen(5)
{more}
signal.signal(signal.SIGTERM, lambda *a: os._exit(0))
while True:
    s.accept()[0].close()
"
    )
}

/// `None` without Python.
fn start(more: &str, flags: &[&str], args: &[&str]) -> Option<Supervisor> {
    let python_path = program("python3")?;
    let (code, port) = (python(more), free_port().to_string());
    let args: Vec<_> = ["-c", &code, &port].iter().chain(args).copied().collect();
    let setup = setup!().flag("-adopt").command(python_path, &args);
    let setup = flags.iter().fold(setup, Setup::flag);
    let supervisor = setup.spawn();
    supervisor.wait_for_line("Generation 1 is ready");
    Some(supervisor)
}

/// Two processes, one the other's child, that leave the worker's group and know no TERM.
const LEAVES_TWO: &str = "
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
    time.sleep(1000)
";

/// As above, but nothing of it bears the mark of its generation.
const LEAVES_STRANGERS: &str = "
if os.fork() == 0:
    os.setsid()
    os.execvpe(sys.executable, [sys.executable, '-c', '''
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
time.sleep(1000)'''], {'TESTBED_SUPERVISOR': os.environ['TESTBED_SUPERVISOR']})
";

/// The end, and of whom nothing is left.
#[track_caller]
fn ends(supervisor: &mut Supervisor) {
    until("it ends", || supervisor.ended().is_some());
    until("all are gone", || supervisor.processes().is_empty());
}

#[test]
fn a_second_stop_kills_all_that_is_left_of_a_worker() {
    // Strangers are told from others only when nobody else is left.
    let cases: [(_, &[_]); 2] = [(LEAVES_TWO, &[]), (LEAVES_STRANGERS, &["-kill-timeout=2s"])];
    for (leaves, flags) in cases {
        let Some(mut supervisor) = start(leaves, flags, &[]) else {
            return;
        };
        supervisor.signal(Signal::TERM);
        supervisor.wait_for_line("drains on");
        // At once it would be the same request.
        pause(Duration::from_millis(400));
        supervisor.signal(Signal::TERM);
        ends(&mut supervisor);
    }
}

/// Also where it is the kill of the worker itself that leaves processes behind.
#[test]
fn the_drain_timeout_ends_all_of_a_generation() {
    let deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal = lambda *a: None\n";
    let deaf = format!("{LEAVES_TWO}{deaf}");
    for leaves in [LEAVES_TWO, &deaf] {
        let Some(mut supervisor) = start(
            leaves,
            &["-drain-timeout=500ms", "-kill-timeout=500ms"],
            &[],
        ) else {
            return;
        };
        let ours = [supervisor.pid(), supervisor.forwarder()];
        let first = supervisor.processes();
        let first = first.iter().map(|(pid, _)| *pid);
        let first: Vec<_> = first.filter(|pid| !ours.contains(pid)).collect();
        assert_eq!(first.len(), 3);
        supervisor.hup();
        supervisor.wait_for_line("Reload done");
        until("the first generation has gone", || {
            !first.iter().any(|pid| processes::is_alive(*pid))
        });
        supervisor.signal(Signal::TERM);
        ends(&mut supervisor);
    }
}

/// A file that is put in its place by a rename: before the listen as HAProxy has it, or after it.
#[test]
fn a_socket_file_that_is_moved_holds_no_reload_up() {
    let before = "
u = socket.socket(socket.AF_UNIX)
u.bind(f'{sys.argv[2]}.{os.getpid()}')
";
    let (listen, rename) = (
        "u.listen(5)\n",
        "os.rename(f'{sys.argv[2]}.{os.getpid()}', sys.argv[2])\n",
    );
    for steps in [[rename, listen], [listen, rename]] {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("socket");
        let more = format!("{before}{}{}", steps[0], steps[1]);
        let Some(supervisor) = start(&more, &["-ready-timeout=10s"], &[file.to_str().unwrap()])
        else {
            return;
        };
        for generation in 2..5 {
            supervisor.hup();
            supervisor.wait_for_line(&format!("Reload done: generation {generation} serves"));
            assert!(UnixStream::connect(&file).is_ok());
        }
        assert_eq!(files(place.path()), 1);
    }
}

/// Who cannot look whether a program still has its sockets must not take them for closed.
#[test]
fn out_of_descriptors_nothing_is_let_go() {
    let Some(supervisor) = start("", &["-ready-timeout=10s"], &[]) else {
        return;
    };
    let pid = Pid::from_raw(supervisor.pid());
    let limit = |current| {
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap()
    };
    let before = limit(Some(3));
    supervisor.hup();
    supervisor.wait_for_line("Reload failed");
    limit(before.current);
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    assert_eq!(supervisor.log().count("Letting go"), 0);
}

/// The reload is heard of before the crash: all that nobody holds any more is still wanted.
#[test]
fn a_crash_in_the_moment_of_a_reload_costs_no_listener() {
    let Some(supervisor) = start("", &[], &[]) else {
        return;
    };
    let adopted = supervisor.wait_for_line("Adopted tcp://").text;
    let address = adopted.split("tcp://").nth(1).unwrap();
    let address = address.split(',').next().unwrap();
    let worker = supervisor.workers()[0];
    supervisor.signal(Signal::STOP);
    processes::signal(worker, Signal::KILL);
    until("it is dead", || !processes::is_alive(worker));
    supervisor.hup();
    supervisor.signal(Signal::CONT);
    supervisor.wait_for_line("Starting");
    until("the crash is noticed", || {
        supervisor.log().count("signal: killed") > 0
    });
    assert!(TcpStream::connect(address).is_ok());
    assert_eq!(supervisor.log().count("Letting go"), 0);
    assert_eq!(supervisor.log().count("Adopted"), 1);
}

/// The directory of a socket file is gone when the supervisor replaces itself, which must not be its end.
#[test]
fn an_upgrade_survives_a_socket_file_without_a_directory() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("run");
    std::fs::create_dir(&directory).unwrap();
    let more = "
u = socket.socket(socket.AF_UNIX)
u.bind(sys.argv[2] if os.path.isdir(os.path.dirname(sys.argv[2])) else '@')
u.listen(5)
";
    let file = directory.join("socket");
    let Some(mut supervisor) = start(more, &[], &[file.to_str().unwrap()]) else {
        return;
    };
    std::fs::remove_dir_all(&directory).unwrap();
    supervisor.upgrade();
    assert!(supervisor.stop().success());
}

/// A program under a root of its own, and somebody else's socket under the same path in ours.
#[test]
fn a_socket_file_of_another_root_is_not_mistaken_for_ours() {
    if !testbed::is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let (root, file) = (place.path().join("root"), place.path().join("socket"));
    let inside = root.join(file.strip_prefix("/").unwrap());
    std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
    let _other = UnixListener::bind(&file).unwrap();
    let more = "
u = socket.socket(socket.AF_UNIX)
os.chroot(sys.argv[3])
os.chdir('/')
if os.path.exists(sys.argv[2]): os.unlink(sys.argv[2])
u.bind(sys.argv[2])
u.listen(5)
";
    let args = [file.to_str().unwrap(), root.to_str().unwrap()];
    let Some(mut supervisor) = start(more, &["-ready-timeout=10s"], &args) else {
        return;
    };
    for generation in 2..4 {
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {generation} serves"));
        supervisor.upgrade();
        assert!(UnixStream::connect(&inside).is_ok());
    }
    assert_eq!(supervisor.log().count("Adopted unix"), 1);
    assert!(supervisor.stop().success());
    assert!(file.exists());
    assert!(!inside.exists());
}

/// A version that goes into the background has failed, and must not serve from there.
#[test]
fn what_a_failed_version_leaves_behind_is_killed() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("daemon");
    let more = "
if os.path.exists(sys.argv[2]):
    r, w = os.pipe()
    if os.fork():
        os.read(r, 1)
        os._exit(0)
    os.setsid()
    os.write(w, b'x')
";
    let Some(supervisor) = start(more, &[], &[file.to_str().unwrap()]) else {
        return;
    };
    let before = supervisor.processes().len();
    std::fs::write(&file, "").unwrap();
    supervisor.hup();
    supervisor.wait_for_line("Reload failed");
    until("it is gone", || supervisor.processes().len() == before);
}

fn files(directory: &Path) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}
