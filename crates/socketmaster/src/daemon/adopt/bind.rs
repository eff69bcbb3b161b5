//! Answering bind: a listener's place is given, another one is left to the kernel.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::answer::{Answer, number};
use super::calls::Own;
use super::patterns::is_adopted;
use crate::core::WorkerId;
use crate::daemon::Daemon;
use crate::daemon::listeners::{Listener, Place, Spot};
use crate::sys::options::{self, Change};
use crate::sys::peer::{self, Base};
use crate::sys::seccomp::{self, Call};
use crate::sys::socket::{self, Family, Type};
use crate::sys::waiting;
use crate::wire::sockaddr::{self, SockAddr};

impl Daemon {
    pub(super) fn bind(&mut self, id: WorkerId, call: &Call) -> Option<Answer> {
        // Longer ones the kernel refuses.
        let length = usize::try_from(number(call.args[2])).ok();
        let length = length.filter(|length| *length <= sockaddr::LONGEST)?;
        let address = sockaddr::parse(&peer::read_memory(call.tid, call.args[1], length))?;
        let copy = self.socket_of(id, call)?;
        let inode = socket::inode(copy.as_fd()).ok()?;
        if self.calls(id)?.seen.unheard.remove(&call.tid) && self.sockets.of_inode(inode).is_some()
        {
            return Some(Answer::Done);
        }
        if !fits(&copy, &address) {
            return None;
        }
        let place = Place::to_be(copy.as_fd(), spot(call.tid, &address, &copy)?).ok()?;
        let file = match &address {
            SockAddr::Path(path) => peer::absolute(call.tid, path),
            _ => None,
        };
        if let Some(held) = self.sockets.at(&place)
            && held.is_reachable()
        {
            let held = held.inode();
            return self.take_place(id, call, held, &copy, &place);
        }
        self.warn_of_near_miss(id, call.tid, &place, file.as_deref());
        if is_adopted(&self.recipe_of(id).config, &place, file.as_deref())
            && !self.is_chosen_port(id, &place)
        {
            let datagrams = place.kind == Type::Datagram;
            let own = Own {
                place,
                file: file.map(Into::into),
                holder: (call.tid, number(call.args[0])),
            };
            self.calls(id)?.remember(inode, own);
            if datagrams {
                // No listen will tell that it is used.
                self.look_later(id, inode);
            }
        }
        Some(Answer::GoOn)
    }

    /// Puts the listener in the place of the socket that is to be bound there.
    pub(super) fn take_place(
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
        if waiting::is_registered(call.tid, socket::inode(copy.as_fd()).ok()?) {
            self.calls(id)?.seen.early.insert(held);
            let tid = call.tid;
            self.say_once(
                id,
                format!(
                    "{tid} has registered the socket with epoll before it binds it to {text}: it will not hear of \
                     connections there, and is not ready before it is seen waiting for them"
                ),
            );
        }
        self.carry_over(id, root.unwrap_or(call.tid), copy, &ours, &text);
        if let Err(error) = self.put(id, call, &ours, copy) {
            // A signal has taken the call away, or the thread's end: then there is nobody to give it to.
            if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) {
                self.say_once(id, format!("Cannot give {text} to {}: {error}", call.tid));
            }
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
        // Its own last: a bind that is taken away before that begins anew with what is not done yet.
        numbers.retain(|number| *number != own);
        numbers.push(own);
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

    fn warn_of_near_miss(&mut self, id: WorkerId, tid: i32, place: &Place, file: Option<&Path>) {
        let near = |l: &&Listener| l.place().is_some_and(|held| held.nearly(place));
        let Some(listener) = self.sockets.listeners().iter().find(near) else {
            return;
        };
        let (held, wanted) = (listener.actual(), place.uri(file));
        let cure = match listener.adopted() {
            None => format!("write -listen {wanted} instead"),
            Some(_) => {
                "the program gets what the kernel says, most likely EADDRINUSE; stop and start the service to have \
                 another address"
                    .into()
            }
        };
        self.say_once(
            id,
            format!(
                "{tid} binds {wanted}, and the listener held is {held}: they must be the same to the letter; {cure}"
            ),
        );
    }
}

/// Whether the kernel would bind this socket to an address of this kind: it is of that family, and bound to none yet.
fn fits(socket: &OwnedFd, address: &SockAddr) -> bool {
    let family = match address {
        SockAddr::Inet(address) if address.is_ipv4() => Family::V4,
        SockAddr::Inet(_) => Family::V6,
        SockAddr::Path(_) | SockAddr::Abstract(_) => Family::Unix,
    };
    socket::family(socket.as_fd()).is_ok_and(|own| own == family)
        && Place::of(socket.as_fd()).is_ok_and(|place| place.is_none())
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
