//! nginx in its forms. It is told to stop by QUIT, without which it would drop what it has begun.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use testbed::{Address, Setup, free_port, program, setup};

use crate::service::{loses_nothing, refuses_nobody, tcp};
use crate::slow;

/// nginx with a place of its own.
pub(crate) struct Nginx {
    place: TempDir,
    backend: u16,
}

impl Nginx {
    pub(crate) fn new() -> Self {
        Self {
            place: tempfile::tempdir().unwrap(),
            backend: slow::backend(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// From the next start on it has these directives outside of `http`, and these in its `server`.
    pub(crate) fn deploy(&self, main: &str, server: &str) {
        let backend = self.backend;
        let text = format!(
            "daemon off; pid pid; error_log stderr notice; {main}
             events {{}}
             http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 server {{
                     {server}
                     location / {{ return 200 '{{\"pid\": $pid}}'; }}
                     location /slow {{ proxy_pass http://127.0.0.1:{backend}; }}
                 }}
             }}"
        );
        fs::write(self.path("conf"), text).unwrap();
    }

    fn args(&self) -> [String; 6] {
        let prefix = format!("{}/", self.place.path().display());
        ["-p", &prefix, "-c", "conf", "-e", "stderr"].map(Into::into)
    }

    pub(crate) fn setup(&self) -> Option<Setup> {
        let args = self.args();
        let args = args.each_ref().map(String::as_str);
        Some(setup!().command(program("nginx")?, &args))
    }

    /// To run it without a supervisor.
    pub(crate) fn command(&self) -> Option<Command> {
        let mut command = Command::new(program("nginx")?);
        command.args(self.args());
        Some(command)
    }
}

/// It serves and is its own master; at QUIT it ends at once, with what it has begun.
#[test]
fn one_process() {
    let (nginx, port) = (Nginx::new(), free_port());
    nginx.deploy("master_process off;", &format!("listen 127.0.0.1:{port};"));
    let Some(setup) = nginx.setup() else { return };
    refuses_nobody(setup, &[tcp(port)]);
}

/// One socket of each family, which the workers inherit.
#[test]
fn a_master_with_workers() {
    let (nginx, port) = (Nginx::new(), free_port());
    let unix = nginx.path("socket");
    let listen = format!(
        "listen 127.0.0.1:{port}; listen [::1]:{port}; listen unix:{};",
        unix.display()
    );
    nginx.deploy("worker_processes 2;", &listen);
    let Some(setup) = nginx.setup() else { return };
    let v6 = Address::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], port).into());
    loses_nothing(setup, &[tcp(port), v6, Address::Unix(unix.clone())]);
    assert!(!unix.exists(), "the path goes with the last generation");
}

/// Each worker has a socket of its own at the same address.
#[test]
fn a_socket_per_worker() {
    let (nginx, port) = (Nginx::new(), free_port());
    nginx.deploy(
        "worker_processes 2;",
        &format!("listen 127.0.0.1:{port} reuseport;"),
    );
    let Some(setup) = nginx.setup() else { return };
    loses_nothing(setup, &[tcp(port)]);
}
