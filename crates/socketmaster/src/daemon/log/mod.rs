//! The supervisor's end of the log: it starts the forwarder, gives it the workers' pipes, and tells it its own lines.
//!
//! Nothing here waits for the reader of the log. Lines that the forwarder does not take are kept up to a bound, then
//! counted and dropped; pipes are kept for as long as a worker may write, so that another forwarder can go on.

mod calls;
mod follow;
mod forwarder;
mod held;
mod pipes;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::inputs::{Input, Inputs, Task};
use crate::forwarder::options::Options;
use crate::sys::watched::Watched;
use crate::sys::{clock, scm};
use crate::wire::forward::{Follow, Origin, ToForwarder};
use calls::Kept;
pub use follow::{LogReader, NoReader};
use forwarder::Forwarder;
pub use held::HeldLog;
pub use pipes::WorkerPipes;

/// Lines of our own that wait for a forwarder which does not take them: about a megabyte. A start with 1,000 listeners
/// says 2,000 before the forwarder gets a chance.
const LINES_KEPT: usize = 10_000;

/// How long the forwarder may go on after the last worker: for processes that still hold its pipes, and for a reader
/// that is slow.
const FINISH_GRACE: Duration = Duration::from_secs(1);
const FINISH_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait for a worker's last lines: a stuck reader of the log must not hold a verdict back for ever.
const TAIL_PATIENCE: Duration = Duration::from_secs(1);

/// A forwarder that lived shorter than this is not replaced at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// The log.
#[derive(Debug)]
pub struct Log {
    options: Options,
    inputs: Inputs,
    forwarder: Option<Forwarder>,
    pipes: BTreeMap<u64, Pipe>,
    last_pipe: u64,
    calls: BTreeMap<u64, Kept>,
    queue: VecDeque<Message>,
    lost: usize,
    /// One for each who may read the log from the forwarder.
    places: Arc<Semaphore>,
    waits_for_room: Option<Task>,
    waits_to_restart: Option<Task>,
}

#[derive(Debug)]
struct Pipe {
    origin: Origin,
    reader: OwnedFd,
}

/// A message that the forwarder has not taken yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    Line(String),
    Pipe(u64),
    Calls(u64),
    /// The number of a question and the pid that it is about. No other program can be told the answer.
    #[serde(skip)]
    Tail(u64, i32),
    /// What somebody wants to read, and the socket for it. No other program has the client.
    #[serde(skip)]
    Follow(Follow, Arc<OwnedFd>),
    Finish,
}

impl Log {
    /// Starts the forwarder.
    ///
    /// # Errors
    /// It cannot be started: out of processes or memory.
    pub fn start(options: Options, inputs: Inputs) -> io::Result<Self> {
        let mut this = Self::new(options, inputs);
        this.forwarder = Some(Forwarder::start(&this.options, &this.inputs)?);
        Ok(this)
    }

    fn new(options: Options, inputs: Inputs) -> Self {
        Self {
            options,
            inputs,
            forwarder: None,
            pipes: BTreeMap::new(),
            last_pipe: 0,
            calls: BTreeMap::new(),
            queue: VecDeque::new(),
            lost: 0,
            places: Arc::new(Semaphore::new(follow::READERS)),
            waits_for_room: None,
            waits_to_restart: None,
        }
    }

    /// Writes a line of the supervisor's own.
    pub fn say(&mut self, text: impl Into<String>) {
        if self.queue.len() >= LINES_KEPT {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            let note = format!("{lost} lines of the supervisor were lost: the log was not read");
            self.queue.push_back(Message::Line(note));
        }
        self.queue.push_back(Message::Line(text.into()));
        self.flush();
    }

    /// Asks for the last lines of this worker. They come as [`Input::Tail`] with this number, in vain after a second.
    pub fn ask_tail(&mut self, question: u64, pid: i32) -> Task {
        self.queue.push_back(Message::Tail(question, pid));
        self.flush();
        let inputs = self.inputs.clone();
        Task::spawn(async move {
            tokio::time::sleep(TAIL_PATIENCE).await;
            let _ = inputs.send(Input::Tail(question, Vec::new()));
        })
    }

    /// Makes the pipes of a worker to be.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn pipes(&self) -> io::Result<WorkerPipes> {
        WorkerPipes::new(self.options.format)
    }

    /// Has the worker's pipes read. Our copies of the ends to write to are closed.
    pub fn read(&mut self, pipes: WorkerPipes, pid: i32, generation: u64, slot: u32) {
        for (stream, reader) in pipes.readers {
            self.last_pipe += 1;
            let origin = Origin {
                pid,
                generation,
                slot,
                stream,
            };
            self.pipes.insert(self.last_pipe, Pipe { origin, reader });
            self.queue.push_back(Message::Pipe(self.last_pipe));
        }
        self.flush();
    }

    /// The forwarder has read a pipe to its end.
    pub fn closed(&mut self, pipe: u64) {
        self.pipes.remove(&pipe);
    }

    /// Sends what waits, as far as the forwarder takes it.
    pub fn flush(&mut self) {
        self.waits_for_room = None;
        let (Err(error), Some(forwarder)) = (self.send(), &self.forwarder) else {
            return;
        };
        // Else it has ended, and what waits is for the next one.
        if error.kind() == io::ErrorKind::WouldBlock {
            let (watched, inputs) = (Arc::clone(&forwarder.watched), self.inputs.clone());
            self.waits_for_room = Some(Task::spawn(async move {
                if watched.writable().await.is_ok() {
                    let _ = inputs.send(Input::LogRoom);
                }
            }));
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(forwarder) = &self.forwarder else {
            return Ok(());
        };
        while let Some(message) = self.queue.front() {
            let (bytes, fd) = match message {
                Message::Line(text) => (ToForwarder::Line(text.clone()).encode(), None),
                Message::Finish => {
                    let grace_ms = u64::try_from(FINISH_GRACE.as_millis()).unwrap_or(u64::MAX);
                    (ToForwarder::Finish { grace_ms }.encode(), None)
                }
                Message::Tail(id, pid) => {
                    let (id, pid) = (*id, *pid);
                    (ToForwarder::Tail { id, pid }.encode(), None)
                }
                Message::Pipe(id) => match self.pipes.get(id) {
                    Some(Pipe { origin, reader }) => {
                        let message = ToForwarder::Pipe {
                            id: *id,
                            origin: *origin,
                        };
                        (message.encode(), Some(reader.as_fd()))
                    }
                    None => (Vec::new(), None),
                },
                Message::Follow(wanted, socket) => {
                    (ToForwarder::Follow(*wanted).encode(), Some(socket.as_fd()))
                }
                Message::Calls(id) => match self.calls.get(id) {
                    Some(Kept {
                        notify,
                        taken,
                        left,
                    }) => {
                        let (id, taken, left) = (*id, *taken, *left);
                        let message = ToForwarder::Calls { id, left, taken };
                        (message.encode(), Some(notify.as_fd()))
                    }
                    None => (Vec::new(), None),
                },
            };
            if !bytes.is_empty() {
                let send = |socket: BorrowedFd<'_>| scm::send(socket, &bytes, fd.as_slice());
                forwarder.watched.try_write(send)?;
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    /// Whether this child is the forwarder.
    #[must_use]
    pub fn is_forwarder(&self, pid: i32) -> bool {
        self.forwarder
            .as_ref()
            .is_some_and(|f| f.child.pid() == pid)
    }

    /// If this child was the forwarder: takes note, has another started, and says true.
    pub fn ended(&mut self, pid: i32) -> bool {
        let Some(ended) = self.forwarder.take_if(|f| f.child.pid() == pid) else {
            return false;
        };
        let lived = Duration::from_nanos(clock::monotonic_nanos().saturating_sub(ended.since));
        if lived >= SHORT_LIFE {
            self.restart();
            return true;
        }
        self.restart_later();
        true
    }

    fn restart_later(&mut self) {
        let inputs = self.inputs.clone();
        self.waits_to_restart = Some(Task::spawn(async move {
            tokio::time::sleep(SHORT_LIFE).await;
            let _ = inputs.send(Input::LogRestart);
        }));
    }

    /// Starts another forwarder, which goes on with the pipes and the calls.
    pub fn restart(&mut self) {
        if self.forwarder.is_some() {
            return;
        }
        let Ok(forwarder) = Forwarder::start(&self.options, &self.inputs) else {
            // Out of processes, say: that passes.
            return self.restart_later();
        };
        self.forwarder = Some(forwarder);
        for id in self.pipes.keys().rev() {
            if !waits(&self.queue, *id) {
                self.queue.push_front(Message::Pipe(*id));
            }
        }
        // Twice does no harm.
        for id in self.calls.keys() {
            self.queue.push_front(Message::Calls(*id));
        }
        self.queue
            .push_front(Message::Line("Another log forwarder goes on".into()));
        self.flush();
    }

    /// Lets the forwarder print all that is there and end. If it cannot, because nobody reads the log, it is killed.
    pub async fn finish(mut self) {
        self.queue.push_back(Message::Finish);
        let Some(child) = self.forwarder.as_ref().map(|f| f.child.pidfd()) else {
            return;
        };
        let ended = tokio::time::timeout(FINISH_PATIENCE, async {
            while self
                .send()
                .is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock)
                && let Some(forwarder) = &self.forwarder
                && forwarder.watched.writable().await.is_ok()
            {}
            let ended =
                Watched::for_input(child).map(|pidfd| async move { pidfd.readable().await });
            if let Ok(ended) = ended {
                let _ = ended.await;
            }
        });
        let in_time = ended.await.is_ok();
        if let Some(Forwarder { child, .. }) = self.forwarder.take() {
            if !in_time {
                let _ = child.signal(libc::SIGKILL);
            }
            child.reap();
        }
        self.let_read_out().await;
    }
}

/// Whether the forwarder has yet to be given this pipe.
fn waits(queue: &VecDeque<Message>, pipe: u64) -> bool {
    let is_it = |message: &Message| matches!(message, Message::Pipe(id) if *id == pipe);
    queue.iter().any(is_it)
}
