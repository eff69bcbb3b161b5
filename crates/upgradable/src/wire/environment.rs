//! The variables by which sockets are announced.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::sys::fds::Identity;

/// The variable that names the channel to the predecessor: `FD:DEVICE:INODE`. With the identity, so that a program
/// further down the line that has inherited the variable, but not the channel, sees that it is not meant.
pub(crate) const CHANNEL: &str = "UPGRADABLE_CHANNEL";

/// The first inherited descriptor: `SD_LISTEN_FDS_START` of sd_listen_fds(3), and the same in einhorn and the
/// original socketmaster.
const FIRST: i32 = 3;

/// What the environment announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// Nothing: this server stands on its own feet.
    Nothing,
    /// A channel to the process that we are to replace.
    Channel(i32, Identity),
    /// Sockets from systemd, or another that speaks its protocol.
    Systemd(Vec<(i32, String)>),
    /// Sockets from socketmaster, or another that speaks einhorn's protocol.
    Supervisor(Vec<(i32, String)>),
}

/// Reads the environment of the process `pid`, whose pidfd has the inode `pidfd_id` where the kernel tells.
///
/// # Errors
/// Sockets are announced in words that make no sense: who, and what is wrong.
pub(crate) fn read(
    get: impl Fn(&str) -> Option<OsString>,
    pid: u32,
    pidfd_id: Option<u64>,
) -> Result<Announced, (&'static str, String)> {
    if let Some(value) = get(CHANNEL)
        && let Some((fd, identity)) = channel(&value)
    {
        return Ok(Announced::Channel(fd, identity));
    }
    if let Some(count) = get("LISTEN_FDS")
        && is_for_us(&get, pid, pidfd_id)
    {
        let count = number(&count)
            .filter(|count| (0..=1024).contains(count))
            .ok_or_else(|| ("systemd", format!("LISTEN_FDS={}", count.display())))?;
        let fds: Vec<i32> = (FIRST..FIRST + count).collect();
        let names = get("LISTEN_FDNAMES").unwrap_or_default();
        return match named(&fds, &names) {
            _ if fds.is_empty() => Ok(Announced::Nothing),
            Some(all) => Ok(Announced::Systemd(all)),
            None => Err((
                "systemd",
                format!("{count} sockets, LISTEN_FDNAMES={}", names.display()),
            )),
        };
    }
    let Some(list) = get("EINHORN_FDS").filter(|list| !list.is_empty()) else {
        return Ok(Announced::Nothing);
    };
    let who = "the supervisor";
    let fds: Option<Vec<i32>> = list.as_bytes().split(|b| *b == b' ').map(digits).collect();
    let fds = fds.ok_or_else(|| (who, format!("EINHORN_FDS={}", list.display())))?;
    let names = get("SOCKETMASTER_FD_NAMES").unwrap_or_default();
    named(&fds, &names)
        .map(Announced::Supervisor)
        .ok_or_else(|| {
            (
                who,
                format!(
                    "{} sockets, SOCKETMASTER_FD_NAMES={}",
                    fds.len(),
                    names.display()
                ),
            )
        })
}

/// Whether LISTEN_FDS speaks to this process: sd_listen_fds(3). Without LISTEN_PID nobody can tell; who leaves it out
/// (a wrapper that does not exec is between) means us.
fn is_for_us(get: impl Fn(&str) -> Option<OsString>, pid: u32, pidfd_id: Option<u64>) -> bool {
    let matches = |name: &str, own: u64| {
        get(name).is_none_or(|value| value.to_str().and_then(|v| v.parse().ok()) == Some(own))
    };
    matches("LISTEN_PID", pid.into()) && pidfd_id.is_none_or(|id| matches("LISTEN_PIDFDID", id))
}

/// The variables that are not for a successor: it gets its sockets from us.
pub(crate) fn is_stripped(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let names: [&[u8]; 4] = [
        b"LISTEN_FDS",
        b"LISTEN_PID",
        b"LISTEN_FDNAMES",
        b"LISTEN_PIDFDID",
    ];
    let others: [&[u8]; 3] = [b"EINHORN_FDS", b"SOCKETMASTER_FD_NAMES", b"WATCHDOG_PID"];
    names.contains(&name) || others.contains(&name) || name == CHANNEL.as_bytes()
}

/// The value of [`CHANNEL`].
pub(crate) fn name_channel(fd: i32, Identity { device, inode }: Identity) -> String {
    format!("{fd}:{device}:{inode}")
}

fn channel(value: &OsStr) -> Option<(i32, Identity)> {
    let mut parts = value.to_str()?.split(':');
    let fd = parts.next()?.parse().ok()?;
    let device = parts.next()?.parse().ok()?;
    let inode = parts.next()?.parse().ok()?;
    parts
        .next()
        .is_none()
        .then_some((fd, Identity { device, inode }))
}

/// Descriptors with their names; none at all is as good as an empty one for each.
fn named(fds: &[i32], names: &OsStr) -> Option<Vec<(i32, String)>> {
    let mut names: Vec<&str> = names.to_str()?.split(':').collect();
    if names == [""] {
        names = vec![""; fds.len()];
    }
    let pairs = fds
        .iter()
        .zip(&names)
        .map(|(fd, name)| (*fd, (*name).to_owned()));
    (names.len() == fds.len()).then(|| pairs.collect())
}

fn number(value: &OsStr) -> Option<i32> {
    digits(value.as_bytes())
}

fn digits(bytes: &[u8]) -> Option<i32> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(bytes).ok()?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(variables: &[(&str, &str)]) -> Result<Announced, (&'static str, String)> {
        let get = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.into())
        };
        read(get, 42, Some(4242))
    }

    fn fds(all: &[(i32, &str)]) -> Vec<(i32, String)> {
        all.iter()
            .map(|(fd, name)| (*fd, (*name).to_owned()))
            .collect()
    }

    #[test]
    fn systemd() {
        let two = [
            ("LISTEN_FDS", "2"),
            ("LISTEN_PID", "42"),
            ("LISTEN_FDNAMES", "web:admin"),
        ];
        assert_eq!(
            announced(&two),
            Ok(Announced::Systemd(fds(&[(3, "web"), (4, "admin")])))
        );
        let bare = [("LISTEN_FDS", "1")];
        assert_eq!(announced(&bare), Ok(Announced::Systemd(fds(&[(3, "")]))));
        let right = [("LISTEN_FDS", "1"), ("LISTEN_PIDFDID", "4242")];
        assert_eq!(announced(&right), Ok(Announced::Systemd(fds(&[(3, "")]))));
    }

    #[test]
    fn systemd_speaking_to_another() {
        let other = [("LISTEN_FDS", "2"), ("LISTEN_PID", "41")];
        assert_eq!(announced(&other), Ok(Announced::Nothing));
        let other = [
            ("LISTEN_FDS", "2"),
            ("LISTEN_PID", "42"),
            ("LISTEN_PIDFDID", "1"),
        ];
        assert_eq!(announced(&other), Ok(Announced::Nothing));
    }

    #[test]
    fn socketmaster() {
        let two = [("EINHORN_FDS", "3 4"), ("SOCKETMASTER_FD_NAMES", "web:")];
        assert_eq!(
            announced(&two),
            Ok(Announced::Supervisor(fds(&[(3, "web"), (4, "")])))
        );
        let original = [("EINHORN_FDS", "3")];
        assert_eq!(
            announced(&original),
            Ok(Announced::Supervisor(fds(&[(3, "")])))
        );
    }

    #[test]
    fn our_own_comes_first() {
        let identity = Identity {
            device: 7,
            inode: 9,
        };
        let value = name_channel(0, identity);
        let both = [("LISTEN_FDS", "1"), (CHANNEL, value.as_str())];
        assert_eq!(announced(&both), Ok(Announced::Channel(0, identity)));
    }

    #[test]
    fn nonsense_is_said_and_not_guessed() {
        for bad in [
            &[("LISTEN_FDS", "x")][..],
            &[("LISTEN_FDS", "99999")],
            &[("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", "a")],
            &[("EINHORN_FDS", "3 x")],
            &[("EINHORN_FDS", "3"), ("SOCKETMASTER_FD_NAMES", "a:b")],
        ] {
            assert!(announced(bad).is_err(), "{bad:?}");
        }
    }
}
