//! `socketmaster stop`.

use hyper::Method;

use super::find::Instance;
use super::words::{printable, span};
use super::{ClientError, pace, status_of};
use crate::screen::{Mark, Screen};

/// Asks for the end, and waits for it. One that ends already is not asked again: the second time kills.
pub(super) async fn run(mut instance: Instance, screen: &Screen) -> Result<u8, ClientError> {
    let begin = pace::now();
    let name = printable(&instance.status.name);
    let pid = instance.status.pid;
    if instance.status.stopping {
        screen.line(&format!("{name}: is stopping already (pid {pid})"));
    } else {
        let asked = instance.link.ask(Method::POST, "/v1/stop").await;
        // It may have ended before it had answered.
        if let Err(error) = asked
            && error.kind() == std::io::ErrorKind::PermissionDenied
        {
            return Err(ClientError::Refused {
                name,
                why: error.to_string(),
            });
        }
        if !screen.is_live() {
            screen.line(&format!("{name}: stopping (pid {pid})"));
        }
    }
    let mut left = instance.status.workers.len();
    loop {
        tokio::select! {
            () = instance.ended() => break,
            () = pace::tick() => {}
        }
        if let Ok(status) = instance.ask().await {
            left = status.workers.len();
        }
        let took = span(pace::now() - begin);
        let processes = if left == 1 { "process" } else { "processes" };
        screen.live(&format!(
            "  {name}: stopping … {left} {processes} left … {took}"
        ));
    }
    let took = span(pace::now() - begin);
    screen.marked(Mark::Good, &format!("{name}: stopped after {took}"));
    Ok(status_of::DONE)
}
