mod kinds;

use super::*;

fn plain(text: &str, address: Address) -> ListenUri {
    ListenUri {
        text: text.into(),
        name: None,
        address,
        backlog: 4096,
        mode: None,
        owner: None,
        group: None,
    }
}

fn tcp(family: Family, host: &str, port: u16) -> Address {
    let host = host.into();
    Address::Tcp { family, host, port }
}

#[test]
fn what_can_be_listened_on() {
    for (text, address) in [
        ("tcp://:8080", tcp(Family::Any, "", 8080)),
        ("tcp://:8080/", tcp(Family::Any, "", 8080)),
        ("tcp://:8080?", tcp(Family::Any, "", 8080)),
        ("TCP://:080", tcp(Family::Any, "", 80)),
        ("Tcp4://0.0.0.0:0", tcp(Family::V4, "0.0.0.0", 0)),
        (
            "tcp6://localhost:65535",
            tcp(Family::V6, "localhost", 65535),
        ),
        ("tcp://[::1]:80", tcp(Family::Any, "::1", 80)),
        (
            "tcp6://[fe80::1%25eth0]:80",
            tcp(Family::V6, "fe80::1%eth0", 80),
        ),
        (
            "tcp://[fe80::1%eth0]:80",
            tcp(Family::Any, "fe80::1%eth0", 80),
        ),
        (
            "tcp://[::ffff:127.0.0.1]:80",
            tcp(Family::Any, "::ffff:127.0.0.1", 80),
        ),
        (
            "tcp://my-host_1.example:80",
            tcp(Family::Any, "my-host_1.example", 80),
        ),
        (
            "unix:///run/app.sock",
            Address::UnixPath(Carries::Stream, "/run/app.sock".into()),
        ),
        (
            "unix:/run/app.sock",
            Address::UnixPath(Carries::Stream, "/run/app.sock".into()),
        ),
        (
            "unix:///a%20b+c=d",
            Address::UnixPath(Carries::Stream, "/a b+c=d".into()),
        ),
        (
            "unix:///a:b@c",
            Address::UnixPath(Carries::Stream, "/a:b@c".into()),
        ),
        (
            "unix:///caf\u{e9}%3F",
            Address::UnixPath(Carries::Stream, "/caf\u{e9}?".into()),
        ),
        (
            "unix://@app",
            Address::UnixAbstract(Carries::Stream, b"app".to_vec()),
        ),
        (
            "unix://@a/b%ff",
            Address::UnixAbstract(Carries::Stream, b"a/b\xff".to_vec()),
        ),
        ("fd://3", Address::Fd(3)),
        ("fd://0", Address::Fd(0)),
        ("FD://65535/", Address::Fd(65535)),
    ] {
        assert_eq!(text.parse(), Ok(plain(text, address)), "{text}");
    }
}

#[test]
fn names_and_options() {
    let uri: ListenUri = "web-1.a_B=unix:///a=b?owner=me%40x&mode=660&&backlog=128&group=www"
        .parse()
        .unwrap();
    let expected = ListenUri {
        text: "unix:///a=b?owner=me%40x&mode=660&&backlog=128&group=www".into(),
        name: Some("web-1.a_B".into()),
        address: Address::UnixPath(Carries::Stream, "/a=b".into()),
        backlog: 128,
        mode: Some(0o660),
        owner: Some("me@x".into()),
        group: Some("www".into()),
    };
    assert_eq!(uri, expected);
    for text in [
        "tcp://:1?backlog=65535",
        "unix://@a?backlog=65535",
        "fd://3?backlog=65535",
    ] {
        assert_eq!(text.parse::<ListenUri>().unwrap().backlog, 65535);
    }
    let name = "n".repeat(255);
    let uri: ListenUri = format!("{name}=fd://3").parse().unwrap();
    assert_eq!((uri.name, uri.text.as_str()), (Some(name), "fd://3"));
}

#[test]
fn paths_have_the_length_of_sun_path() {
    for (prefix, skipped) in [("unix:///", 7), ("unix://@", 8)] {
        let fits = format!("{prefix}{}", "a".repeat(107 + skipped - prefix.len()));
        assert!(fits.parse::<ListenUri>().is_ok());
        let long = UriError::Long { length: 108 };
        assert_eq!(format!("{fits}a").parse::<ListenUri>(), Err(long));
    }
}

/// Each line of the table is what a person reads who made the mistake.
#[test]
fn what_is_refused_and_why() {
    for (text, message) in [
        ("", "the scheme is missing: write tcp://:8080"),
        (":8080", "the scheme is missing: write tcp://:8080"),
        ("8080", "the scheme is missing: write tcp://:8080"),
        (
            "127.0.0.1:80",
            "the scheme is missing: write tcp://127.0.0.1:80",
        ),
        (
            "localhost:8080",
            "the scheme is missing: write tcp://localhost:8080",
        ),
        (
            "localhost",
            "the scheme is missing: write tcp://localhost:8080",
        ),
        ("[::1]:80", "the scheme is missing: write tcp://[::1]:80"),
        ("::1:80", "the scheme is missing: write tcp://[::1]:80"),
        ("//:80", "the scheme is missing: write tcp://:80"),
        ("://:80", "the scheme is missing: write tcp://:80"),
        (
            "/run/app.sock",
            "the scheme is missing: write unix:///run/app.sock",
        ),
        (
            "./app.sock",
            "the scheme is missing: write unix:///app.sock",
        ),
        ("@app", "the scheme is missing: write unix://@app"),
        ("web=:80", "the scheme is missing: write tcp://:80"),
        (
            "sctp://:53",
            r#"the scheme "sctp" is not supported, there are tcp and udp (also with 4 or 6), unix, unixgram, unixpacket, vsock, systemd and fd"#,
        ),
        (
            "tpc://:80",
            r#"the scheme "tpc" is not supported, there are tcp and udp (also with 4 or 6), unix, unixgram, unixpacket, vsock, systemd and fd (did you mean tcp?)"#,
        ),
        (
            "uinx:///x",
            r#"the scheme "uinx" is not supported, there are tcp and udp (also with 4 or 6), unix, unixgram, unixpacket, vsock, systemd and fd (did you mean unix?)"#,
        ),
        (
            "tcp:127.0.0.1:80",
            "two slashes must follow the scheme: write tcp://127.0.0.1:80",
        ),
        (
            "tcp:/:80",
            "two slashes must follow the scheme: write tcp://:80",
        ),
        (
            "tcp:7908",
            "two slashes must follow the scheme: write tcp://:7908",
        ),
        (
            "tcp://7908",
            "a colon must stand before the port: write tcp://:7908",
        ),
        ("fd:3", "two slashes must follow the scheme: write fd://3"),
        (
            "unix:@app",
            "two slashes must follow the scheme: write unix://@app",
        ),
        (
            "tcp://",
            "the address is missing: write tcp://:8080, or tcp://:0 for any free port",
        ),
        (
            "tcp6:///",
            "the address is missing: write tcp6://:8080, or tcp6://:0 for any free port",
        ),
        (
            "tcp://:",
            "the address is missing: write tcp://:8080, or tcp://:0 for any free port",
        ),
        (
            "tcp://localhost",
            "the port is missing: write tcp://localhost:8080, or tcp://localhost:0 for any free port",
        ),
        (
            "tcp://[::1]",
            "the port is missing: write tcp://[::1]:8080, or tcp://[::1]:0 for any free port",
        ),
        (
            "tcp://:65536",
            r#"the port "65536" is no number from 0 to 65535"#,
        ),
        (
            "tcp://:+80",
            r#"the port "+80" is no number from 0 to 65535"#,
        ),
        (
            "tcp://:http",
            r#"the port "http" is no number from 0 to 65535"#,
        ),
        (
            "tcp://::1:80",
            "an IPv6 address stands in brackets: write tcp://[::1]:80",
        ),
        (
            "tcp://::",
            "an IPv6 address stands in brackets: write tcp://[::1]:8080",
        ),
        (
            "tcp://[::1:80",
            r#""[::1:80" is no IPv6 address in brackets: write it like [::1]:8080"#,
        ),
        (
            "tcp://[::1]80",
            r#""[::1]80" is no IPv6 address in brackets: write it like [::1]:8080"#,
        ),
        (
            "tcp://[::1%25]:80",
            r#""[::1%25]:80" is no IPv6 address in brackets: write it like [::1]:8080"#,
        ),
        (
            "tcp://[localhost]:80",
            r#""[localhost]:80" is no IPv6 address in brackets: write it like [::1]:8080"#,
        ),
        (
            "tcp://*:80",
            r#""*" is no host: write a name or an address, or nothing for every address, as in tcp://:8080"#,
        ),
        (
            "tcp://me@host:80",
            r#""me@host" is no host: write a name or an address, or nothing for every address, as in tcp://:8080"#,
        ),
        (
            "tcp4://[::1]:80",
            "tcp4 cannot listen on ::1: write tcp:// instead of tcp4://",
        ),
        (
            "tcp6://127.0.0.1:80",
            "tcp6 cannot listen on 127.0.0.1: write tcp:// instead of tcp6://",
        ),
        ("tcp://:80/x", r#"tcp takes no path: leave out "/x""#),
        (
            "unix://rel/x",
            "the path must be absolute, which makes three slashes: write unix:///rel/x",
        ),
        (
            "unix:rel",
            "the path must be absolute, which makes three slashes: write unix:///rel",
        ),
        (
            "unix://",
            "the path is missing: write unix:///run/app.sock, or unix://@name for an abstract socket",
        ),
        (
            "unix:",
            "the path is missing: write unix:///run/app.sock, or unix://@name for an abstract socket",
        ),
        (
            "unix:///",
            "the path ends with a slash and so names a directory: add the name of the socket",
        ),
        ("unix://@", "a name must follow the @, as in unix://@app"),
        (
            "unix:///a%00b",
            "a zero byte (%00) cannot stand in the path or name of a socket",
        ),
        (
            "unix:///a%zz",
            r#""%zz" is no escape: % and two hexadecimal digits; % itself is written %25"#,
        ),
        (
            "unix:///a%4",
            r#""%4" is no escape: % and two hexadecimal digits; % itself is written %25"#,
        ),
        (
            "unix:///a#b",
            "# cannot stand here; in a path it is written %23",
        ),
        (
            "unix:///a\0b",
            r"the control character '\0' cannot stand here; in a path it is written %00",
        ),
        (
            "unix:///a\nb",
            r"the control character '\n' cannot stand here; in a path it is written %0A",
        ),
        (
            "fd://",
            r#""" is no descriptor number from 0 to 65535: write it like fd://3"#,
        ),
        (
            "fd://-1",
            r#""-1" is no descriptor number from 0 to 65535: write it like fd://3"#,
        ),
        (
            "fd://65536",
            r#""65536" is no descriptor number from 0 to 65535: write it like fd://3"#,
        ),
        (
            "fd://1",
            "descriptor 1 is the standard output: pass the socket as another, as in fd://3",
        ),
        (
            "fd://2",
            "descriptor 2 is the standard error: pass the socket as another, as in fd://3",
        ),
        (
            "=tcp://:80",
            "a name must stand before the =, as in web=tcp://:8080",
        ),
        (
            "a:b=tcp://:80",
            r#"the name "a:b" may hold only letters, digits and - _ ."#,
        ),
        (
            "a b=tcp://:80",
            r#"the name "a b" may hold only letters, digits and - _ ."#,
        ),
        (
            "tcp://:80?backlg=5",
            r#"unknown option "backlg", there are backlog, mode, owner, group (did you mean backlog?)"#,
        ),
        (
            "tcp://:80?x=1",
            r#"unknown option "x", there are backlog, mode, owner, group"#,
        ),
        (
            "tcp://:80?mode=0660",
            "the option mode is for sockets with a path (unix:///run/app.sock)",
        ),
        (
            "unix://@a?owner=me",
            "the option owner is for sockets with a path (unix:///run/app.sock)",
        ),
        (
            "fd://3?group=me",
            "the option group is for sockets with a path (unix:///run/app.sock)",
        ),
        (
            "tcp://:80?backlog=1&backlog=2",
            "the option backlog is given twice",
        ),
        (
            "tcp://:80?backlog",
            "the option backlog needs a value: write backlog=4096",
        ),
        (
            "tcp://:80?backlog=0",
            r#"the backlog "0" is no number from 1 to 65535"#,
        ),
        (
            "tcp://:80?backlog=65536",
            r#"the backlog "65536" is no number from 1 to 65535"#,
        ),
        (
            "unix:///x?mode=0888",
            r#"the mode "0888" is no octal number from 0 to 0777: write it like mode=0660"#,
        ),
        (
            "unix:///x?mode=1777",
            r#"the mode "1777" is no octal number from 0 to 0777: write it like mode=0660"#,
        ),
        ("unix:///x?owner=%ff", "the owner is not UTF-8"),
    ] {
        let error = text.parse::<ListenUri>().unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
    let long = format!("{}=fd://3", "n".repeat(256)).parse::<ListenUri>();
    assert_eq!(long, Err(UriError::NameLong { length: 256 }));
}

#[test]
fn what_can_be_adopted() {
    let udp = |family, host: &str, port| Address::Udp {
        family,
        host: host.into(),
        port,
    };
    for (text, address) in [
        ("tcp://:8080", tcp(Family::Any, "", 8080)),
        ("tcp4://0.0.0.0:80/", tcp(Family::V4, "0.0.0.0", 80)),
        ("tcp6://[::1]:80", tcp(Family::V6, "::1", 80)),
        ("udp://:53", udp(Family::Any, "", 53)),
        ("UDP4://127.0.0.1:53", udp(Family::V4, "127.0.0.1", 53)),
        ("udp6://[::]:53", udp(Family::V6, "::", 53)),
        (
            "unix:///run/a",
            Address::UnixPath(Carries::Stream, "/run/a".into()),
        ),
        (
            "unix://@a",
            Address::UnixAbstract(Carries::Stream, b"a".to_vec()),
        ),
    ] {
        let expected = Ok(plain(text, address));
        assert_eq!(ListenUri::to_adopt(text), expected, "{text}");
    }
}

#[test]
fn what_is_not_adopted_and_why() {
    for (text, message) in [
        (
            "fd://3",
            "a descriptor is nothing that a program binds: write the address that it opens, as in tcp://:8080",
        ),
        (
            "web=tcp://:80?backlog=5",
            "an address to adopt takes no name: write tcp://:80",
        ),
        (
            "tcp://:80?backlog=5",
            "an address to adopt takes no options, those are the program's own: write tcp://:80",
        ),
        (
            "tcp://localhost:80",
            "a program binds an IP address and not the name \"localhost\": write it like tcp://127.0.0.1:8080, or without a host for every address",
        ),
        (
            "udp6://[fe80::1%eth0]:53",
            "a program binds an IP address and not the name \"fe80::1%eth0\": write it like tcp://127.0.0.1:8080, or without a host for every address",
        ),
        (
            "tcp4://0.0.0.0:0/",
            "write the port that the program opens, as in tcp4://0.0.0.0:8080; port 0 is another one at each start",
        ),
        (
            "udp://",
            "write the port that the program opens, as in udp://:8080; port 0 is another one at each start",
        ),
        (
            "tcp://[::1]",
            "write the port that the program opens, as in tcp://[::1]:8080; port 0 is another one at each start",
        ),
        (
            "udp4://[::1]:53",
            "udp4 cannot listen on ::1: write udp:// instead of udp4://",
        ),
        (":53", "the scheme is missing: write tcp://:53"),
    ] {
        let error = ListenUri::to_adopt(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}

/// A spelling that an error suggests must not be refused in its turn.
#[test]
fn suggestions_are_right() {
    for text in [
        "",
        "8080",
        ":8080",
        "localhost",
        "localhost:8080",
        "::1:80",
        "[::1]:80",
        "//:80",
        "/run/x",
        "./x",
        "a/b",
        "@x",
        "tcp:127.0.0.1:80",
        "tcp:/:80",
        "fd:3",
        "unix:@x",
        "unix:x",
        "unix://x/y",
        "unixgram:x",
        "unixpacket:@x",
        "systemd://",
        "systemd://a",
        "tcp://::1:80",
        "tcp://::",
        "tcp://",
        "tcp6:///",
        "tcp://localhost",
        "tcp://[::1]",
    ] {
        let message = text.parse::<ListenUri>().unwrap_err().to_string();
        let suggested = message.split_once("write ").unwrap().1;
        let suggested = suggested.split(',').next().unwrap();
        assert!(
            suggested.parse::<ListenUri>().is_ok(),
            "{text}: {suggested}"
        );
    }
}

#[test]
fn no_text_makes_it_panic() {
    let mut rng = fastrand::Rng::with_seed(2);
    let pieces = [
        "tcp",
        "4",
        "6",
        "unix",
        "fd",
        "://",
        ":",
        "/",
        "@",
        "[",
        "]",
        "::1",
        "%",
        "%2",
        "%00",
        "?",
        "&",
        "=",
        "mode",
        "backlog",
        "#",
        "é",
        "0",
        "80",
        "\u{0}",
        "a",
        " ",
        "+",
        "\u{1F980}",
    ];
    let mut understood = 0;
    for _ in 0..200_000 {
        let text: String = (0..rng.usize(0..9))
            .map(|_| pieces[rng.usize(0..pieces.len())])
            .collect();
        match text.parse::<ListenUri>() {
            Ok(uri) => {
                understood += 1;
                assert!(text.ends_with(&uri.text));
                assert_eq!(
                    uri.text.parse(),
                    Ok(ListenUri { name: None, ..uri }),
                    "{text}"
                );
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(understood > 0, "no random text was a listen URI");
}
