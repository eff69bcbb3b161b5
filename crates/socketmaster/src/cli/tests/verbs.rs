//! `run`, `adopt` and the flag `-adopt`.

use super::*;
use crate::config::Adopt;
use crate::wire::uri::ListenUri;

fn adopted(uris: &[&str]) -> Option<Adopt> {
    Some(Adopt::These(
        uris.iter()
            .map(|uri| ListenUri::to_adopt(uri).unwrap())
            .collect(),
    ))
}

#[test]
fn run_adopts_whatever_the_program_opens() {
    let config = run(&["run", "nginx", "-g", "daemon off;"]);
    assert_eq!(config.command, "nginx");
    assert_eq!(config.args, words(&["-g", "daemon off;"]));
    assert_eq!(config.adopt, Some(Adopt::Anything));
    assert_eq!((config.listeners, config.take_over), (vec![], None));
    // All else is as without the verb.
    assert_eq!(config.ready_timeout, Duration::from_secs(60));

    for (args, program, rest) in [
        (&["run", "--", "a", "-h"][..], "a", &["-h"][..]),
        (
            &["run", "-syslog", "a", "--", "-syslog"],
            "a",
            &["--", "-syslog"],
        ),
        (&["run", "--", "--", "x"], "--", &["x"]),
        (&["run", "run", "demo"], "run", &["demo"]),
        (&["run", "-", "b"], "-", &["b"]),
    ] {
        let config = run(args);
        assert_eq!(config.command, program, "{args:?}");
        assert_eq!(config.args, words(rest), "{args:?}");
    }
}

#[test]
fn adopt_takes_a_uri_or_none() {
    let classic = |args: &[&str]| run(&[&["-command=a"][..], args].concat());
    assert_eq!(classic(&["-adopt"]).adopt, Some(Adopt::Anything));
    assert_eq!(classic(&["-adopt=T"]).adopt, Some(Adopt::Anything));
    assert_eq!(classic(&["-adopt=false"]).adopt, None);
    assert_eq!(classic(&["-adopt", "x"]).args, words(&["x"]));
    assert_eq!(classic(&["-adopt", "true"]).args, words(&["true"]));
    assert_eq!(classic(&["-adopt", "/a/b"]).args, words(&["/a/b"]));

    for args in [
        &["--adopt", "tcp://:80", "-adopt=udp://127.0.0.1:53"][..],
        &["-adopt", "-adopt=tcp://:80", "-adopt", "udp://127.0.0.1:53"],
    ] {
        let these = adopted(&["tcp://:80", "udp://127.0.0.1:53"]);
        assert_eq!(classic(args).adopt, these);
        assert_eq!(run(&[&["run"][..], args, &["a"]].concat()).adopt, these);
    }
    assert_eq!(
        run(&["run", "-adopt=tcp://:80", "--", "http://a"]).command,
        "http://a"
    );
    assert_eq!(
        run(&["run", "-adopt=tcp://:80", "-adopt", "a"]).adopt,
        Some(Adopt::Anything)
    );
}

#[test]
fn without_adopt_the_first_listener_is_there_by_itself() {
    for args in [
        &["-command=a"][..],
        &["-command=a", "-adopt=false"],
        &["-command=a", "-adopt", "-adopt=0"],
    ] {
        assert_eq!(run(args).listeners, vec!["tcp://:8080".parse().unwrap()]);
    }
    assert_eq!(run(&["-command=a", "-adopt"]).listeners, vec![]);
    assert_eq!(
        run(&["run", "-listen", "tcp://:80", "a"]).listeners,
        vec!["tcp://:80".parse().unwrap()]
    );
}

#[test]
fn adopt_takes_over_a_process() {
    let config = run(&["adopt", "--pid", "4242", "--", "./server", "--port", "8080"]);
    assert_eq!(config.take_over, Some(4242));
    assert_eq!(config.adopt, Some(Adopt::Anything));
    assert_eq!(config.command, "./server");
    assert_eq!(config.args, words(&["--port", "8080"]));

    let config = run(&[
        "adopt",
        "-listen=tcp://:80",
        "-adopt",
        "tcp://:81",
        "-pid=7",
        "a",
    ]);
    assert_eq!(config.take_over, Some(7));
    assert_eq!(config.adopt, adopted(&["tcp://:81"]));
    assert_eq!(config.listeners.len(), 1);
}

#[test]
fn an_adopted_program_has_its_own_stop_signal() {
    for (args, signal) in [
        (&["run", "/usr/sbin/nginx"][..], libc::SIGQUIT),
        (&["run", "-stop-signal=TERM", "nginx"], libc::SIGTERM),
        (&["adopt", "-pid=1", "haproxy"], libc::SIGUSR1),
        (&["-adopt", "-command", "httpd"], libc::SIGWINCH),
        (&["-command", "nginx"], libc::SIGTERM),
        (&["-command", "nginx", "-adopt=false"], libc::SIGTERM),
    ] {
        assert_eq!(run(args).stop_signal, signal, "{args:?}");
    }
}

#[test]
fn what_is_wrong_with_a_verb() {
    for (args, expected) in [
        (&["-pid=5"][..], "flag provided but not defined: -pid"),
        (&["run", "-pid=5"], "flag provided but not defined: -pid"),
        (
            &["adopt", "-pdi=5"],
            "flag provided but not defined: -pdi (did you mean -pid?)",
        ),
        (
            &["run", "-command", "a"],
            "-command is not for socketmaster run: name the program after the flags",
        ),
        (
            &["adopt", "--command=a"],
            "-command is not for socketmaster adopt: name the program after the flags",
        ),
        (
            &["run", "-adopt=false", "a"],
            "socketmaster run always adopts: leave out -adopt=false",
        ),
        (
            &["adopt", "a"],
            "-pid is missing: the process whose sockets to take over",
        ),
        (
            &["adopt", "-pid=0"],
            r#"invalid value "0" for flag -pid: no process has that number (write it like 4242)"#,
        ),
        (
            &["adopt", "-pid=4294967297"],
            r#"invalid value "4294967297" for flag -pid: no process has that number (write it like 4242)"#,
        ),
        (
            &["adopt", "-pid=nginx"],
            r#"invalid value "nginx" for flag -pid: parse error"#,
        ),
        (
            &["-adopt=:80"],
            r#"invalid value ":80" for flag -adopt: the scheme is missing: write tcp://:80"#,
        ),
        (
            &["run", "-adopt", "web=tcp://:80", "a"],
            r#"invalid value "web=tcp://:80" for flag -adopt: an address to adopt takes no name: write tcp://:80"#,
        ),
    ] {
        assert_eq!(error(args), expected);
        assert_eq!(parse(&words(args)).unwrap_err().status(), 2);
    }
    for nothing_to_run in [
        &["run"][..],
        &["run", "--"],
        &["run", "", "a"],
        &["adopt", "-pid=5", "-syslog"],
    ] {
        let error = parse(&words(nothing_to_run)).unwrap_err();
        assert_eq!(error.to_string(), "There is no program to run");
        assert_eq!(error.status(), 2);
    }
}

#[test]
fn a_hint_says_what_to_type() {
    let hint = |args: &[&str]| {
        let args = words(args);
        parse(&args).unwrap_err().hint(Form::of(&args).0)
    };
    for (args, expected) in [
        (
            &[][..],
            "say what to run, as in: socketmaster -listen tcp://:8080 -command ./myapp",
        ),
        (
            &["-syslog", "nginx"],
            "say what to run, as in: socketmaster -listen tcp://:8080 -command ./myapp",
        ),
        (
            &["nginx", "-g", "daemon off;"],
            "to run nginx as it is: socketmaster run -- nginx\n\
             to pass it the socket: socketmaster -listen tcp://:8080 -command nginx",
        ),
        (
            &["run"],
            "say what to run, as in: socketmaster run -- nginx -g 'daemon off;'",
        ),
        (
            &["run", "-command=a"],
            "as in: socketmaster run -- nginx -g 'daemon off;'",
        ),
        (
            &["adopt", "-pid=5"],
            "say what to run, as in: socketmaster adopt --pid 4242 -- ./server --port 8080",
        ),
        (
            &["adopt", "a"],
            "as in: socketmaster adopt --pid 4242 -- ./server --port 8080",
        ),
        (
            &["run", "-adopt=false", "a"],
            "to pass it the sockets instead: socketmaster -listen tcp://:8080 -command ./myapp",
        ),
        (&["-start=x"], "socketmaster -h lists the flags"),
        (&["run", "-start=x"], "socketmaster run -h lists the flags"),
    ] {
        assert_eq!(hint(args), expected, "{args:?}");
    }
}

#[test]
fn each_verb_has_a_help() {
    for (args, form) in [
        (&["run", "-h"][..], Form::Run),
        (&["run", "-syslog", "--help", "a"], Form::Run),
        (&["adopt", "--help"], Form::Adopt),
        (&["adopt", "-pid=5", "-h"], Form::Adopt),
    ] {
        assert_eq!(parse(&words(args)), Ok(Invocation::Help(help::text(form))));
    }
    assert_eq!(run(&["run", "a", "-h"]).args, words(&["-h"]));
}
