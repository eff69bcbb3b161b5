//! Real programs with a health page or a command of theirs.

use std::fs;

use testbed::{Setup, free_port, program, setup};

use crate::serving;

/// Reloads, and says how often it is ready then.
fn reloads(setup: Setup) {
    let mut supervisor = serving(setup);
    for n in 2..=3 {
        supervisor.hup();
        supervisor.wait_for_line(&format!("Reload done: generation {n} serves"));
    }
    supervisor.stop();
    assert_eq!(supervisor.processes(), []);
}

/// It puts variables of its environment into its configuration.
#[test]
fn haproxy_with_its_monitor_page() {
    let Some(haproxy) = program("haproxy") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let conf = place.path().join("conf");
    let text = "global\n hard-stop-after 1s\ndefaults\n mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n\
        frontend web\n bind fd@3\n http-request return status 200\n\
        frontend health\n bind 127.0.0.1:\"$SOCKETMASTER_READY_PORT\"\n monitor-uri /health\n";
    fs::write(&conf, text).unwrap();
    reloads(
        setup!()
            .flag("-ready=http://127.0.0.1:{port}/health")
            .flag("-stop-signal=USR1")
            .command(haproxy, &["-db", "-f", conf.to_str().unwrap()]),
    );
}

/// Healthy a while after it serves.
#[test]
fn node_that_warms_up() {
    let Some(node) = program("node") else { return };
    let script = "const http = require('http');
        let warm = false;
        setTimeout(() => { warm = true; console.log('warm'); }, 700);
        http.createServer((q, a) => a.end('hello')).listen({ fd: 3 });
        http.createServer((q, a) => { a.statusCode = warm ? 204 : 503; a.end(); }).listen(+process.argv[1], '::1');";
    let setup = setup!()
        .flag("-ready=http://[::1]:{port}/ready?full")
        .command(node, &["-e", script, "{port}"]);
    let supervisor = serving(setup);
    for n in 2..=3 {
        supervisor.hup();
        let warm = supervisor.wait_for_nth_line("] warm", n).at;
        let ready = supervisor
            .wait_for_line(&format!("Generation {n} is ready"))
            .at;
        assert!(ready >= warm);
    }
}

/// Go's net/http, and curl.
#[test]
fn go_asked_by_curl() {
    let (Some(go), Some(curl)) = (program("go"), program("curl")) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let source = r#"package main
import ("net"; "net/http"; "os")
func main() {
    service, _ := net.FileListener(os.NewFile(3, "service"))
    go http.Serve(service, http.NotFoundHandler())
    http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("well\n")) })
    http.ListenAndServe("127.0.0.1:" + os.Getenv("SOCKETMASTER_READY_PORT"), nil)
}"#;
    fs::write(place.path().join("main.go"), source).unwrap();
    let binary = place.path().join("server");
    let built = std::process::Command::new(go)
        .args(["build", "-o"])
        .args([&binary, &place.path().join("main.go")])
        .status();
    assert!(built.unwrap().success());
    reloads(
        setup!()
            .flag(format!(
                "-ready=exec:{} -fsS http://127.0.0.1:{{port}}/healthz",
                curl.display()
            ))
            .command(&binary, &[]),
    );
    reloads(
        setup!()
            .flag("-ready=http://127.0.0.1:{port}/healthz")
            .command(&binary, &[]),
    );
}

/// Its own client knows when it has loaded its data.
#[test]
fn redis_asked_by_its_client() {
    let (Some(server), Some(client)) = (program("redis-server"), program("redis-cli")) else {
        return;
    };
    reloads(
        setup!()
            .listen(format!("tcp://127.0.0.1:{}", free_port()))
            .flag(format!(
                "-ready=exec:{} -e -p {{port}} ping",
                client.display()
            ))
            .command(
                server,
                &["--port", "{port}", "--bind", "127.0.0.1", "--save", ""],
            ),
    );
}
