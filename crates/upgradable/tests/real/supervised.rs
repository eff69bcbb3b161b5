//! The same server as an app of socketmaster.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use testbed::{Careless, Load, Setup, get};

use crate::chain::{built, example, free_port};

/// The supervisor of this workspace.
fn socketmaster() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "socketmaster"]);
        let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        assert!(status.unwrap().success());
        let path = built("socketmaster");
        assert!(path.exists(), "{} has been built", path.display());
        path
    });
    built.clone()
}

const RELOADS: usize = 20;

/// How the server gets its socket.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// As a descriptor.
    Passed,
    /// It binds, and the supervisor answers that.
    Adopted,
}

const WAYS: [Way; 2] = [Way::Passed, Way::Adopted];

fn supervised(
    way: Way,
    script: &str,
) -> (tempfile::TempDir, std::net::SocketAddr, testbed::Supervisor) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("script");
    std::fs::write(&path, script).unwrap();
    let address = free_port();
    let setup = Setup::exactly(socketmaster());
    let setup = match way {
        Way::Passed => setup.listen(format!("tcp://{address}")),
        Way::Adopted => setup.run(&[testbed::Address::Tcp(address)]),
    };
    let supervisor = setup
        .variable("SCRIPT", &path)
        .command(example("upgradable_fixture"), &[&address.to_string()])
        .start();
    testbed::until("it answers", || get(supervisor.address(), "/").is_ok());
    (home, address, supervisor)
}

/// Each as soon as the one before has taken effect.
fn reload(supervisor: &testbed::Supervisor) {
    let before = supervisor.get("/").pid();
    supervisor.hup();
    testbed::until("another process answers", || {
        supervisor.get("/").pid() != before
    });
}

#[test]
fn reloads_lose_no_new_connection() {
    for way in WAYS {
        let (_home, _, mut supervisor) = supervised(way, "lame-duck 300");
        let load = Load::start(supervisor.address(), 8, "/");
        for _ in 0..RELOADS {
            reload(&supervisor);
        }
        let report = load.stop();
        assert_eq!(report.failed, 0, "{way:?}: {:?}", report.errors);
        assert!(report.by_pid.len() > RELOADS / 2);
        println!(
            "{way:?}: {} requests over {RELOADS} reloads, none lost",
            report.ok
        );
        assert!(supervisor.stop().success());
    }
}

#[test]
fn reloads_lose_no_request_of_careless_clients() {
    for way in WAYS {
        let (_home, address, mut supervisor) = supervised(way, "lame-duck 2000");
        let clients = Careless::start(address, 16, Duration::from_millis(20));
        for _ in 0..RELOADS {
            reload(&supervisor);
        }
        let tally = clients.stop();
        println!("{way:?}: {} requests over {RELOADS} reloads", tally.ok);
        assert_eq!(tally.failed, 0, "{way:?}: {:?}", tally.first_error);
        assert!(supervisor.stop().success());
    }
}

/// It is the server's own word that makes it ready. It must not replace itself under a supervisor, which would lose it.
#[test]
fn it_says_when_it_is_ready_and_who_is_to_be_asked() {
    for way in WAYS {
        let (_home, address, supervisor) = supervised(way, "lame-duck 300");
        let answer = get(&testbed::Address::Tcp(address), "/upgrade")
            .unwrap()
            .body;
        assert!(
            answer.contains("socketmaster runs this server"),
            "{way:?}: {answer}"
        );
        drop(supervisor);
    }
}
