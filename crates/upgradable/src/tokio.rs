//! Listeners for tokio.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::address::Address;
use crate::conn::Conn;
use crate::error::Error;
use crate::gate::Stage;
use crate::listener::{self, Accepted, Layer, Open, Pause};
use crate::server::Server;
use crate::shared::Ticket;
use crate::sys::socket;

/// A listening socket. Connections are accepted by one task and handed to others.
pub struct Listener<S = Stream> {
    pub(crate) server: Server,
    address: Address,
    layer: Layer<Stream, S>,
    open: Option<(Watched, Arc<Open>)>,
    pause: Pause,
}

/// Deregistered from the runtime when it is dropped, which closes a duplicate: the socket itself may live on.
#[derive(Debug)]
enum Watched {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl crate::Listener {
    /// The same for tokio. Call it in the runtime that is to accept, which needs I/O and time.
    ///
    /// # Errors
    /// [`Error::Runtime`]: out of descriptors; or the listener has a layer already, which knows only blocking streams:
    /// [`wrap`](Listener::wrap) what this returns.
    ///
    /// # Panics
    /// There is no runtime, or one without I/O.
    pub fn into_tokio(self) -> Result<Listener, Error> {
        if self.is_wrapped {
            let error = io::Error::other("wrap it after into_tokio, not before");
            return Err(Error::Runtime(self.address.to_string(), error));
        }
        let open = self.take_open();
        let open =
            open.map(|open| Watched::new(&open.fd, &self.address).map(|watched| (watched, open)));
        let open = open
            .transpose()
            .map_err(|error| Error::Runtime(self.address.to_string(), error))?;
        Ok(Listener {
            server: self.server,
            address: self.address,
            layer: Box::new(|stream| stream),
            open,
            pause: Pause::default(),
        })
    }
}

impl Watched {
    fn new(fd: &OwnedFd, address: &Address) -> io::Result<Self> {
        let fd = fd.try_clone()?;
        match address {
            Address::Ip(_) => TcpListener::from_std(fd.into()).map(Self::Tcp),
            _ => UnixListener::from_std(fd.into()).map(Self::Unix),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, Address)>> {
        match self {
            Self::Tcp(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, peer)| (Stream::Tcp(stream), Address::Ip(peer))),
            Self::Unix(listener) => listener
                .poll_accept(cx)
                .map_ok(|(stream, _)| (Stream::Unix(stream), Address::Unnamed)),
        }
    }
}

impl<S> Listener<S> {
    /// Where it is bound: the port that the system chose, if 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Puts a layer of your own around each connection: counting, limiting, encrypting.
    pub fn wrap<T>(self, layer: impl Fn(S) -> T + Send + Sync + 'static) -> Listener<T>
    where
        S: 'static,
    {
        let inner = self.layer;
        Listener {
            server: self.server,
            address: self.address,
            layer: Box::new(move |stream| layer(inner(stream))),
            open: self.open,
            pause: self.pause,
        }
    }

    /// Waits for the next connection; `None` when there will be no more. As
    /// [`upgradable::Listener::accept`](crate::Listener::accept) in all. Dropping the future loses no connection.
    pub async fn accept(&mut self) -> Option<Conn<S>> {
        let server = self.server.clone();
        let shared = &server.shared;
        if !shared.options.explicit_ready {
            shared.ready();
        }
        crate::Until::new(&shared.gate, Stage::Serving).await;
        let mut leaving = server.leaving();
        loop {
            let (watched, _) = self.open.as_ref()?;
            let accepted = std::future::poll_fn(|cx| {
                if Pin::new(&mut leaving).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                let ticket = Ticket::connection(shared);
                // The ticket first, and then the look: as in `listener::accept`.
                if leaving.is_reached() {
                    return Poll::Ready(None);
                }
                watched
                    .poll_accept(cx)
                    .map(|accepted| Some((accepted, ticket)))
            });
            match accepted.await {
                None => return self.rest(),
                Some((Ok((stream, peer)), ticket)) => {
                    self.pause = Pause::default();
                    return Some(Conn::new((self.layer)(stream), peer, ticket));
                }
                Some((Err(error), ticket)) => {
                    drop(ticket);
                    self.rest_after(&error, &mut leaving).await;
                }
            }
        }
    }

    /// Tries again soon, or when it is time to go.
    async fn rest_after(&mut self, error: &io::Error, leaving: &mut crate::Until) {
        if matches!(
            error.kind(),
            io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
        ) {
            return;
        }
        let span = self.pause.after(error, &self.server.shared, &self.address);
        let _ = ::tokio::time::timeout(span, leaving).await;
    }

    /// What waits in the queue, where nobody else will serve it.
    fn rest(&mut self) -> Option<Conn<S>> {
        let shared = &self.server.shared;
        loop {
            let (_, open) = self.open.as_ref()?;
            match listener::accept(shared, open) {
                Accepted::One(fd, peer, ticket) => {
                    if let Ok(stream) = Stream::new(fd, &self.address) {
                        return Some(Conn::new((self.layer)(stream), peer, ticket));
                    }
                }
                Accepted::Again => {}
                Accepted::None | Accepted::NoMore | Accepted::Failed(_) => self.open = None,
            }
        }
    }
}

impl<S> fmt::Debug for Listener<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What was accepted.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Stream {
    fn new(fd: OwnedFd, listener: &Address) -> io::Result<Self> {
        socket::set_nonblocking(&fd)?;
        match listener {
            Address::Ip(_) => TcpStream::from_std(fd.into()).map(Self::Tcp),
            _ => UnixStream::from_std(fd.into()).map(Self::Unix),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Conn<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Conn<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        (**self).is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self).poll_shutdown(cx)
    }
}
