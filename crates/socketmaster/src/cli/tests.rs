use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::{Adopt, LogFormat, LogTarget, Orphans, Readiness, Restart};
use crate::wire::uri::ListenUri;
use flags::FLAGS;

fn words(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn run(args: &[&str]) -> Config {
    match parse(&words(args)) {
        Ok(Invocation::Run(config)) => *config,
        other => panic!("{args:?} gave {other:?}"),
    }
}

fn error(args: &[&str]) -> String {
    parse(&words(args)).unwrap_err().to_string()
}

#[test]
fn defaults() {
    let config = run(&["-command", "./app"]);
    let expected = Config {
        command: "./app".into(),
        args: vec![],
        directory: None,
        listeners: vec!["tcp://:8080".parse().unwrap()],
        adopt: None,
        take_over: None,
        readiness: Readiness::Auto {
            settle: Duration::from_millis(250),
        },
        ready_timeout: Duration::from_secs(60),
        drain_timeout: None,
        kill_timeout: None,
        stop_signal: 15,
        restart: Restart::OnFailure,
        user: None,
        log_target: LogTarget::Stderr,
        log_format: LogFormat::Text,
        orphans: Orphans::Keep,
    };
    assert_eq!(config, expected);
}

#[test]
fn everything_given() {
    let config = run(&[
        "-command=app",
        "--listen",
        "web=tcp://:80",
        "-listen=unix:///run/app.sock?mode=0660",
        "-start",
        "0x10",
        "-settle=1s",
        "-ready-timeout",
        "2s",
        "-drain-timeout=3s",
        "-kill-timeout=0",
        "-stop-signal=QUIT",
        "-restart",
        "always",
        "-user=www-data",
        "-syslog",
        "-log-format=json",
        "-orphans=kill",
        "-directory=/srv/current",
    ]);
    let expected = Config {
        command: "app".into(),
        args: vec![],
        directory: Some("/srv/current".into()),
        listeners: vec![
            "web=tcp://:80".parse().unwrap(),
            "unix:///run/app.sock?mode=0660".parse().unwrap(),
        ],
        adopt: None,
        take_over: None,
        readiness: Readiness::Timer(Duration::from_millis(16)),
        ready_timeout: Duration::from_secs(2),
        drain_timeout: Some(Duration::from_secs(3)),
        kill_timeout: Some(Duration::ZERO),
        stop_signal: 3,
        restart: Restart::Always,
        user: Some("www-data".into()),
        log_target: LogTarget::Syslog,
        log_format: LogFormat::Json,
        orphans: Orphans::Kill,
    };
    assert_eq!(config, expected);
}

#[test]
fn words_after_the_flags_are_the_programs() {
    for (args, expected) in [
        (&["-command", "a", "foo", "-bar"][..], &["foo", "-bar"][..]),
        (&["-command", "a", "--", "-listen"], &["-listen"]),
        (&["-command", "a", "--", "--"], &["--"]),
        (&["-command", "a", "-", "-h"], &["-", "-h"]),
        (&["-command", "a", "", "-h"], &["", "-h"]),
        (&["-command", "a", "demo"], &["demo"]),
        (&["-command", "a", "-syslog", "true"], &["true"]),
    ] {
        assert_eq!(run(args).args, words(expected), "{args:?}");
    }
}

#[test]
fn the_last_of_repeated_flags_wins_and_empty_is_not_given() {
    assert_eq!(run(&["-command", "a", "-command", "b"]).command, "b");
    let config = run(&["-command=a", "-user=x", "-user=", "-directory", ""]);
    assert_eq!((config.user, config.directory), (None, None));
    assert_eq!(
        run(&["-command=a", "-syslog", "-syslog=F"]).log_target,
        LogTarget::Stderr
    );
    assert_eq!(
        error(&["-command=a", "-command="]),
        "Command path is mandatory"
    );
}

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
fn bytes_that_are_no_text_pass_through() {
    let bytes = OsString::from_vec(b"./caf\xe9".to_vec());
    let args = ["-command", "", "-directory", "", "--", ""].map(|word| match word {
        "" => bytes.clone(),
        word => word.into(),
    });
    let Ok(Invocation::Run(config)) = parse(&args) else {
        panic!("refused");
    };
    assert_eq!(config.command, bytes);
    assert_eq!(config.directory, Some(PathBuf::from(bytes.clone())));
    assert_eq!(config.args.first(), Some(&bytes));

    let listen = [OsString::from("-listen"), bytes];
    assert_eq!(
        parse(&listen).unwrap_err().to_string(),
        r#"invalid value "./caf\xe9" for flag -listen: not UTF-8"#
    );
}

#[test]
fn errors_say_what_go_says_and_more() {
    for (args, expected) in [
        (&["-start"][..], "flag needs an argument: -start"),
        (
            &["-start", "x"],
            r#"invalid value "x" for flag -start: parse error"#,
        ),
        (
            &["-start=99999999999999999999"],
            r#"invalid value "99999999999999999999" for flag -start: value out of range"#,
        ),
        (
            &["-syslog=yes"],
            r#"invalid boolean value "yes" for -syslog: parse error"#,
        ),
        (&["---x"], "bad flag syntax: ---x"),
        (&["-=x"], "bad flag syntax: -=x"),
        (&["--=x"], "bad flag syntax: --=x"),
        (&["-port=80"], "flag provided but not defined: -port"),
        (
            &["-lissten", "x"],
            "flag provided but not defined: -lissten (did you mean -listen?)",
        ),
        (
            &["-settle=3"],
            r#"invalid value "3" for flag -settle: parse error (write it like 500ms, 3s, 1m30s or 0)"#,
        ),
        (
            &["-ready-timeout=0"],
            r#"invalid value "0" for flag -ready-timeout: must be more than 0"#,
        ),
        (
            &["-stop-signal=KILL"],
            r#"invalid value "KILL" for flag -stop-signal: a program cannot catch SIGKILL, and so not drain on it"#,
        ),
        (
            &["-restart=sometimes"],
            r#"invalid value "sometimes" for flag -restart: must be never, on-failure or always"#,
        ),
        (
            &["-listen=:8080"],
            r#"invalid value ":8080" for flag -listen: the scheme is missing: write tcp://:8080"#,
        ),
        (
            &["-listen=fd://3", "-listen=fd://3"],
            "fd://3 is listened on twice: it is already there as fd://3",
        ),
        (&["demo", "x"], "demo takes no arguments: x"),
        (&["-pid=5"], "flag provided but not defined: -pid"),
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
        assert_eq!(error.status(), 1);
    }
    for nothing_to_run in [&[][..], &["app"], &["-user", "me"], &["--"]] {
        let error = parse(&words(nothing_to_run)).unwrap_err();
        let no_command = matches!(error, CliError::NoCommand { .. });
        assert_eq!((error.status(), no_command), (1, true));
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
fn help_is_for_whoever_made_no_mistake_before_it() {
    for args in [
        &["-h"][..],
        &["--help"],
        &["-start=5", "-help=x", "-start=x"],
        &["-user", "me", "-h", "---"],
    ] {
        assert_eq!(
            parse(&words(args)),
            Ok(Invocation::Help(help::text(Form::Classic)))
        );
    }
    assert_eq!(error(&["-start=x", "-h"]), error(&["-start=x"]));
    assert_eq!(run(&["-command", "-h"]).command, "-h");
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

#[test]
fn version_and_demo() {
    let version = format!("socketmaster {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        parse(&words(&["-version"])),
        Ok(Invocation::Version(version))
    );
    assert_eq!(error(&["-version=false"]), "Command path is mandatory");
    assert_eq!(parse(&words(&["demo"])), Ok(Invocation::Demo));
    assert_eq!(
        parse(&words(&["demo", "-h"])),
        Ok(Invocation::Help(help::demo()))
    );
    // The original reads `demo` as a word too, and then misses the command.
    assert_eq!(error(&["-syslog", "demo"]), "Command path is mandatory");
}

#[test]
fn the_words_to_choose_from_are_those_that_are_taken() {
    for flag in FLAGS {
        let choices = flag.value.filter(|value| value.contains('|'));
        for word in choices.iter().flat_map(|value| value.split('|')) {
            run(&["-command=a", &format!("-{}={word}", flag.name)]);
        }
    }
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = fastrand::Rng::with_seed(1);
    let pieces: Vec<&[u8]> = Form::Adopt
        .flags()
        .chain(FLAGS.iter())
        .map(|flag| flag.name.as_bytes())
        .chain([
            &b"-"[..],
            b"--",
            b"=",
            b"tcp://",
            b"udp://",
            b"unix://",
            b"%",
            b"\xff",
            b"0",
            b"s",
            b":",
            b"[",
        ])
        .collect();
    for _ in 0..100_000 {
        let mut args: Vec<OsString> = (0..rng.usize(0..4))
            .map(|_| {
                let mut word = Vec::new();
                for _ in 0..rng.usize(0..6) {
                    match rng.bool() {
                        true => word.extend_from_slice(pieces[rng.usize(0..pieces.len())]),
                        false => word.push(rng.u8(..)),
                    }
                }
                OsString::from_vec(word)
            })
            .collect();
        if rng.u8(..4) == 0 {
            args.insert(0, rng.choice(["run", "adopt"]).unwrap_or_default().into());
        }
        if let Err(error) = parse(&args) {
            assert!(!error.to_string().is_empty());
        }
    }
}
