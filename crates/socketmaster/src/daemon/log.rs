//! The supervisor's end of the log: it starts the forwarder, gives it the workers' pipes, and tells it its own lines.
//!
//! Nothing here waits for the reader of the log. Lines that the forwarder does not take are kept up to a bound, then
//! counted and dropped; pipes are kept for as long as a worker may write, so that another forwarder can go on.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::{Input, Inputs, Task};
use crate::config::LogFormat;
use crate::forwarder;
use crate::forwarder::options::Options;
use crate::sys::process::Child;
use crate::sys::watched::Watched;
use crate::sys::{clock, fds, scm};
use crate::wire::forward::{FromForwarder, PROTOCOL, Source, Stream, ToForwarder};

/// Lines of our own that wait for a forwarder which does not take them.
const LINES_KEPT: usize = 1000;

/// What a worker's pipes may hold before it blocks. Memory is used only for what is in them.
const PIPE_SIZE: usize = 1 << 20;

/// How long the forwarder may go on after the last worker: for processes that still hold its pipes, and for a reader
/// that is slow.
const FINISH_GRACE: Duration = Duration::from_secs(1);
const FINISH_PATIENCE: Duration = Duration::from_secs(3);

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
    queue: VecDeque<Message>,
    lost: usize,
    waits_for_room: Option<Task>,
    waits_to_restart: Option<Task>,
}

#[derive(Debug)]
struct Forwarder {
    child: Child,
    socket: Arc<OwnedFd>,
    watched: Arc<Watched>,
    since: u64,
    _listening: Task,
}

#[derive(Debug)]
struct Pipe {
    source: Source,
    reader: OwnedFd,
}

/// A message that the forwarder has not taken yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Message {
    Line(String),
    Pipe(u64),
    Finish,
}

/// The ends of a worker's pipes before it has a pid.
#[derive(Debug)]
pub struct WorkerPipes {
    readers: Vec<(Stream, OwnedFd)>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl WorkerPipes {
    /// The ends to write to, once.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn writers(&self) -> io::Result<(Stdio, Stdio)> {
        Ok((
            self.stdout.try_clone()?.into(),
            self.stderr.try_clone()?.into(),
        ))
    }
}

/// What an upgrade hands over.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldLog {
    protocol: u32,
    forwarder: Option<(i32, i32)>,
    pipes: Vec<(u64, Source, i32)>,
    last_pipe: u64,
    queue: VecDeque<Message>,
    lost: usize,
}

impl Log {
    /// Starts the forwarder.
    ///
    /// # Errors
    /// It cannot be started: out of processes or memory.
    pub fn start(options: Options, inputs: Inputs) -> io::Result<Self> {
        let mut this = Self::new(options, inputs);
        this.forwarder = Some(this.start_forwarder()?);
        Ok(this)
    }

    fn new(options: Options, inputs: Inputs) -> Self {
        Self {
            options,
            inputs,
            forwarder: None,
            pipes: BTreeMap::new(),
            last_pipe: 0,
            queue: VecDeque::new(),
            lost: 0,
            waits_for_room: None,
            waits_to_restart: None,
        }
    }

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
        for (id, source, fd) in held.pipes {
            this.pipes.insert(
                id,
                Pipe {
                    source,
                    reader: fds::take_over(fd)?,
                },
            );
        }
        if let Some((pid, fd)) = held.forwarder {
            let socket = fds::take_over(fd)?;
            if held.protocol == PROTOCOL {
                // It may have ended meanwhile: its end is still to be reaped, and then another is started.
                this.forwarder = Some(this.attach(Child::new(pid)?, socket)?);
            } else {
                this.pipes.clear();
            }
        }
        if this.forwarder.is_none() {
            this.forwarder = Some(this.start_forwarder()?);
        }
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
            .map(|(id, pipe)| (*id, pipe.source, pipe.reader.as_raw_fd()))
            .collect();
        let open = pipes
            .iter()
            .map(|pipe| pipe.2)
            .chain(forwarder.map(|f| f.1))
            .collect();
        let held = HeldLog {
            protocol: PROTOCOL,
            forwarder,
            pipes,
            last_pipe: self.last_pipe,
            queue: self.queue.clone(),
            lost: self.lost,
        };
        (held, open)
    }

    fn start_forwarder(&self) -> io::Result<Forwarder> {
        let (ours, theirs) = scm::pair()?;
        let child = Command::new("/proc/self/exe")
            .arg0(forwarder::NAME)
            .args(self.options.to_args())
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .spawn()?;
        self.attach(Child::new(child.id().cast_signed())?, ours)
    }

    fn attach(&self, child: Child, socket: OwnedFd) -> io::Result<Forwarder> {
        let socket = Arc::new(socket);
        let watched = Arc::new(Watched::for_both(Arc::clone(&socket))?);
        let listening = Task::spawn(listen(Arc::clone(&watched), self.inputs.clone()));
        let since = clock::monotonic_nanos();
        Ok(Forwarder {
            child,
            socket,
            watched,
            since,
            _listening: listening,
        })
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

    /// Makes the pipes of a worker to be: one for both streams where the format does not tell them apart, because one
    /// pipe keeps their order.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn pipes(&self) -> io::Result<WorkerPipes> {
        let pipe = || -> io::Result<(OwnedFd, OwnedFd)> {
            let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            // Refused above the limit of pipe(7): the default size works too.
            let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_SIZE);
            Ok((reader, writer))
        };
        let (reader, stdout) = pipe()?;
        if self.options.format == LogFormat::Text {
            let stderr = stdout.try_clone()?;
            return Ok(WorkerPipes {
                readers: vec![(Stream::Output, reader)],
                stdout,
                stderr,
            });
        }
        let (error_reader, stderr) = pipe()?;
        let readers = vec![(Stream::Stdout, reader), (Stream::Stderr, error_reader)];
        Ok(WorkerPipes {
            readers,
            stdout,
            stderr,
        })
    }

    /// Has the worker's pipes read. Our copies of the ends to write to are closed.
    pub fn read(&mut self, pipes: WorkerPipes, pid: i32, generation: u64, slot: u32) {
        for (stream, reader) in pipes.readers {
            self.last_pipe += 1;
            let source = Source {
                pid,
                generation,
                slot,
                stream,
            };
            self.pipes.insert(self.last_pipe, Pipe { source, reader });
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
        let Some(forwarder) = &self.forwarder else {
            return;
        };
        while let Some(message) = self.queue.front() {
            let (bytes, pipe) = match message {
                Message::Line(text) => (ToForwarder::Line(text.clone()).encode(), None),
                Message::Finish => {
                    let grace_ms = u64::try_from(FINISH_GRACE.as_millis()).unwrap_or(u64::MAX);
                    (ToForwarder::Finish { grace_ms }.encode(), None)
                }
                Message::Pipe(id) => match self.pipes.get(id) {
                    Some(Pipe { source, reader }) => {
                        let message = ToForwarder::Pipe {
                            id: *id,
                            source: *source,
                        };
                        (message.encode(), Some(reader.as_fd()))
                    }
                    None => (Vec::new(), None),
                },
            };
            let sent = forwarder.watched.try_write(|socket| {
                if bytes.is_empty() {
                    Ok(())
                } else {
                    scm::send(socket, &bytes, pipe.as_slice())
                }
            });
            match sent {
                Ok(()) => drop(self.queue.pop_front()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // It has ended; what waits is for the next one.
                Err(_) => return,
            }
        }
        if !self.queue.is_empty() {
            let (watched, inputs) = (Arc::clone(&forwarder.watched), self.inputs.clone());
            self.waits_for_room = Some(Task::spawn(async move {
                if watched.writable().await.is_ok() {
                    let _ = inputs.send(Input::LogRoom);
                }
            }));
        }
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
        let inputs = self.inputs.clone();
        self.waits_to_restart = Some(Task::spawn(async move {
            tokio::time::sleep(SHORT_LIFE).await;
            let _ = inputs.send(Input::LogRestart);
        }));
        true
    }

    /// Starts another forwarder, which goes on with the pipes.
    pub fn restart(&mut self) {
        if self.forwarder.is_some() {
            return;
        }
        let Ok(forwarder) = self.start_forwarder() else {
            // Out of processes, say: the next line tries again.
            return;
        };
        self.forwarder = Some(forwarder);
        let waits = |queue: &VecDeque<Message>, id| {
            queue
                .iter()
                .any(|message| matches!(message, Message::Pipe(other) if *other == id))
        };
        for id in self.pipes.keys().rev() {
            if !waits(&self.queue, *id) {
                self.queue.push_front(Message::Pipe(*id));
            }
        }
        self.queue.push_front(Message::Line(
            "The log forwarder had ended; another goes on".into(),
        ));
        self.flush();
    }

    /// Lets the forwarder print all that is there and end. If it cannot, because nobody reads the log, it is killed.
    pub async fn finish(mut self) {
        self.queue.push_back(Message::Finish);
        let Some(child) = self.forwarder.as_ref().map(|f| f.child.pidfd()) else {
            return;
        };
        let ended = tokio::time::timeout(FINISH_PATIENCE, async {
            loop {
                self.flush();
                let Some(forwarder) = self.forwarder.as_ref() else {
                    return;
                };
                if self.queue.is_empty() || forwarder.watched.writable().await.is_err() {
                    break;
                }
            }
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
    }
}

async fn listen(socket: Arc<Watched>, inputs: Inputs) {
    let mut buffer = vec![0; 4096];
    while let Ok((length, _)) = socket.read(|fd| scm::receive(fd, &mut buffer)).await {
        if length == 0 {
            return;
        }
        if let Some(FromForwarder::Closed { id }) = FromForwarder::decode(&buffer[..length])
            && inputs.send(Input::PipeClosed(id)).is_err()
        {
            return;
        }
    }
}
