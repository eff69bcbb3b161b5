//! Sockets received by activation: what the service manager's variables say (sd_listen_fds(3)).

/// The first descriptor (`SD_LISTEN_FDS_START`).
const FIRST: i32 = 3;

/// No process can have more (`NR_OPEN`'s default in the kernel).
const MOST: i32 = 1_048_576;

/// A descriptor received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub fd: i32,
    /// What `FileDescriptorName=` or the socket unit's name makes of it; empty if it has none.
    pub name: String,
}

/// Why there is no socket to take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReceived {
    /// Nobody has passed any.
    #[error(
        "no sockets were received: $LISTEN_FDS is not set; they come from a socket unit of the service's name, or from \
         systemd-socket-activate; after an upgrade only a restart of the service brings them again"
    )]
    Nothing,
    /// Who reads them must have that pid, or it may not believe in them.
    #[error(
        "the sockets are for process {listen_pid} ($LISTEN_PID) and this is {pid}: what stands between must not stay, as \
         `exec` has it in a shell"
    )]
    NotOurs {
        /// `$LISTEN_PID`; `nobody` where that is not set.
        listen_pid: String,
        /// Our own.
        pid: u32,
    },
    /// A variable that makes no sense.
    #[error("$LISTEN_FDS is {0:?}, which is no number of sockets")]
    Number(String),
    /// There are others.
    #[error("no socket received is named {name:?}: there {}", there_are(.known))]
    NoSuchName {
        /// The name.
        name: String,
        /// Those that were received.
        known: Vec<String>,
    },
}

fn there_are(known: &[String]) -> String {
    match known {
        [one] => format!("is {one}"),
        all => format!("are {}", all.join(", ")),
    }
}

/// Reads the variables, as the process with this pid.
///
/// # Errors
/// There are none, or they are for another process.
pub fn received(
    pid: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Received>, NotReceived> {
    let count = variable("LISTEN_FDS").filter(|count| !count.is_empty() && count != "0");
    let count = count.ok_or(NotReceived::Nothing)?;
    let listen_pid = variable("LISTEN_PID").unwrap_or_else(|| "nobody".into());
    if listen_pid.parse() != Ok(pid) {
        return Err(NotReceived::NotOurs { listen_pid, pid });
    }
    let number = count.parse().ok().filter(|n| (1..=MOST).contains(n));
    let number = number.ok_or(NotReceived::Number(count))?;
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    Ok((FIRST..FIRST + number)
        .map(|fd| {
            // What a socket is called that has no name.
            let name = names.next().filter(|name| *name != "unknown");
            let name = name.filter(|name| name.bytes().all(|b| b.is_ascii_graphic()));
            let name = name.unwrap_or_default().to_owned();
            Received { fd, name }
        })
        .collect())
}

/// Those of this name, or all.
///
/// # Errors
/// None has it.
pub fn named(all: Vec<Received>, name: Option<&str>) -> Result<Vec<Received>, NotReceived> {
    let Some(name) = name else { return Ok(all) };
    let (those, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|each| each.name == name);
    if those.is_empty() {
        let known = others.into_iter().map(|each| match &*each.name {
            "" => format!("descriptor {} without a name", each.fd),
            _ => each.name,
        });
        let (name, known) = (name.into(), known.collect());
        return Err(NotReceived::NoSuchName { name, known });
    }
    Ok(those)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Vec<Received>, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        received(42, variable).map_err(|error| error.to_string())
    }

    fn socket(fd: i32, name: &str) -> Received {
        let name = name.into();
        Received { fd, name }
    }

    #[test]
    fn descriptors_come_in_order_and_with_their_names() {
        let pid = ("LISTEN_PID", "42");
        for (fds, names, expected) in [
            ("1", "web", vec![socket(3, "web")]),
            ("2", "web:web", vec![socket(3, "web"), socket(4, "web")]),
            (
                "2",
                "unknown:app.socket",
                vec![socket(3, ""), socket(4, "app.socket")],
            ),
            // Too few names, too many, and what would be a line of its own.
            ("2", "a", vec![socket(3, "a"), socket(4, "")]),
            ("1", "a:b", vec![socket(3, "a")]),
            ("1", "a\nb", vec![socket(3, "")]),
        ] {
            let variables = [pid, ("LISTEN_FDS", fds), ("LISTEN_FDNAMES", names)];
            assert_eq!(of(&variables), Ok(expected), "{names:?}");
        }
        assert_eq!(of(&[pid, ("LISTEN_FDS", "1")]), Ok(vec![socket(3, "")]));
    }

    #[test]
    fn what_is_not_there_or_not_ours_is_not_taken() {
        for (variables, expected) in [
            (&[][..], "no sockets were received: $LISTEN_FDS is not set"),
            (
                &[("LISTEN_PID", "42"), ("LISTEN_FDS", "0")],
                "no sockets were received",
            ),
            (
                &[("LISTEN_FDS", "1")],
                "the sockets are for process nobody ($LISTEN_PID) and this is 42",
            ),
            (
                &[("LISTEN_FDS", "1"), ("LISTEN_PID", "41")],
                "the sockets are for process 41 ($LISTEN_PID) and this is 42",
            ),
            (
                &[("LISTEN_FDS", "x"), ("LISTEN_PID", "42")],
                r#"$LISTEN_FDS is "x", which is no number"#,
            ),
            (
                &[("LISTEN_FDS", "-1"), ("LISTEN_PID", "42")],
                r#"$LISTEN_FDS is "-1", which is no number"#,
            ),
            (
                &[("LISTEN_FDS", "99999999999"), ("LISTEN_PID", "42")],
                "which is no number",
            ),
        ] {
            let error = of(variables).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_name_means_all_that_have_it() {
        let all = vec![socket(3, "a"), socket(4, ""), socket(5, "a")];
        assert_eq!(named(all.clone(), None), Ok(all.clone()));
        assert_eq!(
            named(all.clone(), Some("a")),
            Ok(vec![socket(3, "a"), socket(5, "a")])
        );
        let error = named(all, Some("b")).unwrap_err().to_string();
        assert_eq!(
            error,
            r#"no socket received is named "b": there are a, descriptor 4 without a name, a"#
        );
    }
}
