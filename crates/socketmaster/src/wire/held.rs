//! What a supervisor must tell its successor about a listener, beside the descriptor itself.

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
        };
        let text = serde_json::to_string(&held).unwrap();
        assert_eq!(serde_json::from_str::<HeldListener>(&text).unwrap(), held);
    }
}
