//! A health page of the worker's own.

use std::process::{Child, Command, Stdio};

use testbed::{Load, processes, until};

use crate::{Site, serving};

#[test]
fn a_program_is_ready_when_its_page_says_so_and_loses_nothing_under_load() {
    let Some(site) = Site::new("200") else { return };
    let mut supervisor = serving(site.setup(&[]));
    let load = Load::start(supervisor.address(), 4, "/?ms=2");
    for n in 2..=4 {
        site.says(&format!("{n} 503"));
        supervisor.hup();
        supervisor.wait_for_nth_line("health page of", n);
        // It serves, and is seen to: only the page says no.
        let pid = supervisor.workers().into_iter().max().unwrap();
        until("the new one answers too", || {
            supervisor.get("/").pid() == pid
        });
        assert_eq!(supervisor.log().count("Reload done"), n - 2);
        site.says("200");
        supervisor.wait_for_line(&format!("Reload done: generation {n} serves"));
    }
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}

/// What the page says, and what the log says of it.
#[test]
fn a_page_that_never_says_yes_is_a_failed_reload_with_its_last_word() {
    let Some(site) = Site::new("200") else { return };
    let supervisor = serving(site.setup(&["-ready-timeout=3500ms"]));
    let old = supervisor.workers();
    for (n, (says, expected)) in (2..).zip([
        ("503", "said: answer 503"),
        ("302", "said: answer 302, a redirect, which is not followed"),
        ("noise", "said: no HTTP answer"),
        ("silence", "said: no answer within 2000 ms"),
    ]) {
        site.says(&format!("{n} {says}"));
        supervisor.hup();
        let failed = format!(
            "Generation {n} failed: it was not ready within 3500 ms; the last check (http://127.0.0.1:"
        );
        let line = supervisor.wait_for_line(&failed);
        assert!(line.text.contains("/health) said"), "{}", line.text);
        assert!(line.text.contains(expected), "{}", line.text);
        supervisor.wait_for_nth_line("generation 1 serves on, nothing has changed", n - 1);
        until("only the old one is there", || supervisor.workers() == old);
    }
}

#[test]
fn a_program_that_does_not_listen_there_is_refused_and_fails_by_that() {
    let Some(site) = Site::new("200") else { return };
    let setup = site.setup_on("0", "", &["-ready-timeout=1s"]);
    let mut supervisor = setup.flag("-ready=http://localhost:{port}").start();
    let line = supervisor.wait_for_line("Generation 1 failed: it was not ready within 1000 ms");
    assert!(
        line.text.ends_with("/) said: connection refused"),
        "{}",
        line.text
    );
    assert_eq!(supervisor.wait().code(), Some(137));
    assert_eq!(supervisor.processes(), []);
}

#[test]
fn each_worker_has_a_port_and_is_asked_by_itself() {
    let Some(site) = Site::new("200") else { return };
    // The page of worker 1 says no until there is a file.
    let place = site.app.path("");
    let text = format!(
        "#!/bin/sh\nmkdir -p {0}/$SOCKETMASTER_WORKER\n\
         [ $SOCKETMASTER_WORKER = 1 ] && echo 503 >{0}/1/health || echo 200 >{0}/$SOCKETMASTER_WORKER/health\n\
         exec {1} {2}/health.py $1 {0}/$SOCKETMASTER_WORKER\n",
        place.display(),
        site.python.display(),
        crate::APPS
    );
    let program = site.app.executable("page", &text);
    let setup = testbed::setup!()
        .flag("-workers=3")
        .flag("-ready=http://127.0.0.1:{port}")
        .command(program, &["{port}"]);
    let supervisor = setup.start();
    supervisor.wait_for_nth_line("of generation 1 is ready", 2);
    supervisor.wait_for_nth_line("health page of", 3);
    assert_eq!(
        supervisor.log().count("Worker 1 of generation 1 is ready"),
        0
    );
    std::fs::write(place.join("1/health"), "200").unwrap();
    supervisor.wait_for_line("Worker 1 of generation 1 is ready");
    let text = supervisor.log().text();
    let ports = text.lines().filter_map(|l| {
        l.split_once(" Starting ")?
            .1
            .split_once(" [")
            .map(|(_, args)| args.to_owned())
    });
    let ports: std::collections::BTreeSet<_> = ports.collect();
    assert_eq!(ports.len(), 3, "{text}");
    // One that dies is asked again on its way back.
    std::fs::write(place.join("2/health"), "503").unwrap();
    let all = supervisor.workers();
    let victim = all.iter().copied().max().unwrap();
    processes::signal(victim, rustix::process::Signal::KILL);
    supervisor.wait_for_nth_line("health page of", 4);
    supervisor.wait_for_nth_line("is ready", 4);
}

#[test]
fn who_asks_for_the_reload_is_told_what_the_page_said() {
    let Some(site) = Site::new("200") else { return };
    let place = site.app.path("");
    let setup = site
        .setup(&["-ready-timeout=1s", "-bake=60s", "-name=checked"])
        .variable("RUNTIME_DIRECTORY", &place);
    let supervisor = serving(setup);
    let reload = || {
        let mut reload = Command::new(env!("CARGO_BIN_EXE_socketmaster"));
        let reload = reload
            .args(["reload", "checked"])
            .env("RUNTIME_DIRECTORY", &place);
        let reload = reload.stdout(Stdio::piped()).stderr(Stdio::piped());
        reload.spawn().unwrap()
    };
    let told = |reload: Child| {
        let output = reload.wait_with_output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(all).unwrap())
    };
    site.says("2 503");
    let (status, text) = told(reload());
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("/health) said: answer 503"), "{text}");
    let waiting = reload();
    supervisor.wait_for_line("Generation 3 is ready");
    site.says("3 500");
    let (status, text) = told(waiting);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("3 times in a row during the bake"), "{text}");
    assert!(text.contains("/health) said: answer 500"), "{text}");
}
