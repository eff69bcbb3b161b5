//! Connections: who may speak, and for how long.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::answer::{Access, answer};
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

/// Where clients come in.
pub(super) trait Door: Send + Sync + 'static {
    /// A client.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// What its clients may do.
    const ACCESS: Access;

    /// Waits for the next client; `None` is one that may not speak.
    fn next(&self) -> impl Future<Output = io::Result<Option<Self::Stream>>> + Send;
}

/// Accepts and serves for as long as it is polled.
pub(super) async fn serve<D: Door>(door: D, inputs: Inputs) {
    let room = Arc::new(Semaphore::new(CLIENTS));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match door.next().await {
            Ok(Some(stream)) => {
                let inputs = inputs.clone();
                tokio::spawn(async move {
                    speak(stream, D::ACCESS, inputs).await;
                    drop(place);
                });
            }
            Ok(None) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl Door for UnixListener {
    type Stream = UnixStream;
    const ACCESS: Access = Access::All;

    async fn next(&self) -> io::Result<Option<UnixStream>> {
        let (stream, _) = self.accept().await?;
        Ok(Some(stream).filter(may_speak))
    }
}

/// The file's mode says it already; but who opened it before its mode was set could have waited.
fn may_speak(stream: &UnixStream) -> bool {
    let peer = stream.peer_cred().map(|peer| peer.uid());
    peer.is_ok_and(|uid| uid == 0 || uid == user::own_uid())
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    access: Access,
    inputs: Inputs,
) {
    let service = service_fn(|request| answer(request, access, inputs.clone()));
    // A client that breaks off is no error of ours.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
