//! The flags, each defined once: the parser, `-h`, the man page and the completions all read this table.
//!
//! clap does not parse: its rules are not Go's, and it would hand back strings where this hands back values. It gets
//! the table described (see `describe`) for what it does well, the man page and the completions.

use super::flag::{Flag, Group};
use super::go;
use super::values::{self, ValueError};
use crate::config::{Adopt, LogFormat, Orphans, Restart};
use crate::wire::uri::{Address, ListenUri};

/// Every flag of a supervisor, but for `-h`, `-help` and [`PID`].
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "command",
        value: Some("PATH"),
        default: None,
        group: Group::Program,
        help: "The program to run: a path, or a name that is looked up in $PATH at each start. Mandatory.",
        set: |draft, value| {
            draft.command = value.into();
            Ok(())
        },
    },
    Flag {
        name: "listen",
        value: Some("[NAME=]URI"),
        default: Some("tcp://:8080"),
        group: Group::Program,
        help: "A socket to hold: tcp://HOST:PORT or udp://HOST:PORT (also tcp4, udp6, …), unix:///PATH or unix://@NAME \
               (also unixgram, unixpacket), vsock://CID:PORT, systemd:NAME for what socket activation brings, or \
               fd://N, with options as in ?backlog=4096&mode=0660&owner=LOGIN&group=NAME. Repeat it for more: the program gets them as \
               descriptor 3, 4, … in this order. With -adopt nothing is passed and there is no default: the program's \
               bind of the same address gets the socket.",
        set: |draft, value| {
            draft.listen.push(values::text(value)?.parse()?);
            Ok(())
        },
    },
    Flag {
        name: "adopt",
        value: Some("[URI]"),
        default: None,
        group: Group::Program,
        help: "The program opens its sockets itself, and the next generation's bind gets the one that is held. With a \
               URI, such as tcp://:80, udp://127.0.0.1:53 or unix:///PATH, that address alone; repeat it for more.",
        set: |draft, value| {
            draft.adopt = match (go::boolean(value), draft.adopt.take()) {
                (Ok(true), _) => Some(Adopt::Anything),
                (Ok(false), _) => None,
                (Err(_), before) => {
                    let uri = ListenUri::to_adopt(values::text(value)?)?;
                    let mut uris = match before {
                        Some(Adopt::These(uris)) => uris,
                        _ => Vec::new(),
                    };
                    uris.push(uri);
                    Some(Adopt::These(uris))
                }
            };
            Ok(())
        },
    },
    Flag {
        name: "env",
        value: Some("LIST"),
        default: None,
        group: Group::Program,
        help: "How the program is told of the sockets that it is passed, with commas between: systemd, einhorn, \
               server-starter, nginx, php-fpm. Without this flag, by $EINHORN_FDS, as from the original.",
        set: |draft, value| {
            draft.env = values::protocols(value)?;
            Ok(())
        },
    },
    Flag {
        name: "fd0",
        value: Some("NAME"),
        default: None,
        group: Group::Program,
        help: "The listener of this name, or of this number from 0, is the program's standard input too: for inetd \
               style, and Java's System.inheritedChannel().",
        set: |draft, value| {
            draft.fd0 = values::text(value)?.into();
            Ok(())
        },
    },
    Flag {
        name: "directory",
        value: Some("PATH"),
        default: None,
        group: Group::Program,
        help: "Where the program starts. Looked up again at each start, so that a symlink may point elsewhere after a \
               deploy.",
        set: |draft, value| {
            draft.directory = value.into();
            Ok(())
        },
    },
    Flag {
        name: "user",
        value: Some("LOGIN"),
        default: None,
        group: Group::Program,
        help: "Run the program with the rights of this login.",
        set: |draft, value| {
            draft.user = values::text(value)?.into();
            Ok(())
        },
    },
    Flag {
        name: "name",
        value: Some("NAME"),
        default: None,
        group: Group::Program,
        help: "What status, reload and the other verbs call it. Without this flag, the last part of the program's path.",
        set: |draft, value| {
            draft.name = values::name(value)?.into();
            Ok(())
        },
    },
    Flag {
        name: "workers",
        value: Some("N"),
        default: Some("1"),
        group: Group::Program,
        help: "How many processes of the program there are; $SOCKETMASTER_WORKER tells each its number, from 0. TTIN \
               adds one, TTOU takes one away.",
        set: |draft, value| {
            draft.workers = values::workers(value)?;
            Ok(())
        },
    },
    Flag {
        name: "start",
        value: Some("MILLIS"),
        default: None,
        group: Group::Reload,
        help: "Take a program that has lived this long for ready, whatever it does. Without this flag, ready is one \
               that says READY=1 to $NOTIFY_SOCKET or is seen waiting for connections; where that cannot be seen, one that has lived for 3 s.",
        set: |draft, value| {
            draft.start = Some(go::millis(value)?);
            Ok(())
        },
    },
    Flag {
        name: "ready",
        value: Some("KIND"),
        default: Some("auto"),
        group: Group::Reload,
        help: "What shows that a program is ready. auto: what -start says. notify: READY=1 to $NOTIFY_SOCKET. \
               fd or fd:N: a newline on descriptor $SOCKETMASTER_READY_FD. einhorn: an ACK to $EINHORN_SOCK_PATH. \
               http://HOST:PORT/PATH: a 2xx answer of this very program; exec:COMMAND: that command's exit status 0. \
               With {port} there and in the program's arguments, each worker has a port of its own.",
        set: |draft, value| {
            draft.ready = values::readiness(value)?;
            Ok(())
        },
    },
    Flag {
        name: "settle",
        value: Some("DURATION"),
        default: Some("250ms"),
        group: Group::Reload,
        help: "How long a program seen waiting for connections must live on before it is ready.",
        set: |draft, value| {
            draft.settle = go::duration(value)?;
            Ok(())
        },
    },
    Flag {
        name: "ready-timeout",
        value: Some("DURATION"),
        default: Some("60s"),
        group: Group::Reload,
        help: "A program not ready after this long is told to stop, is killed if it has not ended 10 s later, and the reload has failed.",
        set: |draft, value| {
            draft.ready_timeout = values::some_time(value)?;
            Ok(())
        },
    },
    Flag {
        name: "strategy",
        value: Some("rolling|all"),
        default: Some("rolling"),
        group: Group::Reload,
        help: "Replace workers one after the other, and leave the rest alone when a new one fails; or start all new \
               ones, and stop the old ones only when all of them are ready.",
        set: |draft, value| {
            let words = [("rolling", false), ("all", true)];
            draft.strategy_all = values::choice(value, &words, "rolling or all")?;
            Ok(())
        },
    },
    Flag {
        name: "surge",
        value: Some("N"),
        default: Some("1"),
        group: Group::Reload,
        help: "How many workers a rolling reload replaces at a time.",
        set: |draft, value| {
            draft.surge = values::workers(value)?;
            Ok(())
        },
    },
    Flag {
        name: "bake",
        value: Some("DURATION"),
        default: Some("0s"),
        group: Group::Reload,
        help: "How long new workers must live on, once ready, before the old ones are told to stop. If one ends within \
               that time, or a check of -ready fails three times in a row, the reload has failed and the old ones serve \
               on. A rolling reload bakes each step.",
        set: |draft, value| {
            draft.bake = go::duration(value)?;
            Ok(())
        },
    },
    Flag {
        name: "stop-signal",
        value: Some("SIGNAL"),
        default: Some("TERM"),
        group: Group::Reload,
        help: "What tells the old program to finish its work and end. With -adopt the default goes by the \
               program's name: QUIT for nginx, USR1 for haproxy, …, else TERM.",
        set: |draft, value| {
            draft.stop_signal = Some(values::signal(value)?);
            Ok(())
        },
    },
    Flag {
        name: "drain-timeout",
        value: Some("DURATION"),
        default: None,
        group: Group::Reload,
        help: "An old program that has not ended after this long is killed. Without this flag it may take for ever.",
        set: |draft, value| {
            draft.drain_timeout = Some(go::duration(value)?);
            Ok(())
        },
    },
    Flag {
        name: "kill-timeout",
        value: Some("DURATION"),
        default: None,
        group: Group::End,
        help: "A program that has not ended this long after TERM, INT or QUIT is killed. Without this flag it may take \
               for ever, or until the signal comes a second time.",
        set: |draft, value| {
            draft.kill_timeout = Some(go::duration(value)?);
            Ok(())
        },
    },
    Flag {
        name: "restart",
        value: Some("never|on-failure|always"),
        default: Some("on-failure"),
        group: Group::End,
        help: "Whether to start a program again that ended by itself. On-failure: not after exit status 0.",
        set: |draft, value| {
            let words = [
                ("never", Restart::Never),
                ("on-failure", Restart::OnFailure),
                ("always", Restart::Always),
            ];
            draft.restart = values::choice(value, &words, "never, on-failure or always")?;
            Ok(())
        },
    },
    Flag {
        name: "orphans",
        value: Some("keep|kill"),
        default: Some("keep"),
        group: Group::End,
        help: "Whether the program serves on or is stopped if socketmaster itself is killed.",
        set: |draft, value| {
            let words = [("keep", Orphans::Keep), ("kill", Orphans::Kill)];
            draft.orphans = values::choice(value, &words, "keep or kill")?;
            Ok(())
        },
    },
    Flag {
        name: "syslog",
        value: None,
        default: None,
        group: Group::Log,
        help: "Log to syslog instead of standard error.",
        set: |draft, value| {
            draft.syslog = go::boolean(value)?;
            Ok(())
        },
    },
    Flag {
        name: "log-format",
        value: Some("text|json"),
        default: Some("text"),
        group: Group::Log,
        help: "How a line of the log looks.",
        set: |draft, value| {
            let words = [("text", LogFormat::Text), ("json", LogFormat::Json)];
            draft.log_format = values::choice(value, &words, "text or json")?;
            Ok(())
        },
    },
    Flag {
        name: "metrics",
        value: Some("URI"),
        default: None,
        group: Group::Log,
        help: "Answer GET /metrics, /healthz, /readyz and /v1/status there, to whoever can connect: \
               tcp://127.0.0.1:9100.",
        set: |draft, value| {
            let uri: ListenUri = values::text(value)?.parse()?;
            if !matches!(uri.address, Address::Tcp { .. }) {
                return Err(ValueError::Choice("tcp://HOST:PORT"));
            }
            draft.metrics = Some(uri);
            Ok(())
        },
    },
    Flag {
        name: "version",
        value: None,
        default: None,
        group: Group::Log,
        help: "Print the version and end.",
        set: |draft, value| {
            draft.version = go::boolean(value)?;
            Ok(())
        },
    },
];

/// The flag that `socketmaster adopt` has, and no other form.
pub const PID: Flag = Flag {
    name: "pid",
    value: Some("PID"),
    default: None,
    group: Group::Program,
    help: "The process that runs now: its listening sockets are taken, and it is told to stop when the program is \
           ready. Mandatory.",
    set: |draft, value| {
        draft.take_over = Some(values::pid(value)?);
        Ok(())
    },
};
