//! `socketmaster upgrade`.

use std::io;

use hyper::Method;

use super::find::Instance;
use super::words::{printable, span};
use super::{ClientError, pace, status_of};
use crate::screen::{Mark, Screen};

/// Asks for it, and waits until the process has become another program: that closes the connection, because it is not
/// handed over.
pub(super) async fn run(mut instance: Instance, screen: &Screen) -> Result<u8, ClientError> {
    let begin = pace::now();
    let name = printable(&instance.status.name);
    let before = printable(&instance.status.version);
    match instance.link.ask(Method::POST, "/v1/upgrade").await {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let why = error.to_string();
            return Err(ClientError::Refused { name, why });
        }
        // It may be another program before it had answered.
        _ => {}
    }
    // Each question also keeps the connection from being closed as idle.
    while instance.ask().await.is_ok() {
        let took = span(pace::now() - begin);
        screen.live(&format!("  {name}: asking the new program … {took}"));
        pace::tick().await;
    }
    instance.reopen().await?;
    let (after, pid) = (printable(&instance.status.version), instance.status.pid);
    let text = format!("{name}: upgraded from version {before} to {after} (pid {pid} as before)");
    screen.marked(Mark::Good, &text);
    Ok(status_of::DONE)
}
