use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::{LogFormat, LogTarget, Orphans, Readiness, Restart, Strategy};
use crate::wire::protocol::Protocol;
use flags::FLAGS;

mod verbs;

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
        environment: vec![],
        directory: None,
        listeners: vec!["tcp://:8080".parse().unwrap()],
        adopt: None,
        protocols: vec![],
        stdin: None,
        take_over: None,
        workers: 1,
        strategy: Strategy::Rolling { surge: 1 },
        bake: Duration::ZERO,
        readiness: Readiness::Auto {
            settle: Duration::from_millis(250),
        },
        ready_timeout: Duration::from_secs(60),
        drain_timeout: None,
        kill_timeout: None,
        stop_signal: 15,
        restart: Restart::OnFailure,
        user: None,
        name: None,
        log_target: LogTarget::Stderr,
        log_format: LogFormat::Text,
        orphans: Orphans::Keep,
        metrics: None,
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
        "-env=nginx,systemd",
        "-fd0=1",
        "-workers=4",
        "-strategy=all",
        "-bake=30s",
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
        "-name=site",
        "-syslog",
        "-log-format=json",
        "-orphans=kill",
        "-metrics=tcp://127.0.0.1:9100",
        "-directory=/srv/current",
    ]);
    let expected = Config {
        command: "app".into(),
        args: vec![],
        environment: vec![],
        directory: Some("/srv/current".into()),
        listeners: vec![
            "web=tcp://:80".parse().unwrap(),
            "unix:///run/app.sock?mode=0660".parse().unwrap(),
        ],
        adopt: None,
        protocols: vec![Protocol::Nginx, Protocol::Systemd],
        stdin: Some(1),
        take_over: None,
        workers: 4,
        strategy: Strategy::All,
        bake: Duration::from_secs(30),
        readiness: Readiness::Timer(Duration::from_millis(16)),
        ready_timeout: Duration::from_secs(2),
        drain_timeout: Some(Duration::from_secs(3)),
        kill_timeout: Some(Duration::ZERO),
        stop_signal: 3,
        restart: Restart::Always,
        user: Some("www-data".into()),
        name: Some("site".into()),
        log_target: LogTarget::Syslog,
        log_format: LogFormat::Json,
        orphans: Orphans::Kill,
        metrics: Some("tcp://127.0.0.1:9100".parse().unwrap()),
    };
    assert_eq!(config, expected);
}

#[test]
fn readiness_of_its_own_kind() {
    for (args, expected) in [
        (&["-command=a", "-ready=notify"][..], Readiness::Notify),
        (&["-command=a", "-ready", "fd:4"], Readiness::Fd(Some(4))),
        // It is passed none.
        (&["run", "-ready=fd:3", "a"], Readiness::Fd(Some(3))),
        (
            &["-command=a", "-ready=auto", "-start=5"],
            Readiness::Timer(Duration::from_millis(5)),
        ),
    ] {
        assert_eq!(run(args).readiness, expected, "{args:?}");
    }
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
        (&["-command", "a", "--", "--fd", "{fd:0}"], &["--fd", "3"]),
        (&["run", "a", "{fd:0}"], &["{fd:0}"]),
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
        (
            &["-command=a", "-start=5", "-ready=notify"][..],
            "-start lets time alone decide when the program is ready: leave out either -start or -ready",
        ),
        (
            &[
                "-command=a",
                "-listen=tcp://:1",
                "-listen=tcp://:2",
                "-ready=fd:4",
            ],
            "cannot do -ready fd:4: descriptor 4 is a listener's; write -ready fd for the first that is free",
        ),
        (
            &["-ready=notfy"],
            r#"invalid value "notfy" for flag -ready: must be auto, notify, fd, fd:N, einhorn, http://…, or exec:COMMAND (did you mean notify?)"#,
        ),
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
            &["-workers=0"],
            r#"invalid value "0" for flag -workers: must be a number from 1 to 10000"#,
        ),
        (
            &["-env=nginx,sytemd"],
            r#"invalid value "nginx,sytemd" for flag -env: there is no "sytemd", only systemd, einhorn, server-starter, nginx, php-fpm (did you mean systemd?)"#,
        ),
        (
            &["-command=a", "-fd0=web"],
            r#"cannot do -fd0: no listener is named "web": there is 0"#,
        ),
        (
            &[
                "-command=a",
                "-listen=web=tcp://:1",
                "-listen=tcp://:2",
                "--",
                "--fd={fd:wbe}",
            ],
            r#"cannot put a descriptor in --fd={fd:wbe}: no listener is named "wbe": there are web, 1"#,
        ),
        (
            &[
                "-command=a",
                "-listen=systemd:",
                "-listen=web=tcp://:1",
                "-fd0=web",
            ],
            r#"which descriptor "web" has is not known before the start, because systemd: may bring several sockets: write that -listen last"#,
        ),
        (
            &[
                "-command=a",
                "-listen=tcp://:1",
                "-listen=systemd:a",
                "-listen=systemd:b",
                "--",
                "{fd:a}{fd:b}",
            ],
            r#"which descriptor "b" has is not known before the start, because systemd:a may bring several sockets: write that -listen last"#,
        ),
        (
            &[
                "-command=a",
                "-listen=tcp://:1",
                "-listen=unix:///s",
                "-env=php-fpm",
            ],
            "-env php-fpm cannot go with unix:///s: PHP-FPM removes its unix sockets when it ends, and its successor has the same; listen on TCP",
        ),
        (
            &["run", "-env=systemd", "--", "a"],
            "-env is for a program that is passed its sockets: one that is adopted opens its own",
        ),
        (
            &["-command=a", "-adopt", "-fd0=0"],
            "-fd0 is for a program that is passed its sockets: one that is adopted opens its own",
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
    ] {
        assert_eq!(error(args), expected);
        assert_eq!(parse(&words(args)).unwrap_err().status(), 2);
    }
    for nothing_to_run in [&[][..], &["app"], &["-user", "me"], &["--"]] {
        let error = parse(&words(nothing_to_run)).unwrap_err();
        let no_command = matches!(error, CliError::NoCommand { .. });
        assert_eq!((error.status(), no_command), (1, true));
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
