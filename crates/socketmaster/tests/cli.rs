//! What the program says, where it says it, and how it ends, when nothing is started.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

/// Exit status, standard output and standard error.
fn said(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_socketmaster"))
        .args(args)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn help_is_on_standard_error_and_ends_with_0() {
    for (args, usage, example) in [
        (
            &["-h"][..],
            "Usage: socketmaster run [FLAGS] [--] PROGRAM [ARGS]\n",
            "socketmaster -listen tcp://:8080 -command ./myapp",
        ),
        (
            &["run", "--help"],
            "Usage: socketmaster run [FLAGS] [--] PROGRAM [ARGS]\n",
            "socketmaster run -- nginx -g 'daemon off;'",
        ),
        (
            &["adopt", "-h"],
            "Usage: socketmaster adopt --pid PID [FLAGS] [--] PROGRAM [ARGS]\n",
            "socketmaster adopt --pid 4242 -- ./server --port 8080",
        ),
        (
            &["reload", "site", "-h"],
            "Usage: socketmaster reload [FLAGS] [NAME]\n",
            "\n  5                       Not the generation of -if-generation",
        ),
        (
            &["status", "--help"],
            "Usage: socketmaster status [FLAGS] [NAME]\n",
            "\n  -json ",
        ),
        (
            &["logs", "-f", "site", "-h"],
            "Usage: socketmaster logs [FLAGS] [NAME]\n",
            "socketmaster logs -follow nginx",
        ),
        (
            &["stop", "-h"],
            "Usage: socketmaster stop [FLAGS] [NAME]\n",
            "socketmaster stop -timeout 30s nginx",
        ),
        (
            &["upgrade", "-timeout=1s", "-help"],
            "Usage: socketmaster upgrade [FLAGS] [NAME]\n",
            "(default 15s)",
        ),
        (
            &["demo", "-h"],
            "Usage: socketmaster demo\n",
            "three good reloads and a broken one",
        ),
    ] {
        let (status, stdout, stderr) = said(args);
        assert_eq!((status, stdout.as_str()), (Some(0), ""), "{args:?}");
        assert!(stderr.starts_with(usage), "{args:?}: {stderr}");
        assert!(stderr.contains(example), "{args:?}: {stderr}");
    }
}

#[test]
fn the_first_help_names_the_verbs_before_the_flags() {
    let (_, _, help) = said(&["-h"]);
    let at = |what: &str| {
        help.find(what)
            .unwrap_or_else(|| panic!("no {what}: {help}"))
    };
    let verbs = "run adopt reload status logs stop upgrade demo".split(' ');
    let verbs: Vec<_> = verbs.map(|verb| at(&format!("\n  {verb} "))).collect();
    assert!(verbs.is_sorted() && verbs[7] < at("\n  -listen"), "{help}");
}

#[test]
fn a_mistake_is_two_lines_and_a_status() {
    for (args, status, expected) in [
        (
            &["nginx", "-g", "daemon off;"][..],
            1,
            "Command path is mandatory\n\
             to run nginx as it is: socketmaster run -- nginx\n\
             to pass it the socket: socketmaster -listen tcp://:8080 -command nginx\n",
        ),
        (
            &["reloda"],
            1,
            "Command path is mandatory\n\
             did you mean socketmaster reload?\n\
             to run reloda as it is: socketmaster run -- reloda\n\
             to pass it the socket: socketmaster -listen tcp://:8080 -command reloda\n",
        ),
        (
            &["reload", "--timeuot=3s", "nginx"],
            2,
            "flag provided but not defined: -timeuot (did you mean -timeout?)\n\
             socketmaster reload -h lists the flags\n",
        ),
        (
            &["reload", "-timeout", "0", "nginx"],
            2,
            "invalid value \"0\" for flag -timeout: must be more than 0\n\
             socketmaster reload -h lists the flags\n",
        ),
        (
            &["reload", "-if-generation=-1"],
            2,
            "invalid value \"-1\" for flag -if-generation: value out of range\n\
             socketmaster reload -h lists the flags\n",
        ),
        (
            &["status", "nginx", "-json", "redis"],
            2,
            "one name is enough: redis\nsocketmaster status -h lists the flags\n",
        ),
        (
            &["run", "-name", "4242", "nginx"],
            2,
            "invalid value \"4242\" for flag -name: a name has no control characters, no / and is not a number alone\n\
             socketmaster run -h lists the flags\n",
        ),
        (
            &["run"],
            2,
            "There is no program to run\n\
             say what to run, as in: socketmaster run -- nginx -g 'daemon off;'\n",
        ),
        (
            &["run", "-command", "nginx"],
            2,
            "-command is not for socketmaster run: name the program after the flags\n\
             as in: socketmaster run -- nginx -g 'daemon off;'\n",
        ),
        (
            &["adopt", "--", "./server"],
            2,
            "-pid is missing: the process whose sockets to take over\n\
             as in: socketmaster adopt --pid 4242 -- ./server --port 8080\n",
        ),
        (
            &["run", "--pid", "4242", "./server"],
            2,
            "flag provided but not defined: -pid\n\
             socketmaster run -h lists the flags; the program's own flags follow --\n",
        ),
        (
            &["run", "-adopt", "tcp://:0", "./server"],
            2,
            "invalid value \"tcp://:0\" for flag -adopt: write the port that the program opens, as in tcp://:8080; \
             port 0 is another one at each start\n\
             socketmaster run -h lists the flags\n",
        ),
        (
            &["-listen", "udp://:53?backlog=5", "-command", "./server"],
            2,
            "invalid value \"udp://:53?backlog=5\" for flag -listen: the option backlog is for sockets that take \
             connections; how many datagrams wait is for the program to say, by SO_RCVBUF\n\
             socketmaster -h lists the flags\n",
        ),
    ] {
        let expected = (Some(status), String::new(), expected.to_owned());
        assert_eq!(said(args), expected, "{args:?}");
    }
}
