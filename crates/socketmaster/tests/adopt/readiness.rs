//! When a generation that binds for itself is ready: it has all that is held, and serves there.

use std::io::ErrorKind;
use std::time::Duration;

use testbed::{App, Setup, Supervisor, free_port, get, now, pause, until};

use crate::service::{leaves_nothing, reload, serve, tcp};
use crate::steps;

/// It answers on the first port; its steps are given the ports.
struct Service {
    supervisor: Supervisor,
    app: App,
    ports: [u16; 2],
}

/// `{0}` and `{1}` stand for the addresses, `{gate}` for a file of the app's.
fn fill(steps: &str, app: &App, ports: [u16; 2]) -> String {
    let at = |n: usize| format!("127.0.0.1:{}", ports[n]);
    let gate = app.path("gate");
    steps
        .replace("{0}", &at(0))
        .replace("{1}", &at(1))
        .replace("{gate}", gate.to_str().unwrap())
}

/// With these steps and flags; `None` without Python.
fn start(steps: &str, flags: &[&str]) -> Option<Service> {
    let (app, ports) = (App::new(""), [free_port(), free_port()]);
    app.deploy(&fill(steps, &app, ports));
    let setup = flags.iter().fold(steps::setup(&app)?, Setup::flag);
    let supervisor = serve(setup, &[tcp(ports[0])]);
    Some(Service {
        supervisor,
        app,
        ports,
    })
}

const BOTH: &str = "listen {0}\nlisten {1}";

impl Service {
    fn deploy(&self, steps: &str) {
        self.app.deploy(&fill(steps, &self.app, self.ports));
    }

    fn uri(&self, n: usize) -> String {
        format!("tcp://127.0.0.1:{}", self.ports[n])
    }

    /// A reload that fails because the second listener is missing.
    #[track_caller]
    fn misses_the_second(&self) {
        let old = self.supervisor.get("/").pid();
        let why = format!(
            "it was not ready within 1000 ms: it has not bound {}, which",
            self.uri(1)
        );
        let [verdict, why] = ["Reload failed: generation", &why].map(|line| {
            let before = self.supervisor.log().count(line);
            (line, before + 1)
        });
        self.supervisor.hup();
        self.supervisor.wait_for_nth_line(verdict.0, verdict.1);
        self.supervisor.wait_for_nth_line(why.0, why.1);
        for port in self.ports {
            assert_eq!(get(&tcp(port), "/").unwrap().pid(), old);
        }
    }

    #[track_caller]
    fn refuses_at_the_second(&self) {
        until("nobody listens there", || {
            get(&tcp(self.ports[1]), "/")
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
    }
}

#[test]
fn its_word_counts_at_once_when_nothing_is_missing() {
    let begun = now();
    let Some(mut service) = start("listen {0}\nready", &["-settle=1m"]) else {
        return;
    };
    reload(&service.supervisor);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    leaves_nothing(&mut service.supervisor);
}

#[test]
fn its_word_waits_for_what_is_missing() {
    let ready = format!("{BOTH}\nready");
    let Some(mut service) = start(&ready, &["-settle=1m"]) else {
        return;
    };
    service.deploy("listen {0}\nready\nwait {gate}\nlisten {1}");
    let old = service.supervisor.get("/").pid();
    service.supervisor.hup();
    let missing = format!(
        "Generation 2 has not bound {} yet, and is not ready before it has",
        service.uri(1)
    );
    service.supervisor.wait_for_line(&missing);
    assert_eq!(service.supervisor.log().count("to stop"), 0);
    assert_eq!(service.supervisor.log().count("Generation 2 is ready"), 0);
    assert_eq!(get(&tcp(service.ports[1]), "/").unwrap().pid(), old);
    steps::go_on(service.app.path("gate"));
    service.supervisor.wait_for_line("Reload done");
    leaves_nothing(&mut service.supervisor);
}

/// It finds that its socket listens already, and leaves it at that.
#[test]
fn a_program_that_skips_listen_is_seen_waiting() {
    let Some(mut service) = start("polite {0}", &["-settle=50ms"]) else {
        return;
    };
    service.deploy("polite {0}\nwait {gate}");
    service.supervisor.hup();
    service.supervisor.wait_for_line("it listens already");
    pause(Duration::from_millis(500));
    assert_eq!(
        service.supervisor.log().count("Generation 2 is ready"),
        0,
        "it does not wait there"
    );
    steps::go_on(service.app.path("gate"));
    service.supervisor.wait_for_line("Reload done");
    leaves_nothing(&mut service.supervisor);
}

#[test]
fn a_version_that_misses_a_listener_fails() {
    let Some(mut service) = start(BOTH, &["-ready-timeout=1s"]) else {
        return;
    };
    service.deploy("listen {0}");
    service.misses_the_second();
    // It does not matter what it says.
    service.deploy("listen {0}\nready");
    service.misses_the_second();
    service.deploy(BOTH);
    reload(&service.supervisor);
    leaves_nothing(&mut service.supervisor);
}

/// Its own word is needed, and is not enough.
#[test]
fn the_word_that_is_asked_for_counts_when_all_is_bound() {
    for (kind, word, why) in [
        ("notify", "ready", "none of its processes said READY=1"),
        (
            "fd",
            "newline",
            "it wrote no newline to $SOCKETMASTER_READY_FD",
        ),
    ] {
        let flags = [&format!("-ready={kind}"), "-ready-timeout=2s"];
        let Some(mut service) = start(&format!("{BOTH}\n{word}"), &flags) else {
            return;
        };
        service.deploy(BOTH);
        service.supervisor.hup();
        let why = format!("Generation 2 failed: it was not ready within 2000 ms: {why}");
        service.supervisor.wait_for_line(&why);
        service.supervisor.wait_for_line("Reload failed");
        service.deploy(&format!(
            "listen {{0}}\n{word}\nwait {{gate}}\nlisten {{1}}"
        ));
        service.supervisor.hup();
        service
            .supervisor
            .wait_for_line("is not ready before it has");
        assert_eq!(service.supervisor.log().count("Generation 3 is ready"), 0);
        steps::go_on(service.app.path("gate"));
        service
            .supervisor
            .wait_for_line("Reload done: generation 3");
        leaves_nothing(&mut service.supervisor);
    }
}

/// Nobody serves there, so no client waits there and no later version is asked for it.
#[test]
fn what_the_program_has_closed_itself_is_let_go() {
    let Some(mut service) = start(BOTH, &[]) else {
        return;
    };
    service.supervisor.get("/close");
    service.deploy("listen {0}");
    reload(&service.supervisor);
    service
        .supervisor
        .wait_for_line(&format!("Letting go of {}", service.uri(1)));
    service.refuses_at_the_second();
    leaves_nothing(&mut service.supervisor);
}

/// That of a version that fails goes with it; that of a good one stays and is asked for.
#[test]
fn a_new_listener() {
    let Some(mut service) = start("listen {0}", &["-ready-timeout=1s"]) else {
        return;
    };
    service.deploy("listen {1}\nlisten {0}\nexit 1");
    service.supervisor.hup();
    service
        .supervisor
        .wait_for_line(&format!("Adopted {}", service.uri(1)));
    service.supervisor.wait_for_line("Reload failed");
    service.refuses_at_the_second();
    service.deploy(BOTH);
    reload(&service.supervisor);
    service.deploy("listen {0}");
    service.misses_the_second();
    leaves_nothing(&mut service.supervisor);
}
