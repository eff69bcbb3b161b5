//! Connections: who may speak, and for how long.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};

use super::answer::{self, Access, answer};
use super::room::{Presence, Room};
use crate::daemon::inputs::Inputs;
use crate::sys::user;

/// How long a client may take to say what it wants: for the head of its request, and again for the body.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest head of a request, and the longest body.
const HEAD_MAX: usize = 16 * 1024;
const BODY_MAX: usize = 64 * 1024;

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
    let mut room = Room::default();
    loop {
        match door.next().await {
            Ok(Some(stream)) => {
                let inputs = inputs.clone();
                room.admit(|presence| speak(stream, D::ACCESS, presence, inputs))
                    .await;
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
    peer.is_ok_and(user::is_trusted)
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    access: Access,
    presence: Presence,
    inputs: Inputs,
) {
    let service = service_fn(|request| {
        let (presence, inputs) = (presence.clone(), inputs.clone());
        async move {
            let request = hear(request).await;
            presence.asks();
            let answer = match request {
                Ok(request) => answer(&request, access, inputs).await,
                Err(why) => answer::bad_request(why),
            };
            Ok::<_, Infallible>(answer.map(|body| presence.told(body)))
        }
    });
    // A client that breaks off is no error of ours.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The whole request, or why it cannot be had.
async fn hear(request: Request<Incoming>) -> Result<Request<Bytes>, String> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX).collect();
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => Ok(Request::from_parts(head, body.to_bytes())),
        Ok(Err(why)) => Err(format!("cannot read the request: {why}")),
        Err(_) => Err("the request did not come in time".into()),
    }
}
