//! HAProxy, which sees that its socket listens already and does not call listen().

use std::fs;

use testbed::{free_port, program, setup};

use crate::service::{loses_nothing, tcp};
use crate::slow;

#[test]
fn a_master_with_a_worker() {
    let Some(haproxy) = program("haproxy") else {
        return;
    };
    let (place, port, backend) = (tempfile::tempdir().unwrap(), free_port(), slow::backend());
    let path = place.path().join("conf");
    let text = format!(
        "defaults
            mode http
            timeout connect 30s
            timeout client 30s
            timeout server 30s
        frontend front
            bind 127.0.0.1:{port}
            http-request return status 200 content-type text/plain lf-string '{{\"pid\": %pid}}' unless {{ path /slow }}
            default_backend back
        backend back
            server slow 127.0.0.1:{backend}\n"
    );
    fs::write(&path, text).unwrap();
    let args = ["-W", "-db", "-f", path.to_str().unwrap()];
    loses_nothing(setup!().command(haproxy, &args), &[tcp(port)]);
}
