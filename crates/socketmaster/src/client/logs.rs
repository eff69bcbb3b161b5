//! `socketmaster logs`: the last lines of the log, and those to come.

use std::io::{self, Write, stdout};
use std::time::Duration;

use tokio::time::timeout;

use super::find::Instance;
use super::link::Part;
use super::words::printable;
use super::{ClientError, status_of};
use crate::wire::control::LogsRequest;

/// How long a supervisor that says no may take to have ended.
const ENDING: Duration = Duration::from_secs(1);

/// Prints what is wanted as it stands in the log. One that follows goes on through an upgrade of the supervisor, and
/// ends with it.
pub(super) async fn run(
    mut instance: Instance,
    mut wanted: LogsRequest,
) -> Result<u8, ClientError> {
    loop {
        let path = format!("/v1/logs?{}", wanted.to_query());
        match instance.link.part(&path).await {
            Ok(mut part) => match print(&mut part).await {
                Ok(End::Whole) if !wanted.follow => return Ok(status_of::DONE),
                Ok(End::Unread) => return Ok(status_of::DONE),
                Ok(End::Whole | End::Broken) => wanted.after = Some(part.position),
                Err(error) => return Err(ClientError::Print(error)),
            },
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // One that connects again may come into the end of the supervisor.
                if wanted.after.is_some() && timeout(ENDING, instance.ended()).await.is_ok() {
                    return Ok(status_of::DONE);
                }
                return Err(ClientError::Refused {
                    name: printable(&instance.status.name),
                    why: error.to_string(),
                });
            }
            // The supervisor has become another program, or ended.
            Err(_) => {}
        }
        match instance.reopen().await {
            Err(ClientError::Ended { .. }) if wanted.follow => return Ok(status_of::DONE),
            other => other?,
        }
    }
}

/// How it came to an end.
enum End {
    /// That was all.
    Whole,
    /// The connection broke.
    Broken,
    /// Nobody reads what we print.
    Unread,
}

async fn print(part: &mut Part) -> io::Result<End> {
    let mut out = stdout().lock();
    loop {
        let lines = match part.next().await {
            Ok(Some(lines)) => lines,
            Ok(None) => return Ok(End::Whole),
            Err(_) => return Ok(End::Broken),
        };
        match out.write_all(&lines).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(End::Unread),
            written => written?,
        }
    }
}
