//! Programs that drop what they have accepted when they are told to stop.

use testbed::{free_port, program, setup};

use crate::service::{RELOADS, refuses_nobody, source, tcp};

/// It knows no TERM and dies of it.
#[test]
fn http_server_of_python() {
    let Some(python) = program("python3") else {
        return;
    };
    let (port, place) = (free_port(), tempfile::tempdir().unwrap());
    let (text, folder) = (port.to_string(), place.path().to_str().unwrap());
    let args = [
        "-m",
        "http.server",
        &text,
        "--bind=127.0.0.1",
        "--directory",
        folder,
    ];
    refuses_nobody(setup!().command(python, &args), &[tcp(port)]);
}

/// It knows no TERM and dies of it.
#[test]
fn built_in_server_of_php() {
    let Some(php) = program("php") else { return };
    let (port, page) = (free_port(), source("index.php"));
    let args = ["-S", &format!("127.0.0.1:{port}"), page.to_str().unwrap()];
    let report = refuses_nobody(setup!().command(php, &args), &[tcp(port)]);
    assert!(report.by_pid.len() > RELOADS, "{report:?}");
}

/// Its primary hands connections to workers that are about to go.
#[test]
fn cluster_of_node() {
    let Some(node) = program("node") else { return };
    let (port, server) = (free_port(), source("cluster.js"));
    let args = [server.to_str().unwrap(), &port.to_string()];
    let report = refuses_nobody(setup!().command(node, &args), &[tcp(port)]);
    assert!(report.by_pid.len() > RELOADS, "{report:?}");
}
