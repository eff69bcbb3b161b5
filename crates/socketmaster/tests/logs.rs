//! The lines of the workers on their way into the log. The forwarder alone is tested in `forwarder.rs`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::pipe;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{App, Supervisor, cannot_run, get, is_root, now, processes, setup, until};

/// What a worker wrote, by the log.
fn lines_of(supervisor: &Supervisor, worker: i32) -> Vec<String> {
    let mark = format!(" [{worker}] ");
    let lines = supervisor.log().lines().into_iter();
    let texts = lines.filter_map(|line| Some(line.text.split_once(&mark)?.1.to_owned()));
    texts.collect()
}

fn numbers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let texts = lines.filter_map(|line| line.split_once("line "));
    texts.map(|(_, n)| n.parse().unwrap()).collect()
}

/// F33, D12.
#[test]
fn the_last_20000_lines_of_a_failing_version_come_before_the_verdict() {
    let app = App::new("version 1");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("is ready");
    app.deploy("print-lines 20000\nexit 3");
    supervisor.hup();
    supervisor.wait_for_line("Reload failed");
    let lines = supervisor.log().lines();
    let before = lines
        .iter()
        .take_while(|line| !line.text.contains("exit status 3"));
    let numbers = numbers(before.map(|line| &*line.text));
    assert_eq!(numbers.len(), 20_000);
    assert!(numbers.is_sorted());
}

/// F33, D12.
#[test]
fn the_last_20000_lines_of_an_app_come_before_the_end_of_the_supervisor() {
    let app = App::new("print-lines 20000\nexit 3");
    let mut supervisor = setup!().app(&app).spawn();
    assert_eq!(supervisor.wait().code(), Some(3));
    let lines = supervisor.log().lines();
    let numbers = numbers(lines.iter().map(|line| &*line.text));
    assert_eq!(numbers.len(), 20_000);
    assert!(numbers.is_sorted());
}

#[test]
fn a_line_of_64_kib_is_whole_and_a_longer_one_comes_in_marked_pieces() {
    let app = App::new("print-bytes 65536\nprint \nprint-bytes 150000\nprint \nprint the end");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("the end");
    let worker = supervisor.get("/").pid();
    let lines = lines_of(&supervisor, worker);
    assert_eq!(lines[0].len(), 65_536);
    assert!(lines[0].bytes().all(|byte| byte == b'x'));
    let (last, pieces) = lines[1..lines.len() - 1].split_last().unwrap();
    let pieces = pieces
        .iter()
        .map(|piece| piece.strip_suffix(" [continues]").unwrap());
    let length: usize = pieces.map(str::len).sum();
    assert_eq!(length + last.len(), 150_000);
}

/// D13.
#[test]
fn forty_megabytes_without_a_newline_arrive_and_cost_no_memory() {
    let app = App::new("print-bytes 40000000\nprint \nprint the end");
    let supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("the end");
    let worker = supervisor.get("/").pid();
    let lines = lines_of(&supervisor, worker);
    let pieces = lines
        .iter()
        .map(|line| line.trim_end_matches(" [continues]"));
    let length: usize = pieces
        .filter(|piece| !piece.contains("the end"))
        .map(str::len)
        .sum();
    assert_eq!(length, 40_000_000);
    for pid in [supervisor.pid(), supervisor.forwarder()] {
        let peak = processes::figure(pid, "VmHWM");
        // Most of it is the program itself, which is large where it is not optimized.
        assert!((1..20_000).contains(&peak), "{peak} KiB");
    }
}

/// F33.
#[test]
fn a_last_line_without_an_end_is_a_line() {
    let app = App::new("print-bytes 5\nexit 3");
    let mut supervisor = setup!().app(&app).spawn();
    assert_eq!(supervisor.wait().code(), Some(3));
    let text = supervisor.log().text();
    assert!(text.contains("] xxxxx\n"), "{text}");
}

#[test]
fn bytes_of_any_kind_stay_in_their_line() {
    let script = r"printf 'a\000b\rc\377d\n\n\033[0me\n'; exec sleep 1000";
    let supervisor = setup!()
        .command("/bin/sh", &["-c", script])
        .flag("-start=0")
        .start();
    supervisor.wait_for_line("] \u{1b}[0me");
    let text = supervisor.log().text();
    assert!(text.contains("] a\0b\rc\u{fffd}d\n"), "{text:?}");
    assert!(text.contains("] \n"), "{text:?}");
    assert!(text.contains("] \u{1b}[0me\n"), "{text:?}");
}

/// F33: neither the verdict nor the end waits for somebody who happens to hold the pipe.
#[test]
fn a_grandchild_that_holds_the_output_holds_nothing_up() {
    let app = App::new("version 1");
    let fixture = testbed::fixture();
    let good = format!(
        "#!/bin/sh\nexec {} {}\n",
        fixture.display(),
        app.script().display()
    );
    let program = app.executable("program", &good);
    let setup = setup!().command(&program, &[]).flag("-kill-timeout=1s");
    let mut supervisor = setup.start();
    supervisor.wait_for_line("is ready");
    let _ = app.executable(
        "program",
        "#!/bin/sh\nsetsid sleep 1000 & echo last words; exit 3\n",
    );
    let asked = now();
    supervisor.hup();
    supervisor.wait_for_line("last words");
    supervisor.wait_for_line("Reload failed");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    let asked = now();
    assert!(supervisor.stop().success());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert!(supervisor.processes().is_empty());
}

/// A log that nobody reads, and an app that writes more than it holds.
#[test]
fn a_stuck_reader_of_the_log_holds_up_neither_a_reload_nor_a_stop() {
    let app = App::new("version 1\nafter 0 flood");
    let (reader, writer) = pipe().unwrap();
    let address = format!("unix://{}", app.path("socket").display());
    let setup = setup!().app(&app).listen(address).stderr(writer);
    // The app itself waits for its output, and for ever.
    let mut supervisor = setup.flag("-kill-timeout=1s").start();
    until("it serves", || get(supervisor.address(), "/").is_ok());
    until("the pipe is full", || {
        rustix::io::ioctl_fionread(&reader).unwrap() > 60_000
    });
    for version in ["2", "3"] {
        app.deploy(&format!("version {version}\nafter 0 flood"));
        supervisor.hup();
        supervisor.wait_for_version(version);
    }
    supervisor.signal(Signal::USR1);
    app.deploy("version 4\nafter 0 flood");
    supervisor.hup();
    supervisor.wait_for_version("4");
    let asked = now();
    supervisor.stop();
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert!(supervisor.processes().is_empty());
}

#[test]
fn a_reader_of_the_log_that_goes_away_ends_nobody() {
    let app = App::new("version 1\nafter 0 print-slowly 1000000");
    let (reader, writer) = pipe().unwrap();
    let address = format!("unix://{}", app.path("socket").display());
    let mut supervisor = setup!().app(&app).listen(address).stderr(writer).start();
    until("it serves", || get(supervisor.address(), "/").is_ok());
    let worker = supervisor.get("/").pid();
    drop(reader);
    let before = processes::written(worker);
    until("it writes on", || {
        processes::written(worker) > before + 5000
    });
    assert_eq!(supervisor.get("/").pid(), worker);
    app.deploy("version 2");
    supervisor.hup();
    supervisor.wait_for_version("2");
    assert!(supervisor.stop().success());
}

#[test]
fn a_forwarder_that_is_killed_is_replaced_and_the_lines_go_on() {
    let app = App::new("version 1\nafter 0 print-slowly 1000000");
    let mut supervisor = setup!().app(&app).start();
    supervisor.wait_for_line("] line 1");
    let worker = supervisor.get("/").pid();
    for n in 1..=3 {
        let forwarder = supervisor.forwarder();
        processes::signal(forwarder, Signal::KILL);
        supervisor.wait_for_nth_line("Another log forwarder goes on", n);
        assert_ne!(supervisor.forwarder(), forwarder);
        let so_far = lines_of(&supervisor, worker).len();
        until("lines go on", || {
            lines_of(&supervisor, worker).len() > so_far + 100
        });
    }
    assert_eq!(supervisor.get("/").pid(), worker);
    let lines = lines_of(&supervisor, worker);
    let numbers = numbers(lines.iter().map(String::as_str));
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert!(supervisor.stop().success());
    assert!(supervisor.processes().is_empty());
}

#[test]
fn with_json_each_line_says_whose_it_is() {
    let script = "echo out; echo err >&2; exec sleep 1000";
    let setup = setup!()
        .command("/bin/sh", &["-c", script])
        .flag("-log-format=json");
    let mut supervisor = setup.flag("-start=0").start();
    supervisor.wait_for_line("\"out\"");
    supervisor.wait_for_line("\"err\"");
    let worker = supervisor.workers()[0];
    let mut found = 0;
    supervisor.signal(Signal::TERM);
    assert!(supervisor.wait().success());
    for line in supervisor.log().lines() {
        let line: serde_json::Value = serde_json::from_str(&line.text).unwrap();
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        let stream = line["stream"].as_str().unwrap();
        if stream == "supervisor" {
            assert_eq!(line["pid"], supervisor.pid());
            continue;
        }
        found += 1;
        assert_eq!(line["line"], if stream == "stdout" { "out" } else { "err" });
        assert_eq!(
            (&line["worker"], &line["generation"]),
            (&0.into(), &1.into())
        );
        assert_eq!(line["pid"], worker);
    }
    assert_eq!(found, 2);
}

/// In a mount namespace of its own, where /dev is ours.
#[test]
fn with_syslog_each_line_is_a_datagram_to_the_local_syslog() {
    let unshared = std::process::Command::new("unshare")
        .args(["-m", "true"])
        .status();
    if !is_root() || !unshared.is_ok_and(|status| status.success()) {
        return cannot_run("it takes a mount namespace (unshare -m)");
    }
    let app = App::new("version 1\nprint hello");
    let dev = app.path("dev");
    std::fs::create_dir(&dev).unwrap();
    std::fs::write(dev.join("null"), "").unwrap();
    let syslog = UnixDatagram::bind(dev.join("log")).unwrap();
    syslog.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    let mount = "mount --bind /dev/null $0/null && mount --rbind $0 /dev && exec \"$@\"";
    let wrapper = ["unshare", "-m", "sh", "-c", mount, dev.to_str().unwrap()];
    let address = format!("unix://{}", app.path("socket").display());
    let setup = setup!()
        .app(&app)
        .under(&wrapper)
        .flag("-syslog")
        .listen(address);
    let mut supervisor = setup.start();
    until("it serves", || get(supervisor.address(), "/").is_ok());
    let worker = supervisor.get("/").pid();
    let mut all = String::new();
    let mut buffer = [0; 1000];
    while !all.contains("is ready") {
        let n = syslog.recv(&mut buffer).unwrap();
        all += str::from_utf8(&buffer[..n]).unwrap();
        all.push('\n');
    }
    let mark = format!(" socketmaster[{}]: ", supervisor.pid());
    let lines = all.lines();
    assert!(all.lines().count() >= 4 && lines.clone().all(|line| line.starts_with("<14>")));
    assert!(lines.clone().all(|line| line.contains(&mark)), "{all}");
    assert!(all.contains(&format!("{mark}[{worker}] hello\n")), "{all}");
    assert!(supervisor.stop().success());
    assert_eq!(supervisor.log().text(), "");
}

/// As programs in containers do that know only of log files.
#[test]
fn an_app_may_open_its_standard_streams_by_name() {
    let script = "echo one >/dev/stdout; echo two >>/dev/stderr; exec sleep 1000";
    let users = if is_root() {
        &["", "-user=nobody"][..]
    } else {
        &[""]
    };
    for user in users {
        let setup = setup!()
            .command("/bin/sh", &["-c", script])
            .flag("-start=0");
        let setup = if user.is_empty() {
            setup
        } else {
            setup.flag(user)
        };
        let supervisor = setup.start();
        supervisor.wait_for_line("] one");
        supervisor.wait_for_line("] two");
    }
}
