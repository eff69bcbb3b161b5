//! What all `-listen` values must be together: each its own.

use crate::wire::uri::ListenUri;

/// Two `-listen` values that cannot stand side by side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Clash {
    /// The program could not tell them apart by their name.
    #[error("two listeners are named {name:?}: give each its own name")]
    Name {
        /// The name given twice.
        name: String,
    },
    /// The second could never be opened.
    #[error("{second} is listened on twice: it is already there as {first}")]
    Address {
        /// The first of the two, as typed.
        first: String,
        /// The second of the two, as typed.
        second: String,
    },
}

/// Refuses a name or an address given twice. Different spellings of one address (`localhost`, `127.0.0.1`) are for
/// the system to find when it opens them.
pub fn check(listeners: &[ListenUri]) -> Result<(), Clash> {
    for (index, second) in listeners.iter().enumerate() {
        for first in &listeners[..index] {
            if let (Some(name), true) = (&second.name, first.name == second.name) {
                return Err(Clash::Name { name: name.clone() });
            }
            if first.address == second.address && !second.address.any_port() {
                return Err(Clash::Address {
                    first: first.text.clone(),
                    second: second.text.clone(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_all(texts: &[&str]) -> Result<(), String> {
        let uris: Vec<ListenUri> = texts.iter().map(|text| text.parse().unwrap()).collect();
        check(&uris).map_err(|clash| clash.to_string())
    }

    #[test]
    fn each_listener_is_its_own() {
        for fine in [
            &["tcp://:80", "tcp://:81", "tcp://127.0.0.1:80", "tcp6://:80"][..],
            &["tcp://:0", "tcp://:0"],
            &["udp://:53", "tcp://:53"],
            &["udp://:0", "udp://:0"],
            &["unix:///a", "unixgram://@/a", "systemd:", "systemd:a"],
            &["a=tcp://:80", "b=tcp://:81", "tcp://:82", "tcp://:83"],
            &["unix:///run/a", "unix://@/run/a", "fd://3", "fd://4"],
            &[],
        ] {
            assert_eq!(check_all(fine), Ok(()));
        }
        for (clashing, message) in [
            (
                ["tcp://:80", "TCP://:080?backlog=5"],
                "TCP://:080?backlog=5 is listened on twice: it is already there as tcp://:80",
            ),
            (
                ["unix:///a%2Fb", "b=unix:///a/b"],
                "unix:///a/b is listened on twice: it is already there as unix:///a%2Fb",
            ),
            (
                ["a=tcp://:80", "a=tcp://:81"],
                "two listeners are named \"a\": give each its own name",
            ),
            (
                ["unixgram:///a", "unixgram:///a?mode=0600"],
                "unixgram:///a?mode=0600 is listened on twice: it is already there as unixgram:///a",
            ),
            (
                ["systemd:a", "systemd:a"],
                "systemd:a is listened on twice: it is already there as systemd:a",
            ),
            (
                ["fd://3", "fd://3"],
                "fd://3 is listened on twice: it is already there as fd://3",
            ),
        ] {
            assert_eq!(check_all(&clashing), Err(message.into()));
        }
    }
}
