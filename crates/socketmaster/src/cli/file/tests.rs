use std::time::Duration;

use super::*;
use crate::config::{LogFormat, Readiness, Restart, Strategy};
use crate::wire::protocol::Protocol;

fn file(flags: &[&str], program: Option<Program>) -> ConfigFile {
    let flags = flags.iter().map(OsString::from).collect();
    ConfigFile::new("/etc/app.toml".into(), flags, program)
}

fn with_flags(flags: &[&str], text: &str) -> Result<Config, String> {
    let wording = Wording {
        text: text.into(),
        variables: vec![("FROM".into(), "a file".into())],
    };
    let config = file(flags, None).again(&wording);
    config.map_err(|mistakes| mistakes.to_string())
}

fn read(text: &str) -> Result<Config, String> {
    with_flags(&[], text)
}

fn wrong(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn all_that_flags_say() {
    let config = read(
        r#"
        command = ["./app", "--db", "x y", "{fd:admin}"]
        listen = ["web=tcp://:80", "admin=unix:///run/admin.sock?mode=0600"]
        env = ["systemd", "einhorn"]
        env_file = "app.env"
        workers = 4
        strategy = "all"
        start = 1_500
        ready_timeout = "5s"
        drain_timeout = "1m30s"
        stop_signal = "QUIT"
        restart = "always"
        directory = "current"
        user = "www-data"
        syslog = true
        log_format = "json"
        bake = 0

        [environment]
        MODE = "fast"
        DEPTH = 3
        "#,
    );
    let config = config.unwrap();
    assert_eq!(config.command, "./app");
    assert_eq!(config.args, ["--db", "x y", "4"]);
    assert_eq!(config.listeners.len(), 2);
    assert_eq!(config.listeners[1].mode, Some(0o600));
    assert_eq!(config.adopt, None);
    assert_eq!(config.protocols, [Protocol::Systemd, Protocol::Einhorn]);
    let set = config.environment.iter();
    let set: Vec<_> = set.map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(
        set,
        [("FROM", "a file"), ("DEPTH", "3"), ("MODE", "fast")],
        "the file's own after those of env_file"
    );
    assert_eq!(config.workers, 4);
    assert_eq!(config.strategy, Strategy::All);
    assert_eq!(
        config.readiness,
        Readiness::Timer(Duration::from_millis(1500))
    );
    assert_eq!(config.drain_timeout, Some(Duration::from_secs(90)));
    assert_eq!(config.stop_signal, 3);
    assert_eq!(config.restart, Restart::Always);
    assert_eq!(config.directory, Some("/etc/current".into()));
    assert_eq!(config.user.as_deref(), Some("www-data"));
    assert_eq!(config.log_format, LogFormat::Json);
}

#[test]
fn a_program_that_is_passed_nothing_is_adopted() {
    let adopt = |text| read(text).unwrap().adopt;
    assert_eq!(adopt("command = 'nginx'"), Some(Adopt::Anything));
    assert_eq!(adopt("command = 'a'\nlisten = 'tcp://:80'"), None);
    assert_eq!(
        adopt("command = 'a'\nlisten = 'tcp://:80'\nadopt = true"),
        Some(Adopt::Anything)
    );
    assert!(matches!(
        adopt("command = 'a'\nadopt = ['tcp://:80', 'tcp://:81']"),
        Some(Adopt::These(uris)) if uris.len() == 2
    ));
    assert_eq!(
        wrong("command = 'a'\nadopt = false"),
        "/etc/app.toml:2:1: adopt = false needs the sockets that the program is passed: write listen = \
         [\"tcp://:8080\"]"
    );
    // As where flags say it: the stop signal of an adopted program goes by its name.
    assert_eq!(read("command = 'nginx'").unwrap().stop_signal, 3);
    let passed = read("command = 'nginx'\nlisten = 'tcp://:80'").unwrap();
    assert_eq!(passed.stop_signal, 15);
}

#[test]
fn a_flag_wins_over_its_key_which_is_checked_for_all_that() {
    let text = "command = 'a'\nlisten = ['tcp://:80', 'tcp://:81']\nworkers = 4\n";
    let config = with_flags(&["-listen=tcp://:90", "-workers", "2"], text).unwrap();
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].text, "tcp://:90");
    assert_eq!(config.workers, 2);
    let wrong = with_flags(&["-workers=2"], "command = 'a'\nworkers = 0").unwrap_err();
    assert!(
        wrong.starts_with("/etc/app.toml:2:11: invalid value \"0\" for workers"),
        "{wrong}"
    );
    let program = Some(("./other".into(), vec!["x".into()]));
    let other = file(&[], program).again(&Wording::default()).unwrap();
    assert_eq!(
        (other.command, other.args),
        ("./other".into(), vec!["x".into()])
    );
}

#[test]
fn all_mistakes_at_once_each_with_its_place() {
    let text = "command = ['a', 1]\nlissten = 'tcp://:80'\ndrain-timeout = '5s'\n\nworkers = 'many'\nbake = [\n  '1s']\n\
                restart = 'some times'\nenv = { A = 1 }\nargs = ['x']\nport = 80\nuser = { name = 'x' }\n[environment]\n2x = 'y'\nA = ['x']\n";
    let expected = "\
/etc/app.toml:1:17: command is a program, or a program and its arguments: [\"./server\", \"--its-flag\"]
/etc/app.toml:2:1: unknown key \"lissten\" (did you mean listen?)
/etc/app.toml:3:1: unknown key \"drain-timeout\" (did you mean drain_timeout?)
/etc/app.toml:5:11: invalid value \"many\" for workers: must be a number from 1 to 10000
/etc/app.toml:6:8: bake has one value only
/etc/app.toml:8:11: invalid value \"some times\" for restart: must be never, on-failure or always
/etc/app.toml:9:7: env says how the program is told of its sockets: variables go into [environment]
/etc/app.toml:10:1: unknown key \"args\" (arguments follow the program: command = [\"PROGRAM\", \"ARGUMENT\"])
/etc/app.toml:11:1: unknown key \"port\"
/etc/app.toml:12:8: user cannot be that
/etc/app.toml:14:1: \"2x\" is no name: letters, digits and _ only, and no digit first
/etc/app.toml:15:5: A is a text: A = \"VALUE\"";
    assert_eq!(wrong(text), expected);
}

#[test]
fn what_only_the_whole_shows() {
    assert_eq!(
        wrong("workers = 2"),
        "/etc/app.toml: there is no program to run: write command = [\"./server\", \"--its-flag\"]"
    );
    assert_eq!(
        wrong("command = './app --port 80'"),
        "/etc/app.toml:1:11: each word stands for itself: command = [\"./app\", \"--port\", \"80\"]"
    );
    assert_eq!(
        wrong("command = 'a'\nlisten = ['tcp://:80', 'tcp://:80']"),
        "/etc/app.toml:2:1: tcp://:80 is listened on twice: it is already there as tcp://:80"
    );
    assert_eq!(
        wrong("command = 'a'\nfd0 = 'web'"),
        "/etc/app.toml:2:1: fd0 is for a program that is passed its sockets: one that is adopted opens its own"
    );
    assert_eq!(
        wrong("command = ['a', '{fd:web}']\nlisten = 'tcp://:80'"),
        "/etc/app.toml:1:1: cannot put a descriptor in {fd:web}: no listener is named \"web\": there is 0"
    );
    assert_eq!(
        wrong("command = 'a'\nstart = 5\nready = 'notify'"),
        "/etc/app.toml:2:1: start lets time alone decide when the program is ready: leave out either start or ready"
    );
    assert_eq!(
        wrong("command = 'a'\ncommand = 'b'"),
        "/etc/app.toml:2:1: duplicate key command"
    );
    let syntax = wrong("command = \nworkers = = 2\n");
    assert_eq!(syntax.lines().count(), 3, "{syntax}");
}

#[test]
fn the_command_line_names_it() {
    let of = |args: &[&str]| {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        ConfigFile::of(Form::Run, &args).map_err(|error| error.to_string())
    };
    let found = of(&["-workers", "2", "app.toml"]).unwrap().unwrap();
    assert_eq!(found.path, Path::new("app.toml"));
    assert_eq!(found.flags, ["-workers", "2"]);
    assert!(found.absolute.is_absolute());
    let found = of(&["app.toml", "--", "./x", "-v"]).unwrap().unwrap();
    assert_eq!(found.program, Some(("./x".into(), vec!["-v".into()])));
    for program in [
        &["nginx"][..],
        &["--", "app.toml"],
        &["-h", "app.toml"],
        &[],
    ] {
        assert_eq!(of(program), Ok(None), "{program:?}");
    }
    assert_eq!(
        of(&["app.toml", "-workers=2"]).unwrap_err(),
        "\"-workers=2\" cannot follow the configuration file: flags stand before it, and a program after --"
    );
    assert!(of(&["app.toml", "--"]).is_err());
    assert!(of(&["-workers=0", "app.toml"]).is_err());
}
