//! Listeners that are no TCP and no unix stream sockets.

use super::*;

fn error(text: &str) -> String {
    text.parse::<ListenUri>().unwrap_err().to_string()
}

#[test]
fn every_kind_has_its_scheme() {
    let path = |carries, path: &str| Address::UnixPath(carries, path.into());
    let udp = |family, host: &str, port| {
        let host = host.into();
        Address::Udp { family, host, port }
    };
    let vsock = |cid, port| Address::Vsock { cid, port };
    let received = |name: &str| Address::Systemd(Some(name.into()));
    for (text, address) in [
        ("udp://:53", udp(Family::Any, "", 53)),
        ("UDP4://localhost:0", udp(Family::V4, "localhost", 0)),
        ("udp6://[::1]:443", udp(Family::V6, "::1", 443)),
        ("unixgram:///dev/log", path(Carries::Datagrams, "/dev/log")),
        ("unixgram:/dev/log", path(Carries::Datagrams, "/dev/log")),
        (
            "unixgram://@log",
            Address::UnixAbstract(Carries::Datagrams, b"log".to_vec()),
        ),
        ("unixpacket:///run/a", path(Carries::Packets, "/run/a")),
        (
            "unixpacket://@a",
            Address::UnixAbstract(Carries::Packets, b"a".to_vec()),
        ),
        ("vsock://:1024", vsock(None, 1024)),
        ("vsock://3:4294967294/", vsock(Some(3), 4_294_967_294)),
        ("vsock://:0", vsock(None, 0)),
        ("systemd:", Address::Systemd(None)),
        ("Systemd:web", received("web")),
        ("systemd:app@1.socket", received("app@1.socket")),
        ("systemd:a%3Db", received("a=b")),
    ] {
        assert_eq!(text.parse(), Ok(plain(text, address)), "{text}");
    }
    let named: ListenUri = "dns=udp://:53".parse().unwrap();
    assert_eq!(named.name.as_deref(), Some("dns"));
    let packets: ListenUri = "unixpacket:///run/a?backlog=7&mode=0600".parse().unwrap();
    assert_eq!((packets.backlog, packets.mode), (7, Some(0o600)));
    let datagrams: ListenUri = "unixgram:///run/a?mode=0620&group=www-data"
        .parse()
        .unwrap();
    assert_eq!(
        (datagrams.mode, datagrams.group.as_deref()),
        (Some(0o620), Some("www-data"))
    );
    let received: ListenUri = "web=systemd:a?backlog=9".parse().unwrap();
    assert_eq!(
        (received.name.as_deref(), received.backlog),
        (Some("web"), 9)
    );
}

#[test]
fn what_does_not_fit_a_kind() {
    let backlog = "the option backlog is for sockets that take connections; how many datagrams wait is for the program \
                   to say, by SO_RCVBUF";
    let vsock = |text: &str| {
        format!(
            "{text:?} is no address of a virtual machine: write vsock://:8080, or vsock://CID:8080 with the number of \
             this machine"
        )
    };
    for (text, message) in [
        ("udp://:53?backlog=5", backlog.to_owned()),
        ("unixgram:///a?backlog=5", backlog.into()),
        ("unixgram://@a?backlog=5", backlog.into()),
        (
            "udp://:53?mode=0600",
            "the option mode is for sockets with a path (unix:///run/app.sock)".into(),
        ),
        (
            "systemd:?owner=me",
            "the option owner is for sockets with a path (unix:///run/app.sock)".into(),
        ),
        (
            "unixgram://rel/x",
            "the path must be absolute, which makes three slashes: write unixgram:///rel/x".into(),
        ),
        (
            "unixpacket:@x",
            "two slashes must follow the scheme: write unixpacket://@x".into(),
        ),
        (
            "unixgram://",
            "the path is missing: write unixgram:///run/app.sock, or unixgram://@name for an abstract socket".into(),
        ),
        (
            "unixgram://@",
            "a name must follow the @, as in unixgram://@app".into(),
        ),
        ("vsock://", vsock("")),
        ("vsock://80", vsock("80")),
        ("vsock://host:80", vsock("host:80")),
        ("vsock://3:", vsock("3:")),
        ("vsock://+3:80", vsock("+3:80")),
        ("vsock://4294967295:80", vsock("4294967295:80")),
        ("vsock://3:4294967296", vsock("3:4294967296")),
        (
            "systemd://web",
            "no slashes follow systemd: write systemd:web".into(),
        ),
        (
            "systemd://",
            "no slashes follow systemd: write systemd:, for all sockets received".into(),
        ),
        (
            "systemd:a:b",
            "\"a:b\" is no name of a socket: write what FileDescriptorName= of the socket unit says, or systemd: alone \
             for all sockets received"
                .into(),
        ),
    ] {
        assert_eq!(error(text), message, "{text}");
    }
    for (text, nearest) in [
        ("seqpacket:///a", "unixpacket"),
        ("unixdgram:///a", "unixgram"),
        ("updp://:53", "udp"),
        ("vsok://:53", "vsock"),
    ] {
        let text = error(text);
        assert!(
            text.ends_with(&format!("(did you mean {nearest}?)")),
            "{text}"
        );
    }
}

#[test]
fn what_of_it_can_be_adopted() {
    let address = Address::UnixPath(Carries::Datagrams, "/dev/log".into());
    assert_eq!(
        ListenUri::to_adopt("unixgram:///dev/log"),
        Ok(plain("unixgram:///dev/log", address))
    );
    for (text, message) in [
        (
            "systemd:web",
            "a descriptor is nothing that a program binds: write the address that it opens, as in tcp://:8080",
        ),
        (
            "vsock://:1024",
            "a program that binds vsock itself is not seen to do so: pass it the socket by -command and -listen \
             vsock://:1024",
        ),
    ] {
        let error = ListenUri::to_adopt(text).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
    }
}
