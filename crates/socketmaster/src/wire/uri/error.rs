//! What is wrong with a listen URI, and what to write instead.

use super::options::OPTIONS;

/// Why a `-listen` or `-adopt` value is refused. The text names the part that is wrong and the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each variant says what it is")]
pub enum UriError {
    #[error("the control character {0:?} cannot stand here; in a path it is written %{code:02X}", code = u32::from(*.0))]
    Control(char),
    #[error("# cannot stand here; in a path it is written %23")]
    Fragment,

    #[error("a name must stand before the =, as in web=tcp://:8080")]
    NameEmpty,
    #[error("the name {name:?} may hold only letters, digits and - _ .")]
    NameCharacter { name: String },
    #[error("the name is {length} bytes long, 255 are allowed")]
    NameLong { length: usize },

    #[error("the scheme is missing: write {suggestion}")]
    NoScheme { suggestion: String },
    #[error("the scheme {scheme:?} is not supported, there are tcp and udp (also with 4 or 6), unix, unixgram, unixpacket, vsock, systemd and fd{}", did_you_mean(*.nearest))]
    UnknownScheme {
        scheme: String,
        nearest: Option<&'static str>,
    },
    #[error("two slashes must follow the scheme: write {suggestion}")]
    NoSlashes { suggestion: String },

    #[error("the address is missing: write {scheme}://:8080, or {scheme}://:0 for any free port")]
    NoAddress { scheme: &'static str },
    #[error(
        "the port is missing: write {scheme}://{host}:8080, or {scheme}://{host}:0 for any free port"
    )]
    NoPort { scheme: &'static str, host: String },
    #[error("a colon must stand before the port: write {scheme}://:{port}")]
    NoColon { scheme: &'static str, port: String },
    #[error("the port {port:?} is no number from 0 to 65535")]
    Port { port: String },
    #[error("an IPv6 address stands in brackets: write {suggestion}")]
    NoBrackets { suggestion: String },
    #[error("{text:?} is no IPv6 address in brackets: write it like [::1]:8080")]
    Ipv6 { text: String },
    #[error(
        "{host:?} is no host: write a name or an address, or nothing for every address, as in tcp://:8080"
    )]
    Host { host: String },
    #[error("{scheme} cannot listen on {host}: write {any}:// instead of {scheme}://", any = scheme.trim_end_matches(['4', '6']))]
    Family { scheme: &'static str, host: String },
    #[error("{scheme} takes no path: leave out {path:?}")]
    PathNotHere { scheme: &'static str, path: String },

    #[error(
        "the path is missing: write {scheme}:///run/app.sock, or {scheme}://@name for an abstract socket"
    )]
    NoPath { scheme: &'static str },
    #[error("the path must be absolute, which makes three slashes: write {suggestion}")]
    RelativePath { suggestion: String },
    #[error("the path ends with a slash and so names a directory: add the name of the socket")]
    DirectoryPath,
    #[error("a name must follow the @, as in {scheme}://@app")]
    NoAbstractName { scheme: &'static str },
    #[error("the socket's path or name is {length} bytes long, Linux allows 107")]
    Long { length: usize },
    #[error("a zero byte (%00) cannot stand in the path or name of a socket")]
    Nul,
    #[error("{text:?} is no escape: % and two hexadecimal digits; % itself is written %25")]
    Escape { text: String },

    #[error("{text:?} is no descriptor number from 0 to 65535: write it like fd://3")]
    Fd { text: String },
    #[error("descriptor {fd} is the standard {}: pass the socket as another, as in fd://3", if *.fd == 1 { "output" } else { "error" })]
    FdStandard { fd: u16 },

    #[error(
        "{text:?} is no address of a virtual machine: write vsock://:8080, or vsock://CID:8080 with the number of this \
         machine"
    )]
    Vsock { text: String },
    #[error("no slashes follow systemd: write systemd:{name}{}", if .name.is_empty() { ", for all sockets received" } else { "" })]
    SystemdSlashes { name: String },
    #[error(
        "{name:?} is no name of a socket: write what FileDescriptorName= of the socket unit says, or systemd: alone for \
         all sockets received"
    )]
    SystemdName { name: String },

    #[error("unknown option {option:?}, there are {}{}", OPTIONS.join(", "), did_you_mean(*.nearest))]
    UnknownOption {
        option: String,
        nearest: Option<&'static str>,
    },
    #[error("the option {option} is for sockets with a path (unix:///run/app.sock)")]
    OptionNotHere { option: &'static str },
    #[error(
        "the option backlog is for sockets that take connections; how many datagrams wait is for the program to say, by \
         SO_RCVBUF"
    )]
    BacklogNotHere,
    #[error("the option {option} is given twice")]
    OptionTwice { option: &'static str },
    #[error("the option {option} needs a value: write {option}={example}")]
    OptionEmpty {
        option: &'static str,
        example: &'static str,
    },
    #[error("the backlog {value:?} is no number from 1 to 65535")]
    Backlog { value: String },
    #[error("the mode {value:?} is no octal number from 0 to 0777: write it like mode=0660")]
    Mode { value: String },
    #[error("the {option} is not UTF-8")]
    OptionText { option: &'static str },

    #[error(
        "a descriptor is nothing that a program binds: write the address that it opens, as in tcp://:8080"
    )]
    AdoptFd,
    #[error(
        "a program that binds vsock itself is not seen to do so: pass it the socket by -command and -listen {text}"
    )]
    AdoptVsock { text: String },
    #[error("an address to adopt takes no name: write {suggestion}")]
    AdoptName { suggestion: String },
    #[error(
        "an address to adopt takes no options, those are the program's own: write {suggestion}"
    )]
    AdoptOptions { suggestion: String },
    #[error(
        "a program binds an IP address and not the name {host:?}: write it like tcp://127.0.0.1:8080, or without a \
         host for every address"
    )]
    AdoptHost { host: String },
    #[error(
        "write the port that the program opens, as in {example}; port 0 is another one at each start"
    )]
    AdoptPort { example: String },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |word| format!(" (did you mean {word}?)"))
}
