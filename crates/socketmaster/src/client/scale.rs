//! `socketmaster scale`.

use super::find::Instance;
use super::words::{count, printable};
use super::{ClientError, status_of};
use crate::screen::{Mark, Screen};
use crate::wire::control::ScaleRequest;

/// Asks for so many workers; what comes of it is for `status` to show.
pub(super) async fn run(
    mut instance: Instance,
    workers: u32,
    screen: &Screen,
) -> Result<u8, ClientError> {
    let name = printable(&instance.status.name);
    let wanted = ScaleRequest { workers };
    if let Err(error) = instance.link.tell("/v1/scale", &wanted).await {
        let why = error.to_string();
        return Err(ClientError::Refused { name, why });
    }
    let when = if instance.status.reloading {
        ", when the reload is over"
    } else {
        ""
    };
    let wanted = count(workers as usize, "worker");
    screen.marked(Mark::Good, &format!("{name}: {wanted} wanted{when}"));
    Ok(status_of::DONE)
}
