//! Answering the calls.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use super::calls::{Calls, Own};
use super::patterns;
use crate::config::{Adopt, Config};
use crate::core::WorkerId;
use crate::daemon::Daemon;
use crate::daemon::listeners::{Listener, Place, Spot};
use crate::sys::options::{self, Change};
use crate::sys::peer::{self, Base};
use crate::sys::seccomp::{self, Call, Trapped};
use crate::sys::socket::{self, Type};
use crate::sys::waiting;
use crate::wire::sockaddr::{self, SockAddr};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// It is done, by us.
    Done,
    /// The kernel runs it.
    GoOn,
}

/// unlinkat(2): the one flag, with which it removes a directory.
const AT_REMOVEDIR: u64 = 0x200;

/// The file descriptor that means the working directory (openat(2)).
const AT_FDCWD: i32 = -100;

impl Daemon {
    /// A process of the worker waits for our answer.
    pub(in crate::daemon) fn answer(&mut self, id: WorkerId, call: Call) {
        self.log.taken(id, &call);
        let Some(calls) = self.calls(id) else {
            // The worker has gone; a process that it left behind may still wait.
            return self.log.go_on(id, &call);
        };
        let notify = Arc::clone(&calls.notify);
        let answer = match call.trapped {
            Trapped::Bind => self.bind(id, &call),
            Trapped::Listen => self.listen(id, &call),
            Trapped::Unlink => self.unlink(&call, AT_FDCWD, call.args[0]),
            Trapped::UnlinkAt if call.args[2] & AT_REMOVEDIR == 0 => {
                self.unlink(&call, number(call.args[0]), call.args[1])
            }
            Trapped::IoUringSetup => {
                if let Some(calls) = self.calls(id) {
                    calls.seen.uses_ring = true;
                }
                None
            }
            Trapped::UnlinkAt | Trapped::Other => None,
        };
        match answer.unwrap_or(Answer::GoOn) {
            Answer::Done => seccomp::succeed(notify.as_fd(), call.id),
            Answer::GoOn => seccomp::go_on(notify.as_fd(), call.id),
        }
    }

    pub(super) fn calls(&mut self, id: WorkerId) -> Option<&mut Calls> {
        match self.workers.get_mut(&id) {
            Some(worker) => worker.calls.as_mut(),
            None => self.remnants.get_mut(&id).map(|left| &mut left.calls),
        }
    }

    /// Says it once for each worker.
    fn say_once(&mut self, id: WorkerId, text: String) {
        if self.calls(id).is_some_and(|calls| calls.is_news(&text)) {
            self.log.say(text);
        }
    }

    /// A copy of the socket that the call is about, if it still waits.
    fn socket_of(&mut self, id: WorkerId, call: &Call) -> Option<OwnedFd> {
        let copy = peer::copy_fd(call.tid, number(call.args[0]));
        let calls = self.calls(id)?;
        if !seccomp::is_waiting(calls.notify.as_fd(), call.id) {
            return None;
        }
        match copy {
            Ok(copy) => Some(copy),
            // The program's mistake, and the kernel's to tell.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => None,
            Err(error) => {
                let tid = call.tid;
                self.say_once(
                    id,
                    format!(
                        "Cannot look at a socket of {tid} ({error}): what it binds is not adopted. A program of another \
                         user, or one that does not let itself be looked at, needs a socketmaster with CAP_SYS_PTRACE"
                    ),
                );
                None
            }
        }
    }

    fn bind(&mut self, id: WorkerId, call: &Call) -> Option<Answer> {
        let length = usize::try_from(call.args[2]).ok()?.min(sockaddr::LONGEST);
        let address = sockaddr::parse(&peer::read_memory(call.tid, call.args[1], length))?;
        let copy = self.socket_of(id, call)?;
        let inode = socket::inode(copy.as_fd()).ok()?;
        let kind = socket::socket_type(copy.as_fd()).ok()?;
        let spot = spot(call.tid, &address, &copy)?;
        let place = Place { kind, spot };
        let file = match &address {
            SockAddr::Path(path) => Some(peer::absolute(call.tid, path)),
            _ => None,
        };
        if let Some(held) = self.sockets.at(&place)
            && held.is_reachable()
        {
            let held = held.inode();
            return self.take_place(id, call, held, &copy, &place);
        }
        self.warn_of_near_miss(id, call.tid, &place, file.as_deref());
        if is_adopted(&self.recipe.config, &place, file.as_deref()) {
            let own = Own {
                place,
                file: file.map(Into::into),
                holder: (call.tid, number(call.args[0])),
            };
            self.calls(id)?.seen.own.insert(inode, own);
            if kind == Type::Datagram {
                // No listen will tell that it is used.
                self.look_later(id, inode);
            }
        }
        Some(Answer::GoOn)
    }

    /// Puts the listener in the place of the socket that is to be bound there.
    fn take_place(
        &mut self,
        id: WorkerId,
        call: &Call,
        held: u64,
        copy: &OwnedFd,
        place: &Place,
    ) -> Option<Answer> {
        // Twice in one generation is what the program means if it shares ports, and else a mistake that the kernel has
        // to tell it; unless it let go of the first, as those do that look whether a port is free.
        let again = self.calls(id)?.seen.bound.contains(&held);
        let root = self.workers.get(&id).map(|worker| worker.child.pid());
        let shares = socket::is_port_shared(copy.as_fd()).unwrap_or(false);
        if again && !shares && root.is_some_and(|pid| waiting::is_held(pid, held)) {
            return Some(Answer::GoOn);
        }
        let nonblocking = socket::is_nonblocking(copy.as_fd()).unwrap_or(false);
        let listener = self.sockets.of_inode(held)?;
        if nonblocking {
            // Never the other way round: that would hang the event loop of an older generation in accept.
            let _ = listener.set_nonblocking();
        }
        let ours = listener.fd().try_clone_to_owned().ok()?;
        let text = place.to_string();
        self.carry_over(id, root.unwrap_or(call.tid), copy, &ours, &text);
        if let Err(error) = self.put(id, call, &ours, copy) {
            self.say_once(id, format!("Cannot give {text} to {}: {error}", call.tid));
            return None;
        }
        let seen = &mut self.calls(id)?.seen;
        seen.bound.insert(held);
        if place.kind == Type::Datagram {
            seen.listened.insert(held);
        }
        self.claimed(id);
        Some(Answer::Done)
    }

    /// What the program has set on its socket, it means for the one that it gets.
    fn carry_over(&mut self, id: WorkerId, pid: i32, copy: &OwnedFd, ours: &OwnedFd, text: &str) {
        for change in options::carry_over(copy.as_fd(), ours.as_fd()) {
            let Change { name, old, new, .. } = &change;
            self.say_once(
                id,
                match &change.refused {
                    None => format!(
                        "{pid} sets {name} to {new} on {text} (it was {old}), for all who hold it"
                    ),
                    Some(error) => format!(
                        "{pid} sets {name} to {new} on {text}, but it stays {old} on the socket held: {error}"
                    ),
                },
            );
        }
    }

    /// Under every number that the process has the socket by: a duplicate made before the bind means the same socket.
    fn put(&mut self, id: WorkerId, call: &Call, ours: &OwnedFd, copy: &OwnedFd) -> io::Result<()> {
        let inode = socket::inode(copy.as_fd())?;
        let mut numbers = peer::numbers_of(call.tid, inode);
        let own = number(call.args[0]);
        if !numbers.contains(&own) {
            numbers.push(own);
        }
        let Some(calls) = self.calls(id) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        for number in numbers {
            let close_on_exec = peer::is_close_on_exec(call.tid, number).unwrap_or(false);
            let notify = calls.notify.as_fd();
            seccomp::put(notify, call.id, ours.as_fd(), number, close_on_exec)?;
        }
        Ok(())
    }

    fn listen(&mut self, id: WorkerId, call: &Call) -> Option<Answer> {
        let copy = self.socket_of(id, call)?;
        let inode = socket::inode(copy.as_fd()).ok()?;
        // As the kernel reads it; it makes the best of what is negative or too large (`__sys_listen`).
        let backlog = match number(call.args[1]) {
            negative if negative < 0 => i32::MAX,
            backlog => backlog,
        };
        if let Some(listener) = self.sockets.of_inode(inode) {
            let _ = listener.widen_backlog(backlog);
        } else {
            let own = self.calls(id)?.seen.own.remove(&inode)?;
            if !is_bound_there(&copy, &own.place) {
                return None;
            }
            match self.sockets.at(&own.place).filter(|l| l.is_reachable()) {
                // Bound twice before the first listened: they share the port, and now one socket.
                Some(held) => {
                    let held = held.inode();
                    self.take_place(id, call, held, &copy, &own.place)?;
                    let seen = &mut self.calls(id)?.seen;
                    seen.listened.insert(held);
                    return Some(Answer::Done);
                }
                None => self.adopt(id, call.tid, copy, own, backlog)?,
            }
        }
        let seen = &mut self.calls(id)?.seen;
        seen.bound.insert(inode);
        seen.listened.insert(inode);
        self.claimed(id);
        Some(Answer::Done)
    }

    /// Takes charge of a socket of the program's own. `None` if that cannot be: the kernel will tell it why.
    pub(super) fn adopt(
        &mut self,
        id: WorkerId,
        tid: i32,
        copy: OwnedFd,
        own: Own,
        backlog: i32,
    ) -> Option<()> {
        // A unix socket whose file was removed by somebody: nobody reaches it any more, and this one takes its place.
        let place = own.place.clone();
        let old = |l: &Listener| l.place() == Some(&place);
        for dead in self.sockets.release(old) {
            dead.remove_path();
        }
        let file = own.path();
        let listener = Listener::adopt(copy, own.place, file.as_deref(), backlog, id).ok()?;
        let text = listener.actual();
        self.sockets.hold(listener).ok()?;
        self.log.say(format!("Adopted {text}, bound by {tid}"));
        Some(())
    }

    /// A file that all generations share must not go with one of them.
    fn unlink(&mut self, call: &Call, directory: i32, path: u64) -> Option<Answer> {
        let path = peer::read_path(call.tid, path)?;
        let name = path.file_name()?;
        // A look at the file system may wait for a disk that is gone: only where the name speaks for it.
        let ours = |listener: &&Listener| {
            let place = listener.place().map(|place| &place.spot);
            matches!(place, Some(Spot::Entry(entry)) if entry.name == name)
        };
        let mut candidates = self.sockets.listeners().iter().filter(ours).peekable();
        candidates.peek()?;
        let base = match directory {
            AT_FDCWD => Base::Here,
            number => Base::Directory(number),
        };
        let entry = Spot::Entry(peer::entry(call.tid, base, &path).ok()?);
        let meant = |l: &Listener| l.place().is_some_and(|place| place.spot == entry);
        candidates
            .any(|listener| meant(listener) && listener.is_reachable())
            .then_some(Answer::Done)
    }

    fn warn_of_near_miss(&mut self, id: WorkerId, tid: i32, place: &Place, file: Option<&Path>) {
        let near = |l: &&Listener| l.place().is_some_and(|held| held.nearly(place));
        let Some(listener) = self.sockets.listeners().iter().find(near) else {
            return;
        };
        let (held, wanted) = (listener.actual(), place.uri(file));
        self.say_once(
            id,
            format!(
                "{tid} binds {wanted}, and the listener held is {held}: they must be the same to the letter. The program \
                 gets what the kernel says, most likely EADDRINUSE"
            ),
        );
    }
}

/// Whether a socket at this place is to be held for later generations.
pub(super) fn is_adopted(config: &Config, place: &Place, file: Option<&Path>) -> bool {
    match &config.adopt {
        None => false,
        // Who binds a port for datagrams may be a client: it is adopted only if the operator names it.
        Some(Adopt::Anything) => place.kind != Type::Datagram,
        Some(Adopt::These(uris)) => uris.iter().any(|uri| patterns::admits(uri, place, file)),
    }
}

/// The low half of a register, as the kernel reads an `int`.
fn number(register: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "what the kernel does")]
    let low = register as u32;
    low.cast_signed()
}

fn spot(tid: i32, address: &SockAddr, socket: &OwnedFd) -> Option<Spot> {
    Some(match address {
        SockAddr::Inet(address) => Spot::Inet {
            address: *address,
            v6only: address.is_ipv6() && socket::is_v6only(socket.as_fd()).ok()?,
        },
        SockAddr::Path(path) => Spot::Entry(peer::entry(tid, Base::Here, path).ok()?),
        SockAddr::Abstract(name) => Spot::Abstract(name.clone()),
    })
}

/// Whether the bind that went on did what it was to do, and nothing has changed since.
pub(super) fn is_bound_there(socket: &OwnedFd, place: &Place) -> bool {
    match (socket::local(socket.as_fd()), &place.spot) {
        (Ok(socket::Local::Path(path)), Spot::Entry(entry)) => {
            path.file_name() == Some(&entry.name)
        }
        (Ok(_), _) => Place::of(socket.as_fd()).is_ok_and(|now| now.as_ref() == Some(place)),
        (Err(_), _) => false,
    }
}
