//! The end of a generation: when the last of its processes has gone, wherever that has put itself, and not before.

use std::path::PathBuf;

use rustix::process::Signal;
use testbed::{App, Setup, Supervisor, free_port, processes, until};

use crate::service::{leaves_nothing, serve, tcp};
use crate::steps;

/// A server that has put itself into a session of its own; it ends when its file is there.
struct Away {
    supervisor: Supervisor,
    app: App,
    server: i32,
    end: PathBuf,
}

/// With these flags; `None` without Python.
fn start(flags: &[&str]) -> Option<Away> {
    let (app, port) = (App::new(""), free_port());
    let end = app.path("end");
    let steps = format!("away\nlisten 127.0.0.1:{port}\nlast {}", end.display());
    app.deploy(&steps);
    let setup = flags.iter().fold(steps::setup(&app)?, Setup::flag);
    let supervisor = serve(setup, &[tcp(port)]);
    let server = supervisor.get("/").pid();
    // The processes between it and us have ended.
    until("it is our child", || {
        processes::children(supervisor.pid()).contains(&server)
    });
    app.deploy(&format!("listen 127.0.0.1:{port}"));
    Some(Away {
        supervisor,
        app,
        server,
        end,
    })
}

impl Away {
    /// A new generation serves, the old one's first process has ended, and its server has not.
    #[track_caller]
    fn reload(&self) {
        self.supervisor.hup();
        self.supervisor.wait_for_line("Reload done");
        self.supervisor.wait_for_line("Generation 1 drains on");
        self.still_there();
    }

    #[track_caller]
    fn still_there(&self) {
        assert!(processes::is_alive(self.server));
        assert_eq!(self.supervisor.log().count("the last process has gone"), 0);
    }

    #[track_caller]
    fn gone(&self) {
        self.supervisor
            .wait_for_line("Generation 1: the last process has gone");
        // The kernel tells at the beginning of an end; its state in /proc changes a moment later.
        until("it has ended", || !processes::is_alive(self.server));
    }
}

#[test]
fn a_process_that_went_away_is_waited_for() {
    let Some(mut away) = start(&[]) else { return };
    away.reload();
    assert_ne!(away.supervisor.get("/").pid(), away.server);
    steps::go_on(&away.end);
    away.gone();
    leaves_nothing(&mut away.supervisor);
}

#[test]
fn the_drain_timeout_holds_for_it_too() {
    let Some(mut away) = start(&["-drain-timeout=500ms"]) else {
        return;
    };
    away.reload();
    away.supervisor.wait_for_line(&format!(
        "Sending SIGKILL to what generation 1 left behind: [{}]",
        away.server
    ));
    away.gone();
    leaves_nothing(&mut away.supervisor);
}

/// It is stopped with all others: the one that is left of an older generation and the one that serves.
#[test]
fn a_stop_waits_for_it() {
    let Some(mut away) = start(&[]) else { return };
    away.reload();
    let serving = away.supervisor.get("/").pid();
    away.supervisor.signal(Signal::TERM);
    until("the other one has gone", || !processes::is_alive(serving));
    assert!(away.supervisor.ended().is_none());
    away.still_there();
    steps::go_on(&away.end);
    assert!(away.supervisor.wait().success());
    assert!(!processes::is_alive(away.server));
    assert_eq!(away.supervisor.processes(), []);
}

#[test]
fn an_upgrade_goes_on_waiting_for_it() {
    let Some(mut away) = start(&["-drain-timeout=1m"]) else {
        return;
    };
    away.reload();
    away.supervisor.upgrade();
    away.supervisor.upgrade();
    away.still_there();
    steps::go_on(&away.end);
    away.gone();
    drop(away.app);
    leaves_nothing(&mut away.supervisor);
}

/// The time that it had before the upgrade counts.
#[test]
fn an_upgrade_does_not_forget_its_timeout() {
    let Some(mut away) = start(&["-drain-timeout=1s"]) else {
        return;
    };
    away.reload();
    away.supervisor.upgrade();
    away.supervisor
        .wait_for_line("Sending SIGKILL to what generation 1 left behind");
    away.gone();
    leaves_nothing(&mut away.supervisor);
}
