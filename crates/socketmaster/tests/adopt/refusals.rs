//! Where the kernel does not let us answer a program's calls: said with the reason and the way out, before the program
//! is started. And without root, where it does.

use testbed::{
    App, Setup, cannot_run, free_port, is_root, processes, program, setup, shell_status,
};

use crate::nobody::Place;
use crate::service::{leaves_nothing, reload, serve, tcp};
use crate::steps;

const WAY_OUT: &str = "takes its socket from descriptor 3 needs none of it: socketmaster -listen URI -command PROGRAM";

/// It ends without having started the program, which would leave a file.
#[track_caller]
fn refuses(setup: Setup, why: &str) {
    let mut supervisor = setup.run(&[]).start();
    assert_eq!(shell_status(supervisor.wait()), 1);
    supervisor.wait_for_line(why);
    supervisor.wait_for_line(WAY_OUT);
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn a_supervisor_in_a_supervisor() {
    let app = App::new("");
    let file = app.path("started");
    let inner = [env!("CARGO_BIN_EXE_socketmaster"), "run", "--", "touch"];
    let args = [&inner[1..], &[file.to_str().unwrap()]].concat();
    refuses(
        setup!().command(inner[0], &args),
        "another program answers the system calls of this one already (a socketmaster around it",
    );
    assert!(!file.exists());
}

/// Executes its arguments, which have EPERM from seccomp(2) from then on, as in a container that forbids it.
const FORBID: &str = r#"
import ctypes, os, platform, struct, sys
number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
load, equal, give = (0x20, 0, 0, 0), (0x15, 0, 1, number), 0x06
code = [load, equal, (give, 0, 0, 0x00050001), (give, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("HBBI", *one) for one in code)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
prctl = ctypes.CDLL(None, use_errno=True).prctl
no_new_privs, seccomp, filter = 38, 22, 2
if os.geteuid() != 0:
    prctl(no_new_privs, 1, 0, 0, 0)
if prctl(seccomp, filter, program) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn a_container_that_forbids_it() {
    let Some(python) = program("python3") else {
        return;
    };
    let app = App::new("");
    let file = app.path("started");
    let setup = setup!().under(&[python.to_str().unwrap(), "-c", FORBID]);
    refuses(
        setup.command("touch", &[file.to_str().unwrap()]),
        "Operation not permitted (os error 1): this kernel, or the profile of this container, does not allow",
    );
    assert!(!file.exists());
}

/// No privilege is needed, and the price is told.
#[test]
fn without_root() {
    let Some(place) = Place::new() else { return };
    let port = free_port();
    let setup = place.setup(&format!("listen 127.0.0.1:{port}"));
    let mut supervisor = serve(setup, &[tcp(port)]);
    for _ in 0..2 {
        let pid = supervisor.get("/").pid();
        let is = |name| processes::status(pid, name).unwrap();
        assert_eq!(is("Uid"), "65534\t65534\t65534\t65534");
        assert_eq!(is("NoNewPrivs"), "1");
        reload(&supervisor);
    }
    let warning = "Without root the program runs with no_new_privs";
    supervisor.wait_for_line(warning);
    assert_eq!(supervisor.log().count(warning), 1);
    leaves_nothing(&mut supervisor);
}

/// With root's rights setuid programs keep theirs.
#[test]
fn with_root() {
    if !is_root() {
        return;
    }
    let port = free_port();
    let app = App::new(&format!("listen 127.0.0.1:{port}"));
    let Some(setup) = steps::setup(&app) else {
        return;
    };
    let mut supervisor = serve(setup, &[tcp(port)]);
    let pid = supervisor.get("/").pid();
    if processes::status(supervisor.pid(), "NoNewPrivs").as_deref() == Some("1") {
        return cannot_run("this container sets no_new_privs itself");
    }
    assert_eq!(processes::status(pid, "NoNewPrivs").as_deref(), Some("0"));
    assert_eq!(supervisor.log().count("no_new_privs"), 0);
    leaves_nothing(&mut supervisor);
}
