//! `-ready einhorn` with clients that people use: Reddit's baseplate, and what Ruby's own YAML makes of an ACK.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use testbed::{Address, cannot_run, program, setup, until};

const VERSION: &str = "2.4.0";
const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ready_kinds/apps");

/// The client's file, fetched from PyPI once; says so if that is not possible here.
fn baseplate() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("baseplate-{VERSION}"));
    let client = place.join("baseplate/server/einhorn.py");
    if !client.exists() {
        let pip = program("pip3")?;
        let mut pip = Command::new(pip);
        pip.args(["install", "--quiet", "--no-deps", "--target"])
            .arg(&place)
            .arg(format!("baseplate=={VERSION}"));
        pip.env("PIP_ROOT_USER_ACTION", "ignore")
            .stdin(Stdio::null());
        if !pip.status().is_ok_and(|status| status.success()) {
            cannot_run("PyPI does not hand out baseplate, a client of einhorn");
            return None;
        }
    }
    Some(client)
}

fn answers(address: &Address) -> bool {
    let Address::Tcp(address) = address else {
        return false;
    };
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).is_ok() && answer.ends_with("{}")
}

/// It serves, and is not ready before its ACK; a reload waits for the next one's too.
fn is_ready_by_its_ack(program: &Path, args: &[&str]) {
    let place = tempfile::tempdir().unwrap();
    let gate = place.path().join("gate");
    let args = [args, &[gate.to_str().unwrap()]].concat();
    let setup = setup!().flag("-ready=einhorn").command(program, &args);
    let supervisor = setup.start();
    until("it answers", || answers(supervisor.address()));
    testbed::pause(Duration::from_millis(500));
    assert_eq!(supervisor.log().count("is ready"), 0);
    std::fs::write(&gate, "").unwrap();
    let acking = supervisor.wait_for_line("] acking").at;
    assert!(supervisor.wait_for_line("is ready").at >= acking);
    supervisor.hup();
    supervisor.wait_for_nth_line("] acking", 2);
    supervisor.wait_for_line("Reload done");
}

#[test]
fn baseplate_is_ready_by_its_ack() {
    let (Some(python), Some(client)) = (program("python3"), baseplate()) else {
        return;
    };
    let server = format!("{APPS}/baseplate.py");
    is_ready_by_its_ack(&python, &[&server, client.to_str().unwrap()]);
}

#[test]
fn rubys_yaml_is_understood() {
    if let Some(ruby) = program("ruby") {
        is_ready_by_its_ack(&ruby, &[&format!("{APPS}/yaml.rb")]);
    }
}
