//! `check`, and the start with a file that is wrong.

use super::*;

#[test]
fn check_says_all_that_is_wrong() {
    let site = Site::new("version one");
    site.write_listening(&[]);
    let file = site.file().display().to_string();
    let check = |path: &str| site.ask(&["check", path]);
    let fine = check(&file);
    assert_eq!(
        (fine.status, &*fine.said),
        (0, &*format!("{file}: nothing is wrong\n"))
    );

    site.write(&["lissten = 'tcp://:80'", "workers = 0", "bake = 3"]);
    let wrong = check(&file);
    assert_eq!(wrong.status, 1);
    let lines: Vec<_> = wrong.said.lines().collect();
    assert_eq!(lines.len(), 3, "{}", wrong.said);
    assert_eq!(
        lines[0],
        format!("{file}:3:1: unknown key \"lissten\" (did you mean listen?)")
    );
    assert!(lines[1].starts_with(&format!("{file}:4:11: invalid value \"0\" for workers")));
    assert!(lines[2].starts_with(&format!("{file}:5:8: invalid value \"3\" for bake")));

    // What can be said of the system is said too.
    let text = "command = './none'\nuser = 'no-such-login'\nlisten = ['tcp://no-such-host.invalid:80', 'unix:///no/such/directory/app.sock']\n";
    fs::write(site.file(), text).unwrap();
    let wrong = check(&file);
    assert_eq!(wrong.status, 1);
    for part in [
        "Could not find executable",
        "no-such-login",
        "no-such-host.invalid",
        "/no/such/directory",
    ] {
        assert!(wrong.said.contains(part), "{part} in {}", wrong.said);
    }
    assert_eq!(check("none.toml").status, 1);
    assert_eq!(site.ask(&["check"]).status, 2);
    let help = site.ask(&["check", "-h"]);
    assert_eq!(help.status, 0);
    assert!(
        help.said.contains("socketmaster check app.toml"),
        "{}",
        help.said
    );
}

#[test]
fn a_start_with_a_wrong_file_begins_nothing() {
    let site = Site::new("version one");
    site.write_listening(&["wrokers = 2", "bake = 'soon'"]);
    let file = site.file().display().to_string();
    let started = site.ask(&["run", &file]);
    assert_eq!(started.status, 2);
    assert_eq!(started.said.lines().count(), 2, "{}", started.said);
    assert!(
        started
            .said
            .starts_with(&format!("{file}:4:1: unknown key"))
    );
}

#[test]
fn flags_win_over_the_file_at_each_reload_too() {
    let site = Site::new("version one");
    let other = free_port();
    site.write_listening(&["environment = { MODE = 'a' }", "workers = 2"]);
    let supervisor = site
        .setup()
        .flag(format!("-listen={}", uri(other)))
        .flag("-workers=1")
        .configured(site.file(), &[address(other)])
        .start();
    supervisor.wait_until_serving();
    site.write_listening(&["environment = { MODE = 'b' }", "workers = 2"]);
    site.reload();
    let pid = serves_with(&supervisor, "MODE", "b");
    alone(&supervisor, pid);
}

#[test]
fn a_program_that_is_passed_nothing_binds_for_itself() {
    let site = Site::new("");
    let script = site.app.path("app.py");
    let text = "import os, http.server as h\n\
        class H(h.BaseHTTPRequestHandler):\n \
        def do_GET(self):\n  body = ('{\"pid\": %d}' % os.getpid()).encode()\n  self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)\n \
        def log_message(self, *a): pass\n\
        h.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n";
    fs::write(&script, text).unwrap();
    let write = |mode: &str| {
        let text = format!(
            "command = ['python3', {script:?}]\nsettle = '50ms'\n[environment]\nPORT = {}\nMODE = '{mode}'\n",
            site.port
        );
        fs::write(site.file(), text).unwrap();
    };
    write("a");
    let supervisor = site.start();
    let first = supervisor.get("/").pid();
    assert_eq!(variable(first, "MODE"), "a");
    write("b");
    site.reload();
    until("the new one alone answers", || {
        let pid = supervisor.get("/").told_pid();
        pid.is_some_and(|pid| pid != first && variable(pid, "MODE") == "b")
    });
}

/// The supervisor reads them between two events: it must wait for none, and none may be without end.
#[test]
fn only_small_regular_files_are_read() {
    let site = Site::new("version one");
    site.write_listening(&["env_file = 'app.env'"]);
    let environment = site.app.path("app.env");
    fs::write(&environment, "").unwrap();
    let mut supervisor = site.start();
    let pid = supervisor.get("/").pid();

    // Nobody writes into it, so to open it would be to wait.
    fs::remove_file(&environment).unwrap();
    let made = Command::new("mkfifo").arg(&environment).status().unwrap();
    assert!(made.success());
    let said = site.fail();
    assert!(
        said.contains("app.env cannot be read: it is no regular file"),
        "{said}"
    );
    site.write_listening(&["env_file = '/dev/zero'"]);
    let said = site.fail();
    assert!(
        said.contains("/dev/zero cannot be read: it is no regular file"),
        "{said}"
    );
    fs::write(site.file(), vec![b'#'; 1024 * 1024 + 1]).unwrap();
    let said = site.fail();
    assert!(
        said.contains("app.toml: cannot be read: it is larger than 1024 KiB"),
        "{said}"
    );
    // What is no configuration has a mistake in each line, and the place of each takes its time.
    let keys: String = (10_000..90_000).map(|n| format!("k{n} = 1\n")).collect();
    for text in ["k = 1\n[[k]]\n".repeat(80_000), keys] {
        fs::write(site.file(), text).unwrap();
        let said = site.fail();
        assert!(said.contains("(and 99 more: "), "{said}");
    }

    assert_eq!(supervisor.get("/").pid(), pid);
    assert_eq!(supervisor.stop().code(), Some(0));
}
