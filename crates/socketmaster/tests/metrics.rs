//! The metrics, on the control socket and over TCP, through a life with all that can happen in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;
use testbed::{Address, App, Setup, Supervisor, get, processes, setup, until};

/// A supervisor that shows its metrics over TCP.
struct Shown {
    supervisor: Supervisor,
    metrics: Address,
    control: Address,
    _directory: TempDir,
}

impl Shown {
    fn start(setup: Setup) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let setup = setup
            .flag("-settle=50ms")
            .flag("-metrics=tcp://127.0.0.1:0");
        let setup = setup.variable("RUNTIME_DIRECTORY", directory.path());
        let supervisor = setup.start();
        supervisor.wait_until_serving();
        let line = supervisor.wait_for_line("Metrics on tcp://").text;
        let address: SocketAddr = line.rsplit_once("://").unwrap().1.parse().unwrap();
        let name = format!("socketmaster.{}/control", supervisor.pid());
        Self {
            metrics: Address::Tcp(address),
            control: Address::Unix(directory.path().join(name)),
            supervisor,
            _directory: directory,
        }
    }

    fn page(&self) -> String {
        let answer = get(&self.metrics, "/metrics").unwrap();
        assert_eq!(answer.status, 200);
        answer.body
    }

    /// The value of a series.
    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        let page = self.page();
        let mut lines = page.lines().filter_map(|line| line.rsplit_once(' '));
        let value = lines.find(|(name, _)| *name == format!("socketmaster_{series}"));
        let value = value.unwrap_or_else(|| panic!("no {series} in\n{page}")).1;
        value.parse().unwrap()
    }

    #[track_caller]
    fn until_it_is(&self, series: &str, value: f64) {
        until(&format!("{series} is {value}"), || {
            self.value(series) == value
        });
    }
}

#[test]
fn what_happens_is_counted_through_an_upgrade() {
    let app = App::new("version one");
    let it = Shown::start(setup!().app(&app));
    assert_eq!(it.value("generation"), 1.0);
    assert_eq!(it.value("processes{state=\"ready\"}"), 1.0);
    assert_eq!(it.value("last_reload_successful"), 1.0);
    let version = format!("build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(it.value(&version), 1.0);

    app.deploy("exit 7");
    it.supervisor.hup();
    it.until_it_is("reloads_total{result=\"failed\"}", 1.0);
    assert_eq!(it.value("last_reload_successful"), 0.0);
    assert_eq!(it.value("process_exits_total{reason=\"failed\"}"), 1.0);
    assert!(!it.page().contains("success_timestamp_seconds 1"));

    app.deploy("version two");
    it.supervisor.hup();
    it.until_it_is("process_exits_total{reason=\"drained\"}", 1.0);
    it.supervisor.upgrade();
    assert_eq!(it.value("reloads_total{result=\"done\"}"), 1.0);
    assert_eq!(it.value("reloads_total{result=\"failed\"}"), 1.0);
    assert_eq!(it.value("last_reload_successful"), 1.0);
    assert_eq!(it.value("generation"), 3.0);
    assert_eq!(it.value("reload_duration_seconds_count"), 2.0);
    let all = it.value("reload_duration_seconds_bucket{le=\"3600.0\"}");
    assert_eq!(all, 2.0);
    assert!(it.value("reload_duration_seconds_sum") > 0.05);
    assert_eq!(it.value("drain_duration_seconds_count"), 1.0);
    let started = it.value("process_start_time_seconds");
    let done = it.value("last_reload_success_timestamp_seconds");
    assert!(started > 1.6e9 && done > started, "{started} {done}");

    processes::signal(it.supervisor.workers()[0], Signal::KILL);
    it.until_it_is("process_exits_total{reason=\"unplanned\"}", 1.0);
    it.until_it_is("processes{state=\"ready\"}", 1.0);
}

#[test]
fn what_does_not_drain_in_time_counts_as_killed_and_what_is_never_ready_as_failed() {
    let app = App::new("version one\nignore-term");
    let it = Shown::start(
        setup!()
            .flag("-drain-timeout=100ms")
            .flag("-ready-timeout=1s")
            .app(&app),
    );
    app.deploy("version two");
    it.supervisor.hup();
    it.until_it_is("process_exits_total{reason=\"killed\"}", 1.0);
    app.deploy("hang");
    it.supervisor.hup();
    it.until_it_is("process_exits_total{reason=\"failed\"}", 1.0);
    assert_eq!(it.value("process_exits_total{reason=\"drained\"}"), 0.0);
    assert!(it.value("drain_duration_seconds_sum") >= 0.1);
}

#[test]
fn the_queue_of_a_listener_is_shown() {
    let app = App::new("version one");
    let it = Shown::start(setup!().app(&app));
    let Address::Tcp(address) = *it.supervisor.address() else {
        panic!()
    };
    let of = |what: &str| format!("listener_{what}{{listener=\"tcp://{address}\"}}");
    assert!(it.value(&of("backlog_limit")) > 0.0);
    assert_eq!(it.value(&of("drops_total")), 0.0);
    let worker = it.supervisor.workers()[0];
    processes::signal(worker, Signal::STOP);
    let _clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
    it.until_it_is(&of("backlog"), 3.0);
    processes::signal(worker, Signal::CONT);
    it.until_it_is(&of("backlog"), 0.0);
}

/// Over TCP one can look, and nothing else.
#[test]
fn nobody_can_do_anything_over_tcp() {
    let app = App::new("version one");
    let mut it = Shown::start(setup!().app(&app));
    let ask = |request: &str| {
        let Address::Tcp(address) = it.metrics else {
            panic!()
        };
        let mut stream = TcpStream::connect(address).unwrap();
        let rest = "HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
        write!(stream, "{request} {rest}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for path in ["/v1/reload", "/v1/stop", "/v1/upgrade"] {
        assert_eq!(ask(&format!("POST {path}")), "405");
        assert_eq!(ask(&format!("GET {path}")), "405");
    }
    for path in ["/metrics", "/healthz", "/readyz", "/v1/status"] {
        assert_eq!(ask(&format!("GET {path}")), "200");
        assert_eq!(get(&it.control, path).unwrap().status, 200);
    }
    // The worker, which lives on, has not got the socket.
    it.supervisor.signal(Signal::KILL);
    it.supervisor.wait();
    assert!(get(&it.metrics, "/healthz").is_err());
    assert!(get(it.supervisor.address(), "/").is_ok());
}

#[test]
fn a_port_in_use_is_named() {
    let port = testbed::free_port();
    let _holder = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let app = App::new("version one");
    let setup = setup!().flag(format!("-metrics=tcp://127.0.0.1:{port}"));
    let mut supervisor = setup.app(&app).spawn();
    assert_eq!(supervisor.wait().code(), Some(1));
    let line = supervisor.wait_for_line("Unable to open socket");
    assert!(
        line.text.contains(&format!("tcp://127.0.0.1:{port}")),
        "{line:?}"
    );
    assert!(line.text.contains("in use"), "{line:?}");
}

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let Some(promtool) = testbed::program("promtool") else {
        return;
    };
    let app = App::new("version one");
    let it = Shown::start(
        setup!()
            .app(&app)
            .listen("tcp://127.0.0.1:0")
            .listen("tcp://127.0.0.1:0"),
    );
    it.supervisor.hup();
    it.until_it_is("reloads_total{result=\"done\"}", 1.0);
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(it.page().as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn what_the_documents_say_of_them_is_what_is_shown() {
    let app = App::new("version one\nnotify");
    let it = Shown::start(setup!().app(&app));
    it.supervisor.hup();
    it.until_it_is("reloads_total{result=\"done\"}", 1.0);
    let document = include_str!("../../../docs/metrics.md");
    let documented: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with("| `socketmaster_"))
        .collect();
    assert_eq!(documented, rows(&it.page()));
}

/// A page of metrics as rows of a table.
fn rows(page: &str) -> Vec<String> {
    let mut helps = std::collections::BTreeMap::new();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            helps.extend([line.split_once(' ').unwrap()]);
        }
        let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|line| line.split_once(' '))
        else {
            continue;
        };
        let series = format!("{name}{{");
        let labels = page.lines().find_map(|line| line.strip_prefix(&series));
        let label = labels.and_then(|labels| labels.split_once('='));
        let label = label.map_or(String::new(), |(label, _)| format!("`{label}`"));
        rows.push(format!("| `{name}` | {kind} | {label} | {} |", helps[name]));
    }
    rows
}
