//! Connections: who may speak, and for how long.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::answer::answer;
use crate::daemon::inputs::Inputs;
use crate::sys::user;

/// Clients that are served at once; the others wait to be accepted.
const CLIENTS: usize = 64;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest head of a request.
const HEAD_MAX: usize = 16 * 1024;

/// After an accept that failed for want of descriptors, say.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts and serves for as long as it is polled.
///
/// # Errors
/// Out of memory.
pub(super) fn serve(socket: OwnedFd, inputs: Inputs) -> io::Result<impl Future<Output = ()>> {
    let listener = StdListener::from(socket);
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    Ok(async move {
        let room = Arc::new(Semaphore::new(CLIENTS));
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) if may_speak(&stream) => {
                    let inputs = inputs.clone();
                    tokio::spawn(async move {
                        speak(stream, inputs).await;
                        drop(place);
                    });
                }
                Ok(_) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    })
}

/// The file's mode says it already; but who opened it before its mode was set could have waited.
fn may_speak(stream: &UnixStream) -> bool {
    let peer = stream.peer_cred().map(|peer| peer.uid());
    peer.is_ok_and(|uid| uid == 0 || uid == user::own_uid())
}

async fn speak(stream: UnixStream, inputs: Inputs) {
    let service = service_fn(|request| answer(request, inputs.clone()));
    // A client that breaks off is no error of ours.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
