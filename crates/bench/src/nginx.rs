//! A reload of nginx under the supervisor, beside the one that nginx has of its own.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use testbed::{Address, Supervisor, processes, until};

use crate::clients::{Clients, Habit, Request};
use crate::figure::{Figure, Target, Target::AtMost, median, ratio};
use crate::options::Options;
use crate::report::{millis, now};
use crate::subject::{Place, Subject, free_address};

/// How long clients are at work before a reload, and how much of each counts for its latencies.
const BEFORE: Duration = Duration::from_millis(200);
const WINDOW: Duration = Duration::from_secs(1);

/// nginx at work, alone or under the supervisor.
struct Server {
    /// The process that takes HUP for a reload.
    pid: i32,
    address: SocketAddr,
    /// What must be kept while it is at work.
    process: Process,
}

enum Process {
    Alone(Child),
    Under(Supervisor),
}

/// What each reload came to.
#[derive(Default)]
struct Reloads {
    /// Requests without an answer.
    lost: Vec<f64>,
    /// The latency that one request of a hundred exceeds, in milliseconds.
    p99: Vec<f64>,
    /// Milliseconds from the signal to the first answer of a new process.
    serving: Vec<f64>,
    /// And to the end of the last old one.
    gone: Vec<f64>,
}

pub(crate) fn measure(subject: &Subject, options: &Options) -> Vec<Figure> {
    if !subject.is_ours {
        return Vec::new();
    }
    let Some(program) = testbed::program("nginx") else {
        return Vec::new();
    };
    let places = [Place::new(), Place::new()];
    let servers = [
        Server::alone(&program, &places[0]),
        Server::under(subject, &program, &places[1]),
    ];
    let reloads = |habit| {
        let mut both = [Reloads::default(), Reloads::default()];
        for round in 0..options.count(15, 1) {
            for turn in [round % 2, 1 - round % 2] {
                both[turn].add(&servers[turn], habit);
            }
        }
        both
    };
    let mut figures = with_new_connections(&reloads(Habit::New));
    figures.extend(with_kept_connections(&reloads(Habit::Careless)));
    figures
}

fn with_new_connections([own, ours]: &[Reloads; 2]) -> Vec<Figure> {
    let info = |name, unit, value| Figure::new(name, unit, value, Target::None, "");
    vec![
        info(
            "nginx, own reload: lost, new connections",
            "",
            own.lost.iter().sum(),
        ),
        Figure::new(
            "nginx, under it: lost, new connections",
            "",
            ours.lost.iter().sum(),
            AtMost(0.0),
            "",
        ),
        info(
            "nginx, own reload: p99 of that second",
            "ms",
            median(&own.p99),
        ),
        info(
            "nginx, under it: p99 of that second",
            "ms",
            median(&ours.p99),
        ),
        info(
            "nginx, p99 under it ÷ own reload",
            "×",
            ratio(&ours.p99, &own.p99),
        ),
        info(
            "nginx, own reload: HUP to the new serving",
            "ms",
            median(&own.serving),
        ),
        info(
            "nginx, under it: HUP to the new serving",
            "ms",
            median(&ours.serving),
        ),
        info(
            "nginx, own reload: HUP to the old gone",
            "ms",
            median(&own.gone),
        ),
        info(
            "nginx, under it: HUP to the old gone, with settle",
            "ms",
            median(&ours.gone),
        ),
    ]
}

/// What is lost here is lost by nginx, which closes a connection while the client writes on it.
fn with_kept_connections([own, ours]: &[Reloads; 2]) -> Vec<Figure> {
    let each = |lost: &[f64]| lost.iter().sum::<f64>() / lost.len() as f64;
    let info = |name, unit, value| Figure::new(name, unit, value, Target::None, "");
    vec![
        info(
            "nginx, own reload: lost, careless keep-alive",
            "/reload",
            each(&own.lost),
        ),
        info(
            "nginx, under it: lost, careless keep-alive",
            "/reload",
            each(&ours.lost),
        ),
        info("nginx, own reload: p99, keep-alive", "ms", median(&own.p99)),
        info("nginx, under it: p99, keep-alive", "ms", median(&ours.p99)),
    ]
}

impl Reloads {
    fn add(&mut self, server: &Server, habit: Habit) {
        let clients = Clients::start(server.address, habit);
        testbed::pause(BEFORE);
        let old = server.processes();
        let asked = now();
        processes::signal(server.pid, Signal::HUP);
        until("the old nginx has gone", || {
            !old.iter().any(|pid| processes::is_alive(*pid))
        });
        self.gone.push(millis(asked, now()));
        testbed::pause(WINDOW.saturating_sub(Duration::from_nanos(now() - asked)));
        let requests = clients.stop();
        let is_new = |request: &&Request| request.pid.is_some_and(|pid| !old.contains(&pid));
        let first = requests
            .iter()
            .filter(is_new)
            .map(|request| request.ended)
            .min();
        self.serving
            .push(millis(asked, first.expect("an answer of a new process")));
        let lost = requests
            .iter()
            .filter(|request| request.pid.is_none())
            .count();
        self.lost.push(lost as f64);
        let end = asked + WINDOW.as_nanos() as u64;
        let inside = requests
            .iter()
            .filter(|request| request.pid.is_some() && (asked..end).contains(&request.begun));
        let mut latencies: Vec<f64> = inside
            .map(|request| millis(request.begun, request.ended))
            .collect();
        latencies.sort_by(f64::total_cmp);
        self.p99.push(latencies[latencies.len() * 99 / 100]);
    }
}

impl Server {
    fn alone(program: &Path, place: &Place) -> Self {
        let address = free_address();
        let mut command = Command::new(program);
        let child = command
            .args(arguments(place, address))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        until("nginx listens", || TcpStream::connect(address).is_ok());
        Self {
            pid: child.id().cast_signed(),
            address,
            process: Process::Alone(child),
        }
    }

    fn under(subject: &Subject, program: &Path, place: &Place) -> Self {
        let address = free_address();
        let words = arguments(place, address);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let setup = subject.setup().run(&[Address::Tcp(address)]);
        let supervisor = setup.command(program, &words).start();
        supervisor.wait_for_line("Generation 1 is ready");
        Self {
            pid: supervisor.pid(),
            address,
            process: Process::Under(supervisor),
        }
    }

    /// All of nginx that a reload is to change: the workers, and under the supervisor the master too.
    fn processes(&self) -> Vec<i32> {
        let masters = match &self.process {
            Process::Alone(master) => vec![master.id().cast_signed()],
            Process::Under(supervisor) => supervisor.workers(),
        };
        let workers = masters.iter().flat_map(|pid| processes::children(*pid));
        match &self.process {
            Process::Alone(_) => workers.collect(),
            Process::Under(_) => workers.chain(masters.iter().copied()).collect(),
        }
    }
}

impl Drop for Server {
    /// nginx writes its title over its environment, by which the supervisor's processes would be found.
    fn drop(&mut self) {
        processes::signal(self.pid, Signal::TERM);
        match &mut self.process {
            Process::Alone(child) => drop(child.wait()),
            Process::Under(supervisor) => drop(supervisor.wait()),
        }
    }
}

/// Writes what nginx is to do, and says how it finds that: two workers that answer with their pid.
fn arguments(place: &Place, address: SocketAddr) -> [String; 6] {
    let text = format!(
        "daemon off; pid pid; error_log stderr; worker_processes 2;
         events {{}}
         http {{
             access_log off; keepalive_requests 1000000;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{ listen {address}; location / {{ return 200 '[$pid]'; }} }}
         }}"
    );
    let conf = place.path("conf");
    fs::write(&conf, text).expect("a file of our own");
    let prefix = place.path("").display().to_string();
    ["-p", &prefix, "-c", "conf", "-e", "stderr"].map(str::to_owned)
}
