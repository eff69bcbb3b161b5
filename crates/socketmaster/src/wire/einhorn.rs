//! What a worker says on einhorn's command socket, one message a line.
//!
//! A message is a YAML document in which `%` stands as `%25` and the end of a line as `%0A` (einhorn,
//! lib/einhorn/client.rb). JSON is YAML, and what clients in other languages write; so these are the two spellings:
//!
//! ```text
//! {"command":"worker:ack","pid":12345}
//! ---%0Acommand: worker:ack%0Apid: 12345%0A
//! ```

use serde::Deserialize;

/// A message of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It is ready: the process of this pid.
    Ack(i32),
    /// It lives.
    Ping,
}

/// Why a line is no message of a worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Neither of the two spellings.
    #[error("it could not be read")]
    Unreadable,
    /// An ACK that does not say whose it is. einhorn drops it too.
    #[error("an ACK without a pid")]
    NoPid,
    /// What only an operator would say.
    #[error("{0:?} is no command for a worker")]
    Command(String),
}

#[derive(Default, Deserialize)]
struct Fields {
    command: Option<String>,
    pid: Option<i32>,
}

/// Reads a line, with its end or without.
///
/// # Errors
/// See [`Malformed`].
pub fn parse(line: &[u8]) -> Result<Message, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed::Unreadable)?;
    let fields = if line.trim_start().starts_with('{') {
        // Clients that write JSON escape nothing.
        serde_json::from_str(line).ok()
    } else {
        Some(mapping(&line.replace("%0A", "\n").replace("%25", "%")))
    };
    let Some(Fields {
        command: Some(command),
        pid,
    }) = fields
    else {
        return Err(Malformed::Unreadable);
    };
    match &*command {
        "worker:ack" => pid.map(Message::Ack).ok_or(Malformed::NoPid),
        "worker:ping" => Ok(Message::Ping),
        _ => Err(Malformed::Command(command)),
    }
}

/// The little of YAML that such a message has: a key and a value in each line.
fn mapping(text: &str) -> Fields {
    let mut fields = Fields::default();
    for (key, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        let value = value.trim().trim_matches(['"', '\'']);
        match key.trim().trim_matches(['"', '\'']) {
            "command" => fields.command = Some(value.into()),
            "pid" => fields.pid = value.parse().ok(),
            _ => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        for line in [
            r#"{"command":"worker:ack","pid":12345}"#,
            "{\"pid\": 12345, \"command\": \"worker:ack\"}\n",
            "---%0Acommand: worker:ack%0Apid: 12345%0A\n",
            "--- %0Apid: 12345%0Acommand: \"worker:ack\"%0A\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Message::Ack(12345)), "{line}");
        }
        for line in [
            r#"{"command":"worker:ping","pid":1,"request_id":"a%0Ab"}"#,
            "---%0Acommand: worker:ping%0Apid: 1%0Arequest_id: 100%25%0A\n",
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Message::Ping), "{line}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            &b""[..],
            b"\n",
            b"\xff",
            b"{",
            b"[]",
            b"{}",
            b"null",
            b"{\"command\":\"worker:ack\",\"pid\":\"x\"}",
            b"{\"command\":\"worker:ack\",\"pid\":99999999999}",
            b"---%0Apid: 1%0A",
        ] {
            assert_eq!(parse(line), Err(Malformed::Unreadable), "{line:?}");
        }
        for line in [
            &b"{\"command\":\"worker:ack\"}"[..],
            b"---%0Acommand: worker:ack%0Apid: %0A",
        ] {
            assert_eq!(parse(line), Err(Malformed::NoPid), "{line:?}");
        }
        let upgrade = br#"{"id":1,"command":"upgrade","args":[]}"#;
        assert_eq!(parse(upgrade), Err(Malformed::Command("upgrade".into())));
    }
}
