//! Two hundred quick reloads, after which everything is as it was.

use testbed::{App, Setup, Supervisor, free_port, processes, until};

use crate::awkward;
use crate::nginx::Nginx;
use crate::service::{leaves_nothing, reload, serve, tcp};

const RELOADS: usize = 200;

/// By then whatever is made once has been made.
const WARM: usize = 50;

/// Descriptors and resident KiB of the supervisor and of the process that carries its log.
fn figures(supervisor: &Supervisor) -> [(usize, u64); 2] {
    [supervisor.pid(), supervisor.forwarder()].map(|pid| {
        (
            processes::descriptors(pid).len(),
            processes::figure(pid, "VmRSS"),
        )
    })
}

fn does_not_grow(setup: Setup, port: u16) {
    let mut supervisor = serve(setup.flag("-settle=1ms"), &[tcp(port)]);
    let mut warm = None;
    for n in 1..=RELOADS {
        reload(&supervisor);
        if n == WARM {
            warm = Some(figures(&supervisor));
        }
    }
    let warm = warm.unwrap();
    // What belonged to the last old generation may have been closed a moment after its end.
    until("no more descriptors than before", || {
        let now = figures(&supervisor);
        now.iter().zip(&warm).all(|(now, then)| now.0 <= then.0)
    });
    let now = figures(&supervisor);
    println!("(descriptors, KiB) after {WARM}: {warm:?}, after {RELOADS}: {now:?}");
    let flat = now
        .iter()
        .zip(&warm)
        .all(|(now, then)| now.1 <= then.1 + 256);
    assert!(flat, "{warm:?}, {now:?}");
    assert!(processes::zombies(supervisor.pid()).is_empty());
    leaves_nothing(&mut supervisor);
}

#[test]
fn behind_a_quick_program() {
    let port = free_port();
    let app = App::new(&format!("tcp:127.0.0.1:{port}"));
    does_not_grow(awkward::setup(&app), port);
}

#[test]
fn behind_nginx() {
    let (nginx, port) = (Nginx::new(), free_port());
    nginx.deploy("", &format!("listen 127.0.0.1:{port};"));
    let Some(setup) = nginx.setup() else { return };
    does_not_grow(setup, port);
}
