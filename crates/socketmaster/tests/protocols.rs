//! How a program is told of its sockets: by `-env`, `{fd:NAME}` and `-fd0`, to real programs as they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{App, Setup, Supervisor, cannot_run, fixture, free_port, program, setup, until};

/// As Debian has it.
const STARLET: &str = "/usr/share/perl5/Starlet/Server.pm";
const APPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adopt/apps");

/// What the fixture finds when it is started with these words after its script.
fn dump(setup: Setup, words: &[&str]) -> (Value, (Supervisor, App)) {
    let app = App::new("");
    let path = app.path("dump");
    app.deploy(&format!("dump {}\nnotify", path.display()));
    let script = app.script();
    let args = [&[script.to_str().unwrap()], words].concat();
    let supervisor = setup.command(fixture(), &args).start();
    until("a dump", || path.exists());
    let dump = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (dump, (supervisor, app))
}

/// Two listeners, the second of which is a unix socket.
fn two() -> (Setup, u16, PathBuf, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let (port, unix) = (free_port(), place.path().join("s"));
    let setup = setup!()
        .listen(format!("tcp://127.0.0.1:{port}"))
        .listen(format!("admin=unix://{}", unix.display()));
    (setup, port, unix, place)
}

#[test]
fn each_protocol_is_spoken_to_the_byte() {
    let (setup, port, unix, _place) = two();
    let all = "-env=systemd,einhorn,server-starter,nginx";
    // What was meant for the supervisor: its pidfd is not the program's.
    let setup = setup.flag(all).variable("LISTEN_PIDFDID", "1");
    let (dump, (supervisor, _app)) = dump(setup, &[]);
    let unix = unix.display();
    for (name, value) in [
        ("LISTEN_FDS", "2".into()),
        ("LISTEN_FDNAMES", "unknown:admin".into()),
        ("LISTEN_PID", dump["pid"].to_string()),
        ("EINHORN_FDS", "3 4".into()),
        ("EINHORN_FD_COUNT", "2".into()),
        ("EINHORN_FD_0", "3".into()),
        ("EINHORN_FD_1", "4".into()),
        ("EINHORN_FD_FAMILY_0", "AF_INET".into()),
        ("EINHORN_FD_FAMILY_1", "AF_UNIX".into()),
        ("EINHORN_MASTER_PID", supervisor.pid().to_string()),
        ("EINHORN_CHILD_INDEX", "0".into()),
        (
            "SERVER_STARTER_PORT",
            format!("127.0.0.1:{port}=3;{unix}=4"),
        ),
        ("SERVER_STARTER_GENERATION", "1".into()),
        ("NGINX", "3;4;".into()),
    ] {
        assert_eq!(dump["variables"][name], value, "{name}");
    }
    assert_eq!(dump["variables"]["LISTEN_PIDFDID"], Value::Null);
}

#[test]
fn a_protocol_that_was_not_asked_for_is_not_spoken() {
    let (plain, _supervisor) = dump(setup!(), &[]);
    let (nginx, _supervisor) = dump(setup!().flag("-env=nginx"), &[]);
    for (dump, said) in [(plain, "EINHORN_FDS"), (nginx, "NGINX")] {
        for name in [
            "EINHORN_FDS",
            "EINHORN_FD_COUNT",
            "LISTEN_FDS",
            "LISTEN_PID",
            "SERVER_STARTER_PORT",
            "NGINX",
            "FPM_SOCKETS",
        ] {
            let is_said = dump["variables"][name] != Value::Null;
            assert_eq!(is_said, name == said, "{name}");
        }
    }
}

#[test]
fn listeners_in_arguments_become_descriptors() {
    let (setup, _port, _unix, _place) = two();
    let words = ["{fd:admin}", "--fd=fd://{fd:0}", "{fd:}", "{\"a\": 1}"];
    let (dump, _supervisor) = dump(setup, &words);
    let said = dump["args"].as_array().unwrap();
    assert_eq!(
        said[2..],
        ["4", "--fd=fd://3", "{fd:}", "{\"a\": 1}"].map(Value::from)
    );
}

#[test]
fn an_unknown_listener_is_an_error_before_anything_is_opened() {
    for (flag, word) in [("-fd0=1", ""), ("-fd0=0", "{fd:adnim}")] {
        let mut supervisor = setup!()
            .flag(flag)
            .listen("admin=tcp://127.0.0.1:0")
            .command("true", &[word])
            .spawn();
        assert_eq!(supervisor.wait().code(), Some(2));
        let text = supervisor.log().text();
        assert!(text.contains("there is admin"), "{text}");
        assert!(!text.contains("Listening"), "{text}");
    }
}

#[test]
fn a_listener_is_the_standard_input_too() {
    let (setup, _port, _unix, _place) = two();
    let (dump, (supervisor, _app)) = dump(setup.flag("-fd0=admin"), &[]);
    let descriptors = &dump["descriptors"];
    let socket = descriptors["4"].as_str().unwrap();
    assert!(socket.starts_with("socket:"), "{descriptors}");
    assert_eq!(descriptors["0"], json!(socket));
    assert_ne!(descriptors["3"], json!(socket));
    assert_eq!(supervisor.get("/").status, 200);
}

/// The program answers from the held socket, before and after a reload, and its answers have the pid of a process.
fn reloads(setup: Setup, then: impl Fn()) {
    let mut supervisor = setup.variable("PYTHONDONTWRITEBYTECODE", "1").start();
    supervisor.wait_until_serving();
    let old = answering(&supervisor);
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    until("the old one to leave", || {
        !testbed::processes::is_alive(old)
    });
    assert_ne!(answering(&supervisor), old);
    then();
    supervisor.stop();
}

/// Programs that are ready before their workers serve let a client wait in the queue, but not for ever.
fn answering(supervisor: &Supervisor) -> i32 {
    let patience = Duration::from_secs(20);
    testbed::get_in(patience, supervisor.address(), "/")
        .unwrap_or_else(|error| panic!("{error}\n{}", supervisor.log().text()))
        .pid()
}

#[test]
fn gunicorn_by_systemd() {
    let Some(gunicorn) = program("gunicorn") else {
        return;
    };
    let args = ["--chdir", APPS, "wsgi:app"];
    reloads(
        setup!().flag("-env=systemd").command(gunicorn, &args),
        || (),
    );
}

#[test]
fn puma_by_systemd() {
    let Some(puma) = program("puma") else { return };
    let app = format!("{APPS}/config.ru");
    let args = [
        "--bind-to-activated-sockets=only",
        "--threads=4:4",
        "--environment=production",
        &app,
    ];
    reloads(setup!().flag("-env=systemd").command(puma, &args), || ());
}

#[test]
fn listenfd_by_systemd() {
    let server = fixture().with_file_name("listenfd");
    reloads(setup!().flag("-env=systemd").command(server, &[]), || ());
}

/// A Perl server made for Server::Starter.
#[test]
fn starlet_by_server_starter() {
    let (Some(plackup), true) = (program("plackup"), Path::new(STARLET).exists()) else {
        return cannot_run("Starlet is not installed");
    };
    let app = format!("{APPS}/app.psgi");
    let args = ["-s", "Starlet", "-E", "production", "--max-workers=2", &app];
    let setup = setup!().flag("-env=server-starter");
    reloads(setup.command(plackup, &args), || ());
}

#[test]
fn uvicorn_by_an_argument() {
    let Some(uvicorn) = program("uvicorn") else {
        return;
    };
    let args = ["--app-dir", APPS, "--fd", "{fd:web}", "asgi:app"];
    let setup = setup!()
        .listen("admin=tcp://127.0.0.1:0")
        .listen(format!("web=tcp://127.0.0.1:{}", free_port()));
    let mut supervisor = setup.command(uvicorn, &args).start();
    supervisor.wait_until_serving();
    let web = supervisor.addresses().last().unwrap();
    let answer = testbed::get_in(Duration::from_secs(20), web, "/").unwrap();
    assert_eq!(answer.pid(), supervisor.workers()[0]);
    supervisor.stop();
}

/// Its `listen` says the same address, which it could not bind a second time.
#[test]
fn nginx_by_its_own() {
    let Some(nginx) = program("nginx") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let (port, socket) = (free_port(), place.path().join("socket"));
    let unix = socket.display();
    let conf = format!(
        "daemon off; pid pid; error_log stderr notice;
         events {{}}
         http {{
             access_log off;
             client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;
             server {{
                 listen 127.0.0.1:{port}; listen unix:{unix};
                 location / {{ return 200 '{{\"pid\": $pid}}'; }}
             }}
         }}"
    );
    fs::write(place.path().join("conf"), conf).unwrap();
    let prefix = format!("{}/", place.path().display());
    let setup = setup!()
        .flag("-env=nginx")
        .flag("-stop-signal=QUIT")
        .listen(format!("tcp://127.0.0.1:{port}"))
        .listen(format!("unix://{unix}"))
        .command(nginx, &["-p", &prefix, "-c", "conf", "-e", "stderr"]);
    reloads(setup, || assert!(socket.exists(), "{unix} is gone"));
}

/// The listener that `System.inheritedChannel()` gives is descriptor 0, and nothing else will do.
#[test]
fn java_by_its_standard_input() {
    let Some(java) = program("java") else { return };
    let place = tempfile::tempdir().unwrap();
    let source = place.path().join("Inherited.java");
    let text = r#"
        import java.nio.ByteBuffer;
        import java.nio.channels.*;
        public class Inherited {
            public static void main(String[] args) throws Exception {
                ServerSocketChannel listener = (ServerSocketChannel) System.inheritedChannel();
                String body = "{\"pid\": " + ProcessHandle.current().pid() + "}";
                String head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length();
                while (true) {
                    try (SocketChannel client = listener.accept()) {
                        client.read(ByteBuffer.allocate(4096));
                        client.write(ByteBuffer.wrap((head + "\r\n\r\n" + body).getBytes()));
                    }
                }
            }
        }"#;
    fs::write(&source, text).unwrap();
    reloads(
        setup!()
            .flag("-fd0=0")
            .command(java, &[source.to_str().unwrap()]),
        || (),
    );
}

/// What it says of the sockets that it has found is the proof: nobody speaks FastCGI here.
#[test]
fn php_fpm_by_its_own() {
    // As Debian 12 calls it.
    let Some(php) = program("php-fpm8.2") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let ports = [free_port(), free_port()];
    let pools: String = ports
        .iter()
        .map(|port| {
            format!(
                "[{port}]\nlisten = 127.0.0.1:{port}\nuser = nobody\npm = static\npm.max_children = 1\n"
            )
        })
        .collect();
    let path = place.path().join("conf");
    fs::write(&path, format!("[global]\ndaemonize = no\n{pools}")).unwrap();
    let mut setup = setup!().flag("-env=php-fpm").flag("-stop-signal=QUIT");
    for port in ports {
        setup = setup.listen(format!("tcp://127.0.0.1:{port}"));
    }
    let args = ["-F", "-O", "-y", path.to_str().unwrap()];
    let mut supervisor = setup.command(php, &args).start();
    supervisor.wait_until_serving();
    supervisor.hup();
    supervisor.wait_for_line("Reload done");
    for (fd, port) in (3..).zip(ports) {
        let found = format!("using inherited socket fd={fd}, \"127.0.0.1:{port}\"");
        supervisor.wait_for_nth_line(&found, 2);
    }
    supervisor.stop();
}
