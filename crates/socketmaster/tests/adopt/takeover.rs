//! `socketmaster adopt`: a server that was started without us comes under supervision, and its clients do not notice.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::slice;

use testbed::{
    Address, App, Load, PATIENCE, Setup, Supervisor, free_port, get, poll, processes, program,
    shell_status, until,
};

use crate::nginx::Nginx;
use crate::nobody::Place;
use crate::service::{CLIENTS, leaves_nothing, reload, serve, source, tcp};
use crate::{awkward, steps};

/// A server that nobody supervises.
struct Running(Child);

impl Running {
    /// It has answered once at each address.
    fn start(command: &mut Command, addresses: &[Address]) -> Self {
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let this = Self(quiet.spawn().unwrap());
        for address in addresses {
            until("it answers", || get(address, "/").is_ok());
        }
        this
    }

    fn steps(app: &App, addresses: &[Address]) -> Option<Self> {
        let mut command = Command::new(program("python3")?);
        command.arg("-ISu").arg(source("steps.py"));
        Some(Self::start(command.arg(app.script()), addresses))
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }

    /// It ends by itself.
    #[track_caller]
    fn end(&mut self) -> ExitStatus {
        let end = poll(PATIENCE, || self.0.try_wait().unwrap());
        end.expect("the old server ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The position of the first line with this in the log.
#[track_caller]
fn position(supervisor: &Supervisor, pattern: &str) -> usize {
    supervisor.wait_for_line(pattern);
    let lines = supervisor.log().lines();
    let found = lines.iter().position(|line| line.text.contains(pattern));
    found.unwrap()
}

/// From then on it is a service like any other. What it listens on for a moment, on a port that the kernel chose, is not
/// ours, and nothing tells that from the outside: so the operator names what is.
#[test]
fn a_running_server_under_load() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port} storm"));
    let mut command = Command::new(awkward::program());
    let mut old = Running::start(command.arg(app.script()), &[tcp(port)]);
    let load = Load::start(&tcp(port), CLIENTS, "/");
    let adopt = format!("-adopt=tcp://127.0.0.1:{port}");
    let setup = awkward::setup(&app).flag(adopt).take_over(old.pid());
    let mut supervisor = serve(setup, &[tcp(port)]);
    assert!(old.end().success());
    let ended = format!("{} (taken over) has ended", old.pid());
    assert!(position(&supervisor, "Took over tcp://127.0.0.1") < position(&supervisor, "Starting"));
    let (ready, told) = ("Generation 1 is ready", "(taken over) to stop: SIGTERM");
    assert!(position(&supervisor, ready) < position(&supervisor, told));
    supervisor.wait_for_line(&ended);
    reload(&supervisor);
    supervisor.upgrade();
    reload(&supervisor);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(report.by_pid.len(), 4, "{report:?}");
    leaves_nothing(&mut supervisor);
}

/// Its master removes the socket's file at its end, and it is there again; at ours it goes.
#[test]
fn nginx_at_all_its_addresses() {
    let (nginx, port) = (Nginx::new(), free_port());
    let unix = nginx.path("socket");
    let (v6, text) = (([0, 0, 0, 0, 0, 0, 0, 1], port), unix.display());
    nginx.deploy(
        "worker_processes 2;",
        &format!("listen 127.0.0.1:{port}; listen [::1]:{port}; listen unix:{text};"),
    );
    let Some(mut command) = nginx.command() else {
        return;
    };
    let addresses = [
        tcp(port),
        Address::Tcp(v6.into()),
        Address::Unix(unix.clone()),
    ];
    let mut old = Running::start(&mut command, &addresses);
    let loads: Vec<_> = addresses[..2]
        .iter()
        .map(|address| Load::start(address, CLIENTS, "/"))
        .collect();
    let setup = nginx.setup().unwrap().take_over(old.pid());
    let mut supervisor = serve(setup, &addresses);
    supervisor.wait_for_line("(taken over) to stop: SIGQUIT");
    assert!(old.end().success());
    supervisor.wait_for_line("(taken over) has ended");
    get(&addresses[2], "/").unwrap();
    reload(&supervisor);
    get(&addresses[2], "/").unwrap();
    for report in loads.into_iter().map(Load::stop) {
        assert_eq!(report.failed, 0, "{report:?}");
    }
    assert_eq!(sockets_in(unix.parent().unwrap()), ["socket"]);
    leaves_nothing(&mut supervisor);
    assert!(sockets_in(unix.parent().unwrap()).is_empty());
}

fn sockets_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let sockets = entries.filter(|entry| entry.file_type().unwrap().is_socket());
    sockets
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// Until ours is ready the old one is left alone, and what they share stays as the old one has made it.
#[test]
fn the_old_one_is_told_when_ours_is_ready() {
    let (app, ours, port) = (App::new(""), App::new(""), free_port());
    app.deploy(&format!("listen 127.0.0.1:{port}"));
    let gate = ours.path("gate");
    ours.deploy(&format!("wait {}\nlisten 127.0.0.1:{port}", gate.display()));
    let Some(mut old) = Running::steps(&app, &[tcp(port)]) else {
        return;
    };
    let setup = steps::setup(&ours).unwrap().take_over(old.pid());
    let mut supervisor = setup.run(&[tcp(port)]).start();
    supervisor.wait_for_line("Starting");
    until("the program runs", || {
        let workers = supervisor.workers();
        workers
            .iter()
            .any(|pid| processes::command_line(*pid).contains("python"))
    });
    assert_eq!(supervisor.get("/").pid(), old.pid());
    assert!(is_nonblocking(old.pid()), "or it would hang in accept");
    assert_eq!(supervisor.log().count("(taken over) to stop"), 0);
    steps::go_on(gate);
    assert!(old.end().success());
    assert_ne!(supervisor.get("/").pid(), old.pid());
    leaves_nothing(&mut supervisor);
}

/// Whether all of its sockets are: `flags` of /proc/PID/fdinfo, proc(5).
fn is_nonblocking(pid: i32) -> bool {
    let sockets = processes::descriptors(pid).into_iter();
    let mut flags = sockets
        .filter(|(_, what)| what.starts_with("socket:"))
        .map(|(number, _)| {
            let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap();
            let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
            i32::from_str_radix(flags.unwrap().trim(), 8).unwrap()
        });
    flags.all(|flags| flags & 0o4000 != 0)
}

/// The end says so, and all that the old one has is still its own.
#[test]
fn a_program_that_does_not_start_leaves_the_old_one_alone() {
    let (app, ours, port) = (App::new(""), App::new(""), free_port());
    let socket = app.path("socket");
    app.deploy(&format!(
        "listen 127.0.0.1:{port}\nunix {}",
        socket.display()
    ));
    let addresses = [tcp(port), Address::Unix(socket.clone())];
    let Some(old) = Running::steps(&app, &addresses) else {
        return;
    };
    let one_of_two = format!("listen 127.0.0.1:{port}");
    let missing = format!(
        "it has not bound unix://{}, which {} listens on (to leave",
        socket.display(),
        old.pid()
    );
    for (script, why, status) in [
        ("exit 3", "it exited with status 3 before it was ready", 3),
        (&one_of_two, &missing, 137),
    ] {
        ours.deploy(script);
        let setup = steps::setup(&ours).unwrap().flag("-ready-timeout=1s");
        let mut supervisor = setup.take_over(old.pid()).run(&addresses).start();
        assert_eq!(shell_status(supervisor.wait()), status);
        supervisor.wait_for_line(why);
        assert_eq!(supervisor.log().count("(taken over) to stop"), 0);
        assert_eq!(supervisor.processes(), []);
        for address in &addresses {
            assert_eq!(get(address, "/").unwrap().pid(), old.pid());
        }
        assert!(is_nonblocking(old.pid()));
    }
    // Nor does a stop that comes too early tell it anything.
    ours.deploy(&format!("wait {}", ours.path("gate").display()));
    let setup = steps::setup(&ours).unwrap().take_over(old.pid());
    let mut supervisor = setup.run(&addresses).start();
    supervisor.wait_for_line("Starting");
    leaves_nothing(&mut supervisor);
    for address in &addresses {
        assert_eq!(get(address, "/").unwrap().pid(), old.pid());
    }
}

/// What the old one removes at its end is put back by the next program of ours too.
#[test]
fn an_upgrade_while_the_old_one_drains() {
    let (app, ours) = (App::new(""), App::new(""));
    let (socket, end) = (app.path("socket"), app.path("end"));
    let listen = format!("unix {}", socket.display());
    app.deploy(&format!("{listen}\nlast {}", end.display()));
    ours.deploy(&listen);
    let address = Address::Unix(socket.clone());
    let Some(mut old) = Running::steps(&app, slice::from_ref(&address)) else {
        return;
    };
    let setup = steps::setup(&ours).unwrap().take_over(old.pid());
    let mut supervisor = serve(setup, &[address]);
    supervisor.wait_for_line("(taken over) to stop");
    supervisor.upgrade();
    supervisor.upgrade();
    assert!(processes::is_alive(old.pid()));
    steps::go_on(end);
    assert!(old.end().success());
    supervisor.wait_for_line("(taken over) has ended");
    assert_eq!(supervisor.log().count("(taken over) to stop"), 1);
    assert_ne!(supervisor.get("/").pid(), old.pid());
    assert_eq!(sockets_in(socket.parent().unwrap()), ["socket"]);
    reload(&supervisor);
    supervisor.get("/");
    leaves_nothing(&mut supervisor);
    assert!(!socket.exists());
}

/// The file is nobody's then, and it has no second name any more.
#[test]
fn a_stop_while_the_old_one_drains() {
    let (app, ours) = (App::new(""), App::new(""));
    let (socket, end) = (app.path("socket"), app.path("end"));
    let listen = format!("unix {}", socket.display());
    app.deploy(&format!("{listen}\nlast {}", end.display()));
    ours.deploy(&listen);
    let address = Address::Unix(socket.clone());
    let Some(old) = Running::steps(&app, slice::from_ref(&address)) else {
        return;
    };
    let setup = steps::setup(&ours).unwrap().take_over(old.pid());
    let mut supervisor = serve(setup, &[address]);
    supervisor.wait_for_line("(taken over) to stop");
    let names = || sockets_in(socket.parent().unwrap());
    until("it has a second name", || names().len() == 2);
    leaves_nothing(&mut supervisor);
    assert!(names().is_empty(), "{:?}", names());
    assert!(processes::is_alive(old.pid()));
}

/// Nothing is started, and the process goes on.
#[test]
fn what_cannot_be_taken_over() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    let refuses = |setup: Setup, pid: i32, why: &str| {
        let mut supervisor = setup.take_over(pid).run(&[]).start();
        assert_eq!(shell_status(supervisor.wait()), 1);
        supervisor.wait_for_line(&format!("Cannot take over {pid}: {why}"));
        assert_eq!(supervisor.log().count("Starting"), 0);
    };
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let setup = || awkward::setup(&app);
    let gone = gone.id().cast_signed();
    refuses(setup(), gone, "there is no such process");
    let nothing = "neither it nor its children listen on anything";
    let deaf = Running::start(Command::new("sleep").arg("1000"), &[]);
    refuses(setup(), deaf.pid(), nothing);
    let mut command = Command::new(awkward::program());
    let old = Running::start(command.arg(app.script()), &[tcp(port)]);
    let another = setup().flag("-adopt=tcp://:1");
    refuses(another, old.pid(), &format!("{nothing} that -adopt names"));
    if let Some(place) = Place::new() {
        let way_out = "run socketmaster as root, or as its user";
        let why =
            "Permission denied (os error 13). To copy its sockets takes the rights of a debugger";
        refuses(place.setup(""), old.pid(), &format!("{why}: {way_out}"));
    }
    assert_eq!(get(&tcp(port), "/").unwrap().pid(), old.pid());
}
