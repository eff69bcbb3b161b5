//! A limit on what all connections together may send, as a layer around each: the standard library's streams know
//! nothing of it, and neither does the server. `cargo run -p upgradable --example rate_limit`.

use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::{Router, routing::get};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Bytes a second, and the most at once.
const LIMIT: NonZeroU32 = NonZeroU32::new(256 * 1024).unwrap();

#[tokio::main]
async fn main() -> Result<(), upgradable::Error> {
    let server = upgradable::Server::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let app = Router::new().route("/", get(async || "x".repeat(512 * 1024)));

    let limiter = Arc::new(RateLimiter::direct(Quota::per_second(LIMIT)));
    let listener = server.listen(address)?.into_tokio()?;
    listener
        .wrap(move |stream| Limited::new(stream, &limiter))
        .serve(app)
        .await
}

/// A stream that sends no faster than the limiter, which it shares with others, allows.
struct Limited<S> {
    stream: S,
    limiter: Arc<DefaultDirectRateLimiter>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Limited<S> {
    fn new(stream: S, limiter: &Arc<DefaultDirectRateLimiter>) -> Self {
        let limiter = Arc::clone(limiter);
        Self {
            stream,
            limiter,
            pause: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            if let Some(pause) = &mut this.pause {
                std::task::ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            // What the stream does not take of it counts all the same: the limit is kept, if not reached.
            let bytes = &bytes[..bytes.len().min(16 * 1024)];
            let Some(length) = u32::try_from(bytes.len()).ok().and_then(NonZeroU32::new) else {
                return Pin::new(&mut this.stream).poll_write(cx, bytes);
            };
            match this.limiter.check_n(length) {
                Ok(Err(not_yet)) => {
                    let span = not_yet.wait_time_from(DefaultClock::default().now());
                    this.pause = Some(Box::pin(sleep(span)));
                }
                _ => return Pin::new(&mut this.stream).poll_write(cx, bytes),
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
