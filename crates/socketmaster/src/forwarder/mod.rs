//! The log forwarder: a small process that carries the workers' lines, and the supervisor's own, to the log.
//!
//! It does not start, watch or stop anything, and decides nothing. It is a process of its own for two reasons: a
//! blocked reader of the log must not hold up the supervisor, and a worker that writes must not die of SIGPIPE
//! because the supervisor was killed. So it ignores the signals that reach everybody, and ends only when it is told
//! to, or when the supervisor has gone and neither a line nor a call can come any more.
//!
//! Because it outlives the supervisor it has one more duty then: system calls that the supervisor answered go on, so
//! that the programs are as if nobody had ever answered them. Without that each would fail with ENOSYS. A reader of the
//! log that is stuck holds that up too.
//!
//! ```text
//! worker ─ pipe ─┐                               told to finish:     until the pipes end or the grace is over, exit
//! worker ─ pipe ─┼─► forwarder ─► stderr/syslog  supervisor gone:    until the pipes and the calls end, exit
//! supervisor ────┘                               stderr stuck:       it waits, so do the workers, not the supervisor
//! ```
//! A stuck reader of the log stops the forwarder in its write, and then the writing workers, each when its own pipe is
//! full. It ends the wait when it reads on or goes away. A supervisor that wants to end meanwhile gives the forwarder
//! the time it has for it, and kills it.
//!
//! Order: what the supervisor says is printed after all that the pipes held when it arrived here. Two pipes of one
//! worker (JSON) keep their own order, not that between them.

pub mod calls;
pub mod followers;
pub mod log;
pub mod look;
pub mod options;
pub mod pipes;
pub mod recent;
pub mod sink;
pub mod tail;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::SigSet;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use crate::sys::{memory, scm, stderr};
use crate::wire::forward::{FromForwarder, MESSAGE_MAX, ToForwarder};
use calls::Calls;
use followers::Followers;
use log::Log;
use options::Options;
use pipes::Pipes;

/// The name in process lists; the kernel cuts it to 15 bytes (prctl(2), `PR_SET_NAME`).
pub const NAME: &str = "socketmaster-log";

/// The control socket among the events; pipes have their own ids, which the supervisor counts from below, and so have
/// calls, with a mark.
const CONTROL: u64 = u64::MAX;

/// Events that are taken at once.
const EVENTS: usize = 64;

/// Messages of the supervisor that are handled before the pipes get their turn.
const MESSAGES_A_TURN: usize = 64;

/// How long nothing must happen after a burst before its memory is given back.
const REST: Duration = Duration::from_secs(1);

/// No grace is longer, so that its milliseconds fit epoll_wait(2).
const GRACE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Forwards until the end. `args` are the words after `argv[0]`, as [`Options::to_args`] writes them; standard input is
/// the control socket.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    // Blocked is ignored, for every signal that can be: those sent to a whole control group or terminal as well.
    // No exec follows that could inherit it.
    let _ = SigSet::all().thread_block();
    let _ = rustix::thread::set_name(c"socketmaster-log");
    // It may outlive the supervisor, and must not keep a directory busy.
    let _ = rustix::process::chdir("/");
    let result = Options::from_args(args)
        .map_err(|error| error.to_string())
        .and_then(|options| {
            Forwarder::new(options)
                .map_err(|error| format!("the log forwarder can't start: {error}"))
        });
    match result {
        Ok(forwarder) => {
            forwarder.run();
            ExitCode::SUCCESS
        }
        Err(error) => {
            stderr::say(format_args!("socketmaster: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What the supervisor wants, or that it has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// It is there.
    Told,
    /// It has gone; its workers may write and call.
    AllEnd,
    /// It said so; the time is that of the monotonic clock.
    Deadline(Duration),
}

struct Forwarder {
    epoll: OwnedFd,
    control: BorrowedFd<'static>,
    pipes: Pipes,
    calls: Calls,
    log: Log,
    until: Until,
}

impl Forwarder {
    fn new(options: Options) -> Result<Self, Errno> {
        let control = rustix::stdio::stdin();
        rustix::io::ioctl_fionbio(control, true)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            control,
            epoll::EventData::new_u64(CONTROL),
            epoll::EventFlags::IN,
        )?;
        Ok(Self {
            epoll,
            control,
            pipes: Pipes::default(),
            calls: Calls::default(),
            log: Log::new(options, position()),
            until: Until::Told,
        })
    }

    fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        while !self.is_done() {
            events.clear();
            // What is collected is written when nothing more has come meanwhile, or when it is enough for one write.
            let timeout = if self.log.is_empty() {
                self.timeout()
            } else {
                Some(Timespec::default())
            };
            let waited = epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref());
            if waited == Ok(0) {
                self.pause();
            }
            let is_control = |event: &epoll::Event| event.data.u64() == CONTROL;
            if events.iter().any(is_control) {
                self.obey();
            }
            for event in events.iter().filter(|event| !is_control(event)) {
                let id = event.data.u64();
                if let Some(worker) = Calls::worker(id) {
                    self.calls.answer(&self.epoll, worker);
                } else if Followers::is_one(id) {
                    self.log.wake(event);
                } else {
                    self.pipes.read(&self.epoll, id, &mut self.log);
                }
            }
            self.log.watch(&self.epoll);
            self.report();
        }
        self.pipes.drain(&self.epoll, &mut self.log);
        self.pipes.abandon(&self.epoll, &mut self.log);
        self.log.flush();
        self.report();
    }

    /// Nothing has come: writes what is collected; if nothing is, the burst is over and its memory is given back.
    fn pause(&mut self) {
        if !self.log.is_empty() {
            self.log.flush();
        } else if self.pipes.had_burst() {
            self.pipes.rest();
            self.log.rest();
            memory::trim();
        }
    }

    fn is_done(&self) -> bool {
        match self.until {
            Until::Told => false,
            Until::AllEnd => self.pipes.is_empty() && self.calls.is_empty(),
            Until::Deadline(end) => self.pipes.is_empty() || now() >= end,
        }
    }

    /// For ever, mostly.
    fn timeout(&self) -> Option<Timespec> {
        let rest = self.pipes.had_burst().then_some(REST);
        let end = match self.until {
            Until::Deadline(end) => Some(end.saturating_sub(now())),
            Until::Told | Until::AllEnd => None,
        };
        rest.into_iter()
            .chain(end)
            .min()
            .and_then(|wait| wait.try_into().ok())
    }

    /// Does what the supervisor says.
    fn obey(&mut self) {
        let mut buffer = vec![0; MESSAGE_MAX];
        for _ in 0..MESSAGES_A_TURN {
            match scm::receive(self.control, &mut buffer) {
                Ok((0, _)) => return self.lose_supervisor(),
                Ok((n, fds)) => {
                    if let Some(message) = ToForwarder::decode(&buffer[..n]) {
                        self.handle(message, fds);
                    }
                }
                // Longer than any message of this protocol: one that isn't known.
                Err(error) if error.kind() == ErrorKind::InvalidData => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.lose_supervisor(),
            }
        }
    }

    fn handle(&mut self, message: ToForwarder, fds: Vec<OwnedFd>) {
        match message {
            ToForwarder::Line(text) => {
                self.pipes.drain(&self.epoll, &mut self.log);
                self.log.say(&text);
            }
            ToForwarder::Pipe { id, origin } => {
                let Some(fd) = fds.into_iter().next() else {
                    return;
                };
                if let Err(error) = self.pipes.add(&self.epoll, id, origin, fd) {
                    self.log.say(&format!(
                        "The output of {} can't be read: {error}",
                        origin.pid
                    ));
                    self.pipes.closed.push(id);
                }
            }
            ToForwarder::Calls { id, left, taken } => {
                let Some(notify) = fds.into_iter().next() else {
                    return;
                };
                if let Err(error) = self.calls.keep(&self.epoll, id, notify, taken, left) {
                    self.log.say(&format!(
                        "The calls of a worker can't be answered when the supervisor has gone: {error}"
                    ));
                    self.calls.deserted.push(id);
                }
            }
            ToForwarder::Forget => self.calls.forget(&self.epoll),
            ToForwarder::Tail { id, pid } => {
                self.pipes.drain(&self.epoll, &mut self.log);
                let lines = self.pipes.last_lines(pid);
                // Who finds no room for it does without: the supervisor waits only for a moment.
                let message = FromForwarder::Tail { id, lines }.encode();
                let _ = scm::send(self.control, &message, &[]);
            }
            ToForwarder::Follow(wanted) => {
                self.pipes.drain(&self.epoll, &mut self.log);
                if let Some(socket) = fds.into_iter().next() {
                    // Who cannot be served sees the end.
                    let _ = self.log.follow(&self.epoll, wanted, socket);
                }
            }
            ToForwarder::Finish { grace_ms } => {
                self.until =
                    Until::Deadline(now() + Duration::from_millis(grace_ms).min(GRACE_MAX));
            }
        }
    }

    /// The control socket has ended: without a word before, the supervisor was killed.
    fn lose_supervisor(&mut self) {
        // It would be reported for ever.
        let _ = epoll::delete(&self.epoll, self.control);
        self.pipes.closed.clear();
        self.calls.deserted.clear();
        if self.until == Until::Told {
            self.until = Until::AllEnd;
            self.calls.take_all(&self.epoll);
            self.pipes.drain(&self.epoll, &mut self.log);
            if !self.pipes.is_empty() || !self.calls.is_empty() {
                self.log.say(
                    "The supervisor has gone: nobody restarts or reloads its workers any more",
                );
            }
        }
    }

    /// Tells the supervisor which pipes and calls have ended. What finds no room now goes with the next event.
    fn report(&mut self) {
        let control = self.control;
        let has_to_wait = |message: FromForwarder| {
            let sent = scm::send(control, &message.encode(), &[]);
            sent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        };
        let closed = |&id: &u64| has_to_wait(FromForwarder::Closed { id });
        self.pipes.closed.retain(closed);
        let deserted = |&id: &u64| has_to_wait(FromForwarder::Deserted { id });
        self.calls.deserted.retain(deserted);
    }
}

/// Where the first line stands. Nobody writes a byte a nanosecond for long, so another forwarder's lines stand beyond
/// those of the ones before.
fn position() -> u64 {
    u64::try_from(now().as_nanos()).unwrap_or_default()
}

fn now() -> Duration {
    clock_gettime(ClockId::Monotonic)
        .try_into()
        .unwrap_or_default()
}
