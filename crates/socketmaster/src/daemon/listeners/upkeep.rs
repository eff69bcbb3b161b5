//! A listener kept as it was asked for, whatever a worker or another configuration makes of it.

use std::io;

use super::{Listener, OpenError, Reason, open};
use crate::sys::socket;
use crate::sys::socket::Local;
use crate::wire::uri::{Address, ListenUri};

impl Listener {
    /// Makes it listen with our backlog again, after a worker shrank the backlog or shut the socket down. On the
    /// same port always, even if the kernel had chosen it.
    ///
    /// # Errors
    /// `ESHUTDOWN` for a unix socket that a worker shut down: only [`Listener::reopen`] helps. `EADDRINUSE` if
    /// another program took the port in the meantime. Else what listen(2) says.
    pub fn restore_backlog(&self) -> io::Result<()> {
        if !self.takes_connections() {
            return Ok(());
        }
        let local = match self.local {
            Local::Inet { address, .. } => Some(address),
            _ => None,
        };
        socket::listen_again(self.fd(), local, self.uri.backlog)
    }

    /// Puts a new socket in the place of a unix socket that a worker shut down. The kernel never revives those, and
    /// the workers have the dead one: they must be replaced for the service to go on. Stop watching the old socket
    /// first, then watch the new one.
    ///
    /// # Errors
    /// [`Reason::Dead`] for anything but a unix path: an abstract name stays busy while a worker has the dead socket.
    /// Else as [`open_all`](super::open_all).
    pub fn reopen(&mut self) -> Result<(), OpenError> {
        let result = match (&self.uri.address, self.path) {
            (Address::UnixPath(..), Some(_)) => open::open(&self.uri),
            _ => Err(Reason::Dead),
        };
        let new = result.map_err(|reason| OpenError {
            uri: self.uri.text.clone(),
            reason,
        })?;
        *self = Self {
            key: self.key,
            adopted: self.adopted,
            ..new
        };
        Ok(())
    }

    /// Whether somebody made the socket non-blocking, for all its holders.
    ///
    /// # Errors
    /// What fcntl(2) says.
    pub fn is_nonblocking(&self) -> io::Result<bool> {
        socket::is_nonblocking(self.fd())
    }

    /// Makes the socket blocking for all its holders: only while no worker lives, since an event loop that is served
    /// a blocking socket hangs in accept(2).
    ///
    /// # Errors
    /// What fcntl(2) says.
    pub fn set_blocking(&self) -> io::Result<()> {
        socket::set_nonblocking(self.fd(), false)
    }

    /// Makes the socket non-blocking for all its holders, as a program wants it that binds its place.
    ///
    /// # Errors
    /// What fcntl(2) says.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        socket::set_nonblocking(self.fd(), true)
    }

    /// Takes care that the queue holds as many connections as a program asks for; never fewer than before.
    ///
    /// # Errors
    /// As [`Listener::restore_backlog`].
    pub fn widen_backlog(&mut self, backlog: i32) -> io::Result<()> {
        if backlog > self.uri.backlog {
            self.uri.backlog = backlog;
            self.restore_backlog()?;
        }
        Ok(())
    }

    /// Takes on what another configuration says of the same address: queue, owner and mode. A mode or an owner that is
    /// not said any more stays as it is. One that was adopted is the configuration's from then on.
    ///
    /// # Errors
    /// What listen(2), chmod(2) or chown(2) says, or there is no such user or group.
    pub fn change(&mut self, uri: &ListenUri) -> Result<(), OpenError> {
        let before = self.uri.clone();
        self.adopted = None;
        let result = (|| {
            if uri.backlog != before.backlog {
                self.uri.backlog = uri.backlog;
                self.restore_backlog()?;
            }
            let file = |uri: &ListenUri| (uri.mode, uri.owner.clone(), uri.group.clone());
            if let (Address::UnixPath(_, path), true) =
                (&before.address, file(uri) != file(&before))
                && self.path.is_some()
                && self.is_reachable()
            {
                open::permit(uri, path)?;
            }
            Ok(())
        })();
        let asked = uri.clone();
        self.uri = if before.address == asked.address {
            asked
        } else {
            // Another descriptor stands for what was asked for.
            ListenUri {
                address: before.address,
                text: before.text,
                ..asked
            }
        };
        result.map_err(|reason| OpenError {
            uri: self.uri.text.clone(),
            reason,
        })
    }
}
