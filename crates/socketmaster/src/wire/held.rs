//! What a supervisor must tell its successor about a listener, beside the descriptor itself.

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

/// One listener on its way through an upgrade.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldListener {
    /// The descriptor number, the same before and after the exec.
    pub fd: i32,
    /// The listen URI as typed, to find the listener again among the configured ones.
    pub uri: String,
    /// The socket file that we made and may remove; `None` for everything but unix paths of our own.
    pub path: Option<PathIdentity>,
    /// The name that the service manager gave it; empty for none.
    #[serde(default)]
    pub given: String,
    /// Whether it came by the same `-listen` as the one before it: `systemd:` may bring several.
    #[serde(default)]
    pub further: bool,
    /// By what the configurations know it; 0 where the program before us had one configuration alone.
    #[serde(default)]
    pub key: u64,
    /// The name given with `NAME=`, if any.
    #[serde(default)]
    pub name: Option<String>,
    /// What only an adopted one has; `None` for one that is configured.
    #[serde(default)]
    pub adopted: Option<HeldAdopted>,
}

/// What no configuration tells of a listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAdopted {
    /// The worker whose socket it was.
    pub worker: u64,
    /// The length of its queue.
    pub backlog: i32,
    /// The path of a unix socket: bytes, because it may not be UTF-8.
    pub file: Option<OsString>,
}

/// Which file stands at a path: a path alone may mean another file by now.
///
/// The pair is unique as long as the socket that made it is open, because a bound unix socket keeps its inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathIdentity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_text_form() {
        let held = HeldListener {
            fd: 7,
            uri: "unix:///run/app.sock?mode=0660".into(),
            path: Some(PathIdentity {
                device: u64::MAX,
                inode: 3,
            }),
            given: "app.socket".into(),
            further: true,
            key: 9,
            name: Some("web".into()),
            adopted: Some(HeldAdopted {
                worker: 4,
                backlog: 511,
                file: Some("/run/app.sock".into()),
            }),
        };
        let text = serde_json::to_string(&held).unwrap();
        assert_eq!(serde_json::from_str::<HeldListener>(&text).unwrap(), held);
    }
}
