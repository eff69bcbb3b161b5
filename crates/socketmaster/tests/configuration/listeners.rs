//! Listeners come and go with a reload, and only if it is done.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use rustix::process::{Pid, Signal, kill_process};
use testbed::{Load, get, until};

use super::*;

/// Whether somebody listens there.
fn is_open(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_reload_adds_listeners_and_lets_others_go() {
    let site = Site::new("version one");
    let (second, third) = (free_port(), free_port());
    site.write_listening(&[]);
    let mut supervisor = site.start();
    let load = Load::start(supervisor.address(), 2, "/");

    let listen = |ports: &[u16]| {
        let uris: Vec<_> = ports.iter().map(|port| uri(*port)).collect();
        site.write(&[&format!("listen = {uris:?}")]);
    };
    // In another order: the descriptors are those of the new file.
    listen(&[second, site.port]);
    site.reload();
    assert_eq!(get(&address(second), "/").unwrap().status, 200);
    listen(&[site.port, third]);
    site.reload();
    until("the second is let go", || !is_open(second));
    assert_eq!(get(&address(third), "/").unwrap().status, 200);
    listen(&[site.port]);
    site.reload();
    until("the last is let go", || !is_open(third));
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    let text = supervisor.log().text();
    assert!(
        text.contains(&format!("No longer listening on {}", uri(second))),
        "{text}"
    );
    assert_eq!(supervisor.stop().code(), Some(0));
}

#[test]
fn new_listeners_of_a_failed_generation_are_closed_and_old_ones_stay() {
    let site = Site::new("version one");
    let second = free_port();
    site.write_listening(&[]);
    let supervisor = site.start();
    let pid = supervisor.get("/").pid();
    site.app.deploy("exit 3");
    site.write(&[&format!("listen = '{}'", uri(second))]);
    assert!(site.fail().contains("it exited with status 3"));
    assert!(!is_open(second));
    assert_eq!(supervisor.get("/").pid(), pid);
}

#[test]
fn a_busy_address_fails_the_reload_before_anything_starts() {
    let site = Site::new("version one");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = held.local_addr().unwrap().port();
    let free = free_port();
    site.write_listening(&[]);
    let supervisor = site.start();
    let uris = [site.port, free, busy].map(uri);
    site.write(&[&format!("listen = {uris:?}")]);
    let said = site.fail();
    assert!(
        said.contains(&format!("{busy}")) && said.contains("in use"),
        "{said}"
    );
    assert!(!is_open(free), "all or none");
    assert_eq!(supervisor.log().count("Starting "), 1);
}

#[test]
fn a_roll_that_fails_half_way_keeps_the_listeners_of_both() {
    let site = Site::new("version one");
    let second = free_port();
    site.write_listening(&["workers = 2"]);
    let _supervisor = site.start_workers(2);
    let broken = format!(
        "#!/bin/sh\n[ $SOCKETMASTER_WORKER = 1 ] && exit 3\nexec {} {}\n",
        fixture().display(),
        site.app.script().display()
    );
    let broken = site.app.executable("broken", &broken);
    let uris = [site.port, second].map(uri);
    let text = format!("command = {broken:?}\nlisten = {uris:?}\nworkers = 2\nsettle = '50ms'\n");
    fs::write(site.file(), text).unwrap();
    let Outcome { status, said } = site.ask(&["reload"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("1 of 2"), "{said}");
    assert_eq!(
        get(&address(second), "/").unwrap().status,
        200,
        "by the new one"
    );
    assert_eq!(get(&address(site.port), "/").unwrap().status, 200);

    site.write_listening(&["workers = 2"]);
    site.reload();
    until("what nobody asks for is let go", || !is_open(second));
}

#[test]
fn socket_files_come_and_go_and_change() {
    let site = Site::new("version one");
    let path = site.app.path("app.sock");
    let unix = |options: &str| {
        format!(
            "listen = ['{}', 'unix://{}{options}']",
            uri(site.port),
            path.display()
        )
    };
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    site.write(&[&unix("?mode=0600")]);
    let supervisor = site.start();
    assert_eq!(mode(), 0o600);
    site.write(&[&unix("?mode=0660")]);
    site.reload();
    assert_eq!(mode(), 0o660);
    site.write(&[&format!("listen = '{}?backlog=17'", uri(site.port))]);
    site.reload();
    assert!(!path.exists(), "its file goes with it");
    let status = site.ask(&["status"]).said;
    assert!(status.contains("0/17"), "{status}");
    site.write(&[&unix("")]);
    site.reload();
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    assert_eq!(get(&Address::Unix(path.clone()), "/").unwrap().status, 200);
    drop(supervisor);
}

#[test]
fn names_are_those_of_the_new_file() {
    let site = Site::new("version one");
    site.write(&[&format!("listen = 'web={}'", uri(site.port))]);
    let supervisor = site.start();
    serves_with(&supervisor, "SOCKETMASTER_FD_NAMES", "web");
    site.write(&[&format!("listen = 'site={}'", uri(site.port))]);
    site.reload();
    serves_with(&supervisor, "SOCKETMASTER_FD_NAMES", "site");
}

/// What the program has bound for itself is held, so nobody can open it: it is the one that is asked for.
#[test]
fn a_file_may_ask_for_what_the_program_has_bound() {
    let site = Site::new("");
    let script = site.app.path("app.py");
    let text = "import os, sys, http.server as h\n\
        class H(h.BaseHTTPRequestHandler):\n \
        def do_GET(self):\n  body = ('{\"pid\": %d}' % os.getpid()).encode()\n  self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)\n \
        def log_message(self, *a): pass\n\
        sys.exit(3) if os.environ['MODE'] == 'bad' else h.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n";
    fs::write(&script, text).unwrap();
    let write = |mode: &str, listen: &str| {
        let text = format!(
            "command = ['python3', {script:?}]\nsettle = '50ms'\n{listen}\n[environment]\nPORT = {}\nMODE = '{mode}'\n",
            site.port
        );
        fs::write(site.file(), text).unwrap();
    };
    write("one", "");
    let mut supervisor = site.start();
    let held = || supervisor_holds(&supervisor, site.port);
    let socket = held();
    assert!(socket.is_some());
    let asked = format!("adopt = true\nlisten = 'tcp4://127.0.0.1:{}'", site.port);
    write("bad", &asked);
    assert!(site.fail().contains("it exited with status 3"));
    assert_eq!(held(), socket);
    let new = site.app.path("new.sock");
    let more = format!("adopt = true\nlisten = 'unix://{}'", new.display());
    write("bad", &more);
    assert!(site.fail().contains("it exited with status 3"));
    assert!(!new.exists());
    for (mode, listen) in [("two", &*asked), ("three", ""), ("four", &asked)] {
        write(mode, listen);
        site.reload();
        serves_with(&supervisor, "MODE", mode);
        assert_eq!(held(), socket, "{mode}");
    }
    assert_eq!(supervisor.stop().code(), Some(0));
}

/// What the program that serves has not bound would else be waited for in vain, by each that comes after a crash.
#[test]
fn what_the_file_and_the_program_have_dropped_is_let_go_at_once() {
    let site = Site::new("");
    let second = free_port();
    let script = site.app.path("app.py");
    let text = "import socket, select, sys\n\
        all = []\n\
        for port in sys.argv[1:]:\n \
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n \
        s.bind(('127.0.0.1', int(port))); s.listen(); all.append(s)\n\
        select.select(all, [], [])\n";
    fs::write(&script, text).unwrap();
    let write = |listen: &[u16], bind: &[u16]| {
        let uris: Vec<_> = listen.iter().map(|port| uri(*port)).collect();
        let bind: Vec<_> = bind.iter().map(|port| format!(", '{port}'")).collect();
        let text = format!(
            "command = ['python3', {script:?}{}]\nsettle = '50ms'\nadopt = true\nrestart = 'always'\nlisten = {uris:?}\n",
            bind.concat()
        );
        fs::write(site.file(), text).unwrap();
    };
    write(&[site.port, second], &[site.port, second]);
    let mut supervisor = site.start();
    let first = supervisor.workers();
    write(&[site.port], &[site.port]);
    site.reload();
    until("the old one has gone", || {
        supervisor.workers() != first && supervisor.workers().len() == 1
    });
    assert_eq!(supervisor_holds(&supervisor, second), None);
    kill_process(
        Pid::from_raw(supervisor.workers()[0]).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    supervisor.wait_for_nth_line("Generation 2 is ready", 2);
    assert_eq!(supervisor.stop().code(), Some(0));
}

/// The inode of the one listener at this port that the supervisor holds.
fn supervisor_holds(supervisor: &Supervisor, port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let place = format!("0100007F:{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace().collect());
    let mut lines = lines.filter(|f: &Vec<_>| f[1] == place && f[3] == "0A");
    let link = format!("socket:[{}]", lines.next()?[9]);
    let open = fs::read_dir(format!("/proc/{}/fd", supervisor.pid())).unwrap();
    let mut links = open.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.any(|held| held.as_os_str() == &*link).then_some(link)
}
