//! HTTP over a listener, with goodbyes that lose nothing.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::time::{Instant, sleep_until};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tower_service::Service;

use crate::conn::Conn;
use crate::error::Error;
use crate::gate::Until;
use crate::tokio::Listener;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Listener<S> {
    /// Serves HTTP/1.1 and HTTP/2 until the server has left: an axum `Router`, or any other tower service of requests.
    /// Each request carries the [`Address`](crate::Address) of its client as an extension.
    ///
    /// When it is time to go, each HTTP/1.1 answer says `Connection: close` and each HTTP/2 connection gets GOAWAY;
    /// idle connections are closed only after the lame duck, and none before it could send its first request. What
    /// was upgraded to another protocol (a WebSocket) counts as open until it is dropped.
    ///
    /// # Errors
    /// [`Error::Cut`]: the drain timeout came before the end of all connections.
    pub async fn serve<A, B>(mut self, app: A) -> Result<(), Error>
    where
        A: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        A: Clone + Send + 'static,
        A::Future: Send,
        B: Body<Data: Send, Error: Into<AnyError>> + Send + 'static,
    {
        while let Some(conn) = self.accept().await {
            ::tokio::spawn(serve(conn, app.clone(), self.server.clone()));
        }
        self.server.drained().await
    }
}

async fn serve<S, A, B>(conn: Conn<S>, app: A, server: crate::Server)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    A: Clone + Send + 'static,
    A::Future: Send,
    B: Body<Data: Send, Error: Into<AnyError>> + Send + 'static,
{
    let first_byte = Instant::now() + server.shared.options.first_byte;
    let (mut leaving, mut closing) = (server.leaving(), server.closing());
    let spoken = Arc::new(Spoken::default());
    let service = Polite {
        app,
        peer: conn.peer().clone(),
        leaving: server.leaving(),
        spoken: Arc::clone(&spoken),
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // WebSockets over HTTP/2: RFC 8441.
    builder.http2().enable_connect_protocol();
    let service = TowerToHyperService::new(service);
    let mut http = pin!(builder.serve_connection_with_upgrades(TokioIo::new(conn), service));

    // How it ended is the client's doing, or has been told to the app.
    if ends_before(http.as_mut(), &mut leaving).await {
        return;
    }
    if spoken.is_http2() {
        // GOAWAY: what the client has sent by then is answered.
        http.as_mut().graceful_shutdown();
        let _ = http.await;
        return;
    }
    // From now on an HTTP/1.1 connection ends after its next answer.
    if ends_before(http.as_mut(), &mut closing).await {
        return;
    }
    if !spoken.is_any() {
        // Its first request may be on the way.
        let patience = pin!(sleep_until(first_byte));
        if ends_before(http.as_mut(), patience).await {
            return;
        }
    }
    http.as_mut().graceful_shutdown();
    let _ = http.await;
}

/// Drives a connection, and says whether it ended before the moment came.
async fn ends_before(
    mut http: Pin<&mut impl Future>,
    mut moment: impl Future<Output = ()> + Unpin,
) -> bool {
    poll_fn(|cx| {
        if http.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut moment).poll(cx).map(|()| false)
    })
    .await
}

/// What has been spoken on a connection so far.
#[derive(Debug, Default)]
struct Spoken(AtomicU8);

impl Spoken {
    fn note(&self, version: Version) {
        let number = if version == Version::HTTP_2 { 2 } else { 1 };
        self.0.store(number, Ordering::Relaxed);
    }

    fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    fn is_http2(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 2
    }
}

/// The app, and goodbye with each answer when it is time to go.
#[derive(Clone)]
struct Polite<A> {
    app: A,
    peer: crate::Address,
    leaving: Until,
    spoken: Arc<Spoken>,
}

impl<A, B> Service<Request<Incoming>> for Polite<A>
where
    A: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = PoliteAnswer<A::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.app.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let version = request.version();
        self.spoken.note(version);
        request.extensions_mut().insert(self.peer.clone());
        PoliteAnswer {
            answer: Box::pin(self.app.call(request)),
            leaving: self.leaving.clone(),
            close: version < Version::HTTP_2,
        }
    }
}

struct PoliteAnswer<F> {
    answer: Pin<Box<F>>,
    leaving: Until,
    /// The protocol says goodbye by a header.
    close: bool,
}

impl<F, B> Future for PoliteAnswer<F>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    type Output = Result<Response<B>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = self.answer.as_mut().poll(cx);
        answer.map_ok(|mut answer| {
            // An upgrade's header of that name has another meaning.
            if self.close
                && self.leaving.is_reached()
                && answer.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                answer
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        })
    }
}
