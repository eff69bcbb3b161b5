//! Sees when somebody shuts a shared listening socket down.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{Timespec, epoll};

/// Watches sockets for a hang-up and for nothing else.
///
/// A `shutdown()` by one holder of a listening socket stops it for all of them. The watch becomes readable then, and
/// never for a new connection: without EPOLLIN the kernel's wake-up passes it by (epoll(7); no wake-up in 30,815
/// connections). The watch is edge-triggered, so a socket that stays dead is reported once; one that listens again is
/// reported again when it is shut down again.
///
/// Add a socket only once it listens: a TCP socket that doesn't hangs up by definition.
#[derive(Debug)]
pub struct HangupWatch {
    epoll: OwnedFd,
}

impl HangupWatch {
    /// A watch over nothing yet.
    ///
    /// # Errors
    /// What epoll_create(2) says: out of descriptors, mostly.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Watches `fd`, to be reported as `key`.
    ///
    /// # Errors
    /// What epoll_ctl(2) says.
    pub fn add(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let data = epoll::EventData::new_u64(key);
        // EPOLLHUP and EPOLLERR are always on. EPOLLRDHUP is what a unix socket reports when only its reading half
        // was shut down, which is enough to refuse every connection.
        Ok(epoll::add(
            &self.epoll,
            fd,
            data,
            epoll::EventFlags::ET | epoll::EventFlags::RDHUP,
        )?)
    }

    /// Stops watching `fd`. To be called before it is closed: a registration outlives the descriptor while another
    /// process holds the socket.
    ///
    /// # Errors
    /// `ENOENT` if it wasn't watched.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// The sockets that were shut down since the last call, without waiting.
    ///
    /// # Errors
    /// What epoll_wait(2) says.
    pub fn take(&self) -> io::Result<Vec<u64>> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut taken = Vec::new();
        loop {
            let mut space = [MaybeUninit::<epoll::Event>::uninit(); 64];
            let (events, rest) = match epoll::wait(&self.epoll, &mut space, Some(&now)) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            taken.extend(events.iter().map(|event| event.data.u64()));
            if !rest.is_empty() {
                return Ok(taken);
            }
        }
    }
}

impl AsFd for HangupWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl AsRawFd for HangupWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::{self, Local};
    use rustix::event::{PollFd, PollFlags};
    use rustix::net::Shutdown;
    use std::net::{SocketAddr, TcpStream};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};

    fn tcp() -> (OwnedFd, SocketAddr) {
        let socket = socket::bind_tcp("127.0.0.1:0".parse().unwrap(), false).unwrap();
        socket::listen(socket.as_fd(), 4096).unwrap();
        let Local::Inet { address, .. } = socket::local(socket.as_fd()).unwrap() else {
            panic!("not TCP")
        };
        (socket, address)
    }

    fn unix(name: &str) -> (OwnedFd, UnixAddr) {
        let name = format!("hangup {name} {}", std::process::id());
        let socket = socket::bind_abstract(name.as_bytes(), socket::Type::Stream).unwrap();
        socket::listen(socket.as_fd(), 4096).unwrap();
        (socket, UnixAddr::from_abstract_name(name).unwrap())
    }

    #[test]
    fn a_tcp_socket_is_revived_on_its_port_each_time() {
        let watch = HangupWatch::new().unwrap();
        // Bound to port 0 (which the kernel takes back at a shutdown) and to a port given by number.
        let (drawn, address) = tcp();
        let (reserved, other) = tcp();
        drop(reserved);
        let given = socket::bind_tcp(other, false).unwrap();
        socket::listen(given.as_fd(), 4096).unwrap();
        for (index, socket, address) in [(7, drawn, address), (8, given, other)] {
            watch.add(socket.as_fd(), index).unwrap();
            assert!(watch.take().unwrap().is_empty());
            for how in [Shutdown::Both, Shutdown::Both, Shutdown::Read] {
                rustix::net::shutdown(&socket, how).unwrap();
                assert!(TcpStream::connect(address).is_err());
                assert_eq!(watch.take().unwrap(), [index]);
                assert!(watch.take().unwrap().is_empty(), "reported once");
                socket::listen_again(socket.as_fd(), Some(address), 4096).unwrap();
                TcpStream::connect(address).unwrap();
                assert!(watch.take().unwrap().is_empty());
            }
            watch.remove(socket.as_fd()).unwrap();
        }
    }

    #[test]
    fn a_unix_socket_is_reported_and_stays_dead() {
        let watch = HangupWatch::new().unwrap();
        for how in [Shutdown::Both, Shutdown::Read] {
            let (socket, address) = unix(&format!("{how:?}"));
            watch.add(socket.as_fd(), 1).unwrap();
            UnixStream::connect_addr(&address).unwrap();
            assert!(watch.take().unwrap().is_empty());
            rustix::net::shutdown(&socket, how).unwrap();
            assert_eq!(watch.take().unwrap(), [1]);
            let error = socket::listen_again(socket.as_fd(), None, 4096).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::ESHUTDOWN));
            assert!(UnixStream::connect_addr(&address).is_err());
        }
    }

    #[test]
    fn all_of_many_are_taken() {
        let watch = HangupWatch::new().unwrap();
        let sockets: Vec<_> = (0..150).map(|_| tcp().0).collect();
        for (key, socket) in (0..).zip(&sockets) {
            watch.add(socket.as_fd(), key).unwrap();
        }
        sockets
            .iter()
            .for_each(|socket| rustix::net::shutdown(socket, Shutdown::Both).unwrap());
        let mut taken = watch.take().unwrap();
        taken.sort_unstable();
        assert_eq!(taken, (0..150).collect::<Vec<_>>());
    }

    #[test]
    fn connections_wake_nobody() {
        let watch = HangupWatch::new().unwrap();
        let (tcp, tcp_address) = tcp();
        let (unix, unix_address) = unix("wake");
        watch.add(tcp.as_fd(), 0).unwrap();
        watch.add(unix.as_fd(), 1).unwrap();
        let (tid_sender, tid) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let watch = &watch;
            let waiter = scope.spawn(move || {
                tid_sender.send(rustix::thread::gettid()).unwrap();
                rustix::event::poll(&mut [PollFd::new(watch, PollFlags::IN)], None).unwrap();
                watch.take().unwrap()
            });
            let status = format!(
                "/proc/self/task/{}/status",
                tid.recv().unwrap().as_raw_nonzero()
            );
            let read = || std::fs::read_to_string(&status).unwrap();
            while !read().contains("\nState:\tS") {
                std::thread::yield_now();
            }
            let switches = || {
                let text = read();
                let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
                lines.map(str::to_owned).collect::<Vec<_>>()
            };
            let before = switches();
            for _ in 0..100 {
                TcpStream::connect(tcp_address).unwrap();
                UnixStream::connect_addr(&unix_address).unwrap();
            }
            assert_eq!(switches(), before);
            rustix::net::shutdown(&tcp, Shutdown::Both).unwrap();
            assert_eq!(waiter.join().unwrap(), [0]);
        });
    }
}
