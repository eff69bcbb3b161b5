//! What the app finds when it starts: descriptors, signals, environment, user, limits.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::geteuid;
use serde_json::{Value, json};
use testbed::{App, Setup, Supervisor, fixture, processes, setup, until};

/// SIGPIPE, which Rust's runtime ignores in every program of its own, so that the fixture cannot tell.
const SIGPIPE: u64 = 1 << 12;

/// The two that glibc keeps for its threads, and ignores in every program that posix_spawn(3) starts.
const GLIBC: u64 = 0b11 << 31;

/// What it found, and the supervisor that goes on, with its app.
fn dump(setup: Setup) -> (Value, (Supervisor, App)) {
    let app = App::new("");
    let path = app.path("dump");
    app.deploy(&format!("dump {}\nnotify", path.display()));
    let supervisor = setup.app(&app).start();
    until("a dump", || path.exists());
    let dump = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (dump, (supervisor, app))
}

fn signals(dump: &Value, field: &str) -> u64 {
    u64::from_str_radix(dump["status"][field].as_str().unwrap(), 16).unwrap()
}

/// F31
#[test]
fn it_has_the_listener_on_3_and_no_other_descriptor() {
    let (dump, _supervisor) = dump(setup!());
    let descriptors = dump["descriptors"].as_object().unwrap();
    assert_eq!(
        descriptors.keys().collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "{descriptors:?}"
    );
    assert_eq!(descriptors["0"], "/dev/null");
    assert!(descriptors["1"].as_str().unwrap().starts_with("pipe:"));
    assert_eq!(
        descriptors["1"], descriptors["2"],
        "one pipe keeps the order of both"
    );
    assert!(descriptors["3"].as_str().unwrap().starts_with("socket:"));
    assert_eq!(dump["variables"]["EINHORN_FDS"], "3");
}

/// F32, F31: whatever descriptors the supervisor was started with.
#[test]
fn so_it_has_when_the_supervisor_was_given_other_descriptors() {
    let setup = setup!().under(&[
        "sh",
        "-c",
        "exec 3</dev/zero 4</dev/zero 9</dev/zero; exec \"$@\"",
        "sh",
    ]);
    let (dump, _supervisor) = dump(setup);
    let descriptors = dump["descriptors"].as_object().unwrap();
    assert_eq!(
        descriptors.keys().collect::<Vec<_>>(),
        ["0", "1", "2", "3"],
        "{descriptors:?}"
    );
    assert!(descriptors["3"].as_str().unwrap().starts_with("socket:"));
}

#[test]
fn several_listeners_come_in_order_and_with_their_names() {
    let place = tempfile::tempdir().unwrap();
    let unix = place.path().join("s");
    let setup = setup!()
        .listen("web=tcp://127.0.0.1:0")
        .listen(format!("unix://{}", unix.display()))
        .listen("admin=tcp4://127.0.0.1:0");
    let (dump, (supervisor, _app)) = dump(setup);
    let descriptors = dump["descriptors"].as_object().unwrap();
    assert_eq!(
        descriptors.keys().collect::<Vec<_>>(),
        ["0", "1", "2", "3", "4", "5"]
    );
    let variables = &dump["variables"];
    assert_eq!(variables["EINHORN_FDS"], "3 4 5");
    let names = variables["SOCKETMASTER_FD_NAMES"].as_str().unwrap();
    let names: Vec<_> = names.split(':').collect();
    assert_eq!(
        (names.len(), names[0], names[2]),
        (3, "web", "admin"),
        "{names:?}"
    );
    for address in supervisor.addresses() {
        assert_eq!(testbed::get(address, "/").unwrap().status, 200);
    }
    let inode = |fd: &str| {
        descriptors[fd]
            .as_str()
            .unwrap()
            .trim_matches(|c: char| !c.is_ascii_digit())
    };
    let unix_sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let line = unix_sockets
        .lines()
        .find(|line| line.ends_with(unix.to_str().unwrap()))
        .unwrap();
    assert!(line.contains(inode("4")), "{line}");
}

/// F43: as under nohup, from a shell that ignores what runs in its background, and with blocked signals.
#[test]
fn signals_are_as_a_program_expects_them_whatever_the_supervisor_was_started_with() {
    let ignore = "--ignore-signal=HUP,INT,QUIT,TERM,PIPE,CHLD,USR1,TTOU,XFSZ";
    let setup = setup!().under(&["env", ignore, "--block-signal=TERM,USR2,ALRM,WINCH"]);
    let (dump, (mut supervisor, _app)) = dump(setup);
    assert_eq!(
        signals(&dump, "SigIgn") & !(SIGPIPE | GLIBC),
        0,
        "{}",
        dump["status"]
    );
    assert_eq!(signals(&dump, "SigBlk"), 0);
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    assert_eq!(supervisor.stop().code(), Some(0));
}

/// F43
#[test]
fn broken_pipes_are_as_a_program_expects_them() {
    let mut supervisor = setup!()
        .under(&["env", "--ignore-signal=PIPE"])
        .command("grep", &["SigIgn", "/proc/self/status"])
        .start();
    supervisor.wait();
    let ignored = supervisor.wait_for_line("SigIgn:").text;
    let ignored = u64::from_str_radix(ignored.rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(ignored & !GLIBC, 0);
}

/// F35: a terminal's signals, and those for a group, are for the supervisor alone.
#[test]
fn it_leads_a_process_group_of_its_own() {
    let (dump, (supervisor, _app)) = dump(setup!());
    assert_eq!(dump["group"], dump["pid"]);
    assert_ne!(dump["group"], json!(supervisor.pid()));
}

/// F29, F28: what an outer service manager told the supervisor is not for the app.
#[test]
fn the_environment_is_the_supervisors_without_what_was_meant_for_it() {
    let mut setup = setup!()
        .variable("HELLO", "wörld")
        .variable("NOTIFY_SOCKET", "/nowhere/notify");
    let scrubbed = [
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "LISTEN_PIDFDID",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ];
    for name in scrubbed {
        setup = setup.variable(name, "1");
    }
    let (dump, _supervisor) = dump(setup);
    let variables = &dump["variables"];
    assert_eq!(variables["HELLO"], "wörld");
    assert_eq!(variables["SOCKETMASTER_GENERATION"], "1");
    assert_eq!(variables["SOCKETMASTER_WORKER"], "0");
    assert_eq!(variables["EINHORN_FDS"], "3");
    assert!(Path::new(variables["NOTIFY_SOCKET"].as_str().unwrap()).exists());
    for name in scrubbed {
        assert_eq!(variables[name], Value::Null, "{name}");
    }
}

#[test]
fn standard_input_and_the_working_directory_are_inherited() {
    let place = tempfile::tempdir().unwrap();
    let input = place.path().join("input");
    fs::write(&input, "words").unwrap();
    let (dump, _supervisor) = dump(
        setup!()
            .directory(place.path())
            .stdin(File::open(&input).unwrap()),
    );
    assert_eq!(dump["descriptors"]["0"], json!(input));
    assert_eq!(
        dump["directory"],
        json!(place.path().canonicalize().unwrap())
    );
}

/// The supervisor raises its own limit for the sake of its many descriptors; select(2) fails above 1024.
#[test]
fn the_limit_of_descriptors_is_what_the_supervisor_was_given() {
    let (dump, _supervisor) =
        dump(setup!().under(&["sh", "-c", "ulimit -Sn 512; exec \"$@\"", "sh"]));
    assert_eq!(dump["descriptor_limit"][0], 512);
}

#[test]
fn arguments_follow_the_command_as_they_are() {
    let words = ["a b", "", "-listen", "--", "$HOME", "ü"];
    let mut args = vec!["-c", "printf '<%s>' \"$@\"", "sh"];
    args.extend(words);
    let mut supervisor = setup!().command("sh", &args).start();
    supervisor.wait();
    supervisor.wait_for_line("] <a b><><-listen><--><$HOME><ü>");
}

/// D15
#[test]
fn with_user_it_has_the_rights_and_the_names_of_that_login() {
    if !geteuid().is_root() {
        println!("not root: -user is not tested");
        return;
    }
    // The fixture lies where root builds, which others may not enter.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = App::new("").executable(place.path().join("fixture"), "");
    fs::copy(fixture(), &program).unwrap();
    let path = place.path().join("dump");
    let script = place.path().join("script");
    fs::write(
        &script,
        format!("version one\ndump {}\nnotify", path.display()),
    )
    .unwrap();
    let setup = setup!()
        .flag("-user=nobody")
        .variable("HOME", "/root")
        .variable("USER", "root");
    let supervisor = setup.command(&program, &[script.to_str().unwrap()]).start();
    assert_eq!(
        supervisor.wait_for_version("one").pid(),
        supervisor.workers()[0]
    );
    let dump: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(dump["status"]["Uid"], "65534\t65534\t65534\t65534");
    assert_eq!(dump["status"]["Gid"], "65534\t65534\t65534\t65534");
    assert_eq!(dump["status"]["Groups"], "65534");
    assert_eq!(dump["status"]["CapEff"], "0000000000000000");
    let variables = &dump["variables"];
    assert_eq!(
        (&variables["USER"], &variables["LOGNAME"]),
        (&json!("nobody"), &json!("nobody"))
    );
    assert_eq!(variables["HOME"], "/nonexistent");
    assert_eq!(
        processes::status(supervisor.pid(), "Uid").unwrap(),
        "0\t0\t0\t0"
    );
}
