//! Answering listen: the moment at which a program's own socket is adopted, and at which a listener is in use.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::answer::{Answer, number};
use super::calls::Own;
use crate::core::WorkerId;
use crate::daemon::Daemon;
use crate::daemon::listeners::{Listener, Place, Spot};
use crate::sys::peer::{self, Base};
use crate::sys::seccomp::Call;
use crate::sys::socket;

impl Daemon {
    pub(super) fn listen(&mut self, id: WorkerId, call: &Call) -> Option<Answer> {
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
            if let Some(file) = own.path().filter(|file| !is_there(call.tid, file)) {
                // HAProxy binds a name of the moment and puts the file over the one of its predecessor: clients find
                // the new one at once, and nothing is ever bound a second time.
                let file = file.display();
                self.say_once(
                    id,
                    format!("{file} is not adopted: it was moved before it listened"),
                );
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
}

/// Whether the file of a unix socket is there, as we see it or as the program does.
fn is_there(tid: i32, file: &Path) -> bool {
    let seen = [file.to_owned(), peer::as_seen(tid, Base::Here, file)];
    seen.iter().any(|path| path.symlink_metadata().is_ok())
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
