//! The log on its way through an upgrade.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use serde::{Deserialize, Serialize};

use super::calls::Kept;
use super::forwarder::Forwarder;
use super::{Log, Message, Pipe, waits};
use crate::daemon::inputs::Inputs;
use crate::forwarder::options::Options;
use crate::sys::process::Child;
use crate::sys::{fds, scm};
use crate::wire::forward::{Origin, PROTOCOL, ToForwarder};

/// What an upgrade hands over.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldLog {
    protocol: u32,
    forwarder: Option<(i32, i32)>,
    pipes: Vec<(u64, Origin, i32)>,
    last_pipe: u64,
    #[serde(default)]
    calls: Vec<(u64, Option<u64>, bool, i32)>,
    queue: VecDeque<Message>,
    lost: usize,
}

impl Log {
    /// Goes on with the forwarder and the pipes of the program that we were before. A forwarder that speaks another
    /// protocol keeps the pipes that it has, and ends with the last of them; what is new goes to one of ours.
    ///
    /// # Errors
    /// A descriptor is not there.
    pub fn resume(held: HeldLog, options: Options, inputs: Inputs) -> io::Result<Self> {
        let mut this = Self::new(options, inputs);
        this.last_pipe = held.last_pipe;
        this.queue = held.queue;
        this.lost = held.lost;
        for (id, origin, fd) in held.pipes {
            this.pipes.insert(
                id,
                Pipe {
                    origin,
                    reader: fds::take_over(fd)?,
                },
            );
        }
        for (id, taken, left, fd) in held.calls {
            let kept = Kept {
                notify: fds::take_over(fd)?,
                taken,
                left,
            };
            this.calls.insert(id, kept);
        }
        if let Some((pid, fd)) = held.forwarder {
            let socket = fds::take_over(fd)?;
            if held.protocol == PROTOCOL {
                // It may have ended meanwhile: its end is still to be reaped, and then another is started.
                this.forwarder = Some(Forwarder::attach(Child::new(pid)?, socket, &this.inputs)?);
            } else {
                // Else it would answer beside the next one when it takes us for gone.
                let _ = scm::send(socket.as_fd(), &ToForwarder::Forget.encode(), &[]);
                let queue = &this.queue;
                this.pipes.retain(|id, _| waits(queue, *id));
            }
        }
        this.restart();
        this.flush();
        Ok(this)
    }

    /// What the next program needs to go on, and the descriptors that must stay open for it.
    #[must_use]
    pub fn hold(&self) -> (HeldLog, Vec<i32>) {
        let forwarder = self
            .forwarder
            .as_ref()
            .map(|f| (f.child.pid(), f.socket.as_raw_fd()));
        let pipes: Vec<_> = self
            .pipes
            .iter()
            .map(|(id, pipe)| (*id, pipe.origin, pipe.reader.as_raw_fd()))
            .collect();
        let calls: Vec<_> = self
            .calls
            .iter()
            .map(|(id, kept)| (*id, kept.taken, kept.left, kept.notify.as_raw_fd()))
            .collect();
        let open = pipes
            .iter()
            .map(|pipe| pipe.2)
            .chain(calls.iter().map(|kept| kept.3))
            .chain(forwarder.map(|f| f.1))
            .collect();
        let held = HeldLog {
            protocol: PROTOCOL,
            forwarder,
            pipes,
            last_pipe: self.last_pipe,
            calls,
            queue: self
                .queue
                .iter()
                .filter(|message| !matches!(message, Message::Tail(..) | Message::Follow(..)))
                .cloned()
                .collect(),
            lost: self.lost,
        };
        (held, open)
    }
}
