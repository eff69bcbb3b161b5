//! Random argument lists: mostly well formed, so that the interesting tail of a list is reached.

use fastrand::Rng;

/// Values that somewhere mean something, or look as if they did.
const VALUES: &[&str] = &[
    "",
    "a",
    "./mygoapp",
    "tcp://:7008",
    "3000",
    "0",
    "-1",
    "+5",
    "0x10",
    "0XfF",
    "1_000",
    "0b11",
    "010",
    "09",
    "1__0",
    "_1",
    "1_",
    "0_",
    "0_7",
    "0_8",
    "0x",
    "0x_",
    "-0x_f",
    "0o_7",
    "0b_",
    "0b2",
    "1e3",
    " 3",
    "3 ",
    "--5",
    "+-5",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999x",
    "0xffffffffffffffff_",
    "true",
    "false",
    "T",
    "F",
    "TRUE",
    "True",
    "tRUE",
    "1",
    "maybe",
    "-",
    "--",
    "---",
    "-syslog",
    "--x",
    "a=b",
    "=",
    "-=",
    "é",
    "\t",
    "a\nb",
    "\"",
    "\\",
    "\u{7f}",
    "\u{1}",
    "→",
    "-start=5",
    "-h",
    "demo",
];

/// Listen URIs that are valid and distinct, because the original took any text and socketmaster does not.
const LISTEN: &[&str] = &[
    "tcp://:7008",
    "tcp://127.0.0.1:80",
    "tcp4://:81",
    "tcp6://[::1]:82",
    "TCP://localhost:0",
    "unix:///run/a=b.sock",
    "unix://@a",
    "fd://3",
    "fd://4",
];

const NAMES: &[&str] = &["command", "start", "syslog", "user"];
const STRANGE_NAMES: &[&str] = &[
    "h", "help", "x", "lis", "Start", "star", "é", "", "commandx", "h=", "-start",
];

/// What an integer may be made of.
const DIGITS: &[u8] = b"0011234567899__xXbBoO+-aAfF ";

/// One argument list.
pub(crate) fn argv(rng: &mut Rng) -> Vec<String> {
    let mut argv = Vec::new();
    // Without a command nothing else can be compared: socketmaster has no configuration then.
    if rng.u8(..4) > 0 {
        argv.push("-command=./app".to_owned());
    }
    let mut listen = LISTEN.to_vec();
    rng.shuffle(&mut listen);
    for _ in 0..rng.usize(..6) {
        item(rng, &mut argv, &mut listen);
    }
    // Only the last word may be a `-listen` without its URI, else it would take the next word for one.
    if rng.u8(..20) == 0 {
        argv.push("--listen".to_owned());
    }
    // `demo` as the first word is a mode of its own, which the original has not.
    if argv.first().is_some_and(|word| word == "demo") {
        argv.clear();
    }
    argv
}

/// Adds one flag or word.
fn item(rng: &mut Rng, argv: &mut Vec<String>, listen: &mut Vec<&str>) {
    let dashes = match rng.u8(..40) {
        0 => "---",
        n if n % 2 == 0 => "--",
        _ => "-",
    };
    if rng.u8(..5) == 0
        && let Some(uri) = listen.pop()
    {
        match rng.bool() {
            true => argv.push(format!("{dashes}listen={uri}")),
            false => argv.extend([format!("{dashes}listen"), uri.to_owned()]),
        }
        return;
    }
    let name = match rng.u8(..10) {
        0 => pick(rng, STRANGE_NAMES),
        _ => pick(rng, NAMES),
    };
    let value = match (name, rng.u8(..4)) {
        ("start", 0 | 1) => (0..rng.usize(1..8))
            .map(|_| char::from(DIGITS[rng.usize(..DIGITS.len())]))
            .collect(),
        ("start", 2) => rng.i64(-9999..9999).to_string(),
        ("syslog", 0 | 1) => pick(rng, &["1", "0", "t", "f", "T", "F", "true", "FALSE"]).to_owned(),
        _ => pick(rng, VALUES).to_owned(),
    };
    match rng.u8(..20) {
        0..8 => argv.push(format!("{dashes}{name}={value}")),
        8..15 => argv.extend([format!("{dashes}{name}"), value]),
        15..18 => argv.push(format!("{dashes}{name}")),
        _ => argv.push(value),
    }
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}
