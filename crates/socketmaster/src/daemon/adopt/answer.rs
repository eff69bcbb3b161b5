//! Answering the calls.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use super::Calls;
use super::unlink::AT_FDCWD;
use crate::core::WorkerId;
use crate::daemon::Daemon;
use crate::sys::peer;
use crate::sys::seccomp::{self, Call, Trapped};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It is done, by us.
    Done,
    /// The kernel runs it.
    GoOn,
}

/// unlinkat(2): the one flag, with which it removes a directory.
const AT_REMOVEDIR: u64 = 0x200;

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
            Answer::Done => {
                let heard = seccomp::succeed(notify.as_fd(), call.id);
                if !heard && call.trapped == Trapped::Bind {
                    self.unheard(id, call.tid);
                }
            }
            Answer::GoOn => seccomp::go_on(notify.as_fd(), call.id),
        }
    }

    /// A listener took the place of the thread's socket, and a signal came before the answer. The same bind comes again,
    /// of a socket that is bound by now.
    fn unheard(&mut self, id: WorkerId, tid: i32) {
        if let Some(calls) = self.calls(id) {
            calls.seen.unheard.insert(tid);
        }
    }

    pub(super) fn calls(&mut self, id: WorkerId) -> Option<&mut Calls> {
        match self.workers.get_mut(&id) {
            Some(worker) => worker.calls.as_mut(),
            None => self.remnants.get_mut(&id).map(|left| &mut left.calls),
        }
    }

    /// Says it once for each worker.
    pub(super) fn say_once(&mut self, id: WorkerId, text: String) {
        if self.calls(id).is_some_and(|calls| calls.is_news(&text)) {
            self.log.say(text);
        }
    }

    /// A copy of the socket that the call is about, if it still waits.
    pub(super) fn socket_of(&mut self, id: WorkerId, call: &Call) -> Option<OwnedFd> {
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
                let cure = match error.raw_os_error() {
                    Some(libc::EMFILE | libc::ENFILE) => {
                        "socketmaster has as many descriptors as it may: raise the limit (LimitNOFILE=, ulimit -n)"
                    }
                    _ => {
                        "a program of another user, or one that does not let itself be looked at, needs a socketmaster \
                         with CAP_SYS_PTRACE"
                    }
                };
                let text = format!(
                    "Cannot look at a socket of {tid} ({error}): what it binds is not adopted; {cure}"
                );
                self.say_once(id, text);
                None
            }
        }
    }
}

/// The low half of a register, as the kernel reads an `int`.
pub(super) fn number(register: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "what the kernel does")]
    let low = register as u32;
    low.cast_signed()
}
