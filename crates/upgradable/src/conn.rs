//! One connection.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::TcpStream;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::address::Address;
use crate::gate::{Stage, Until};
use crate::shared::Ticket;

/// A connection that counts as open until it is dropped. It is its stream in all else.
#[derive(Debug)]
pub struct Conn<S = Stream> {
    stream: S,
    peer: Address,
    ticket: Ticket,
}

impl<S> Conn<S> {
    pub(crate) fn new(stream: S, peer: Address, ticket: Ticket) -> Self {
        Self {
            stream,
            peer,
            ticket,
        }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Address {
        &self.peer
    }

    /// Puts a layer of your own around the stream. The result still counts.
    pub fn map<T>(self, layer: impl FnOnce(S) -> T) -> Conn<T> {
        Conn {
            stream: layer(self.stream),
            peer: self.peer,
            ticket: self.ticket,
        }
    }

    /// From when on the client is to be asked to go; see [`Server::leaving`](crate::Server::leaving).
    pub fn leaving(&self) -> Until {
        Until::new(&self.ticket.shared().gate, Stage::Leaving)
    }
}

impl<S> Deref for Conn<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.stream
    }
}

impl<S> DerefMut for Conn<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}

impl<S: Read> Read for Conn<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.stream.read_vectored(buffers)
    }
}

impl<S: Write> Write for Conn<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What was accepted. It blocks.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

impl Stream {
    pub(crate) fn new(fd: OwnedFd, listener: &Address) -> Self {
        match listener {
            Address::Ip(_) => Self::Tcp(fd.into()),
            Address::Unix(_) | Address::Abstract(_) | Address::Unnamed => Self::Unix(fd.into()),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).read(buffer),
            Stream::Unix(stream) => (&mut &*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write(bytes),
            Stream::Unix(stream) => (&mut &*stream).write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&mut &*stream).write_vectored(slices),
            Stream::Unix(stream) => (&mut &*stream).write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&mut &*self).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}
