//! The thread that watches: signals, the predecessor, the successor, the deadlines. It alone speaks to the core.

mod act;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Asker;
use crate::core::{Event, Machine, Policy, Request};
use crate::error::UpgradeError;
use crate::gate::Stage;
use crate::inherit::Predecessor;
use crate::options::{Options, Signal};
use crate::program::Program;
use crate::refusal;
use crate::shared::{Note, Shared};
use crate::successor::Successor;
use crate::sys::signals::Counted;
use crate::sys::wake::{self, Wake};
use crate::sys::{clock, scm};
use crate::wire::handover::Message;

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGQUIT: i32 = 3;
const SIGUSR1: i32 = 10;
const SIGUSR2: i32 = 12;
const SIGTERM: i32 = 15;

/// A predecessor that has closed its channel is about to end, or wants us to.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// The signals that are watched for.
#[derive(Debug)]
pub(crate) struct Signals {
    stop: Vec<Counted>,
    upgrade: Option<Counted>,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    machine: Machine,
    signals: Signals,
    program: Program,
    predecessor: Option<Predecessor>,
    successor: Option<Successor>,
    refusal: Option<refusal::Refusal>,
    requests: BTreeMap<Request, Option<Asker>>,
    last_request: u64,
    /// Why it did not start, and how it ended, for the answer that comes of it.
    start_error: Option<UpgradeError>,
    ending: Option<ExitStatus>,
    stop_signal: i32,
}

impl Keeper {
    pub(crate) fn signals(options: &Options, wake: &Arc<Wake>) -> io::Result<Signals> {
        let stop = [SIGTERM, SIGINT, SIGQUIT].map(|number| Counted::new(number, wake));
        let upgrade = options.upgrade_on.map(|signal| match signal {
            Signal::Hup => SIGHUP,
            Signal::Usr1 => SIGUSR1,
            Signal::Usr2 => SIGUSR2,
        });
        Ok(Signals {
            stop: stop.into_iter().collect::<io::Result<_>>()?,
            upgrade: upgrade
                .map(|number| Counted::new(number, wake))
                .transpose()?,
        })
    }

    pub(crate) fn new(
        shared: Arc<Shared>,
        signals: Signals,
        program: Program,
        predecessor: Option<Predecessor>,
        refusal: Option<refusal::Refusal>,
    ) -> Self {
        let options = &shared.options;
        let policy = Policy {
            ready_timeout: options.ready_timeout,
            lame_duck: options.lame_duck,
            drain_timeout: options.drain_timeout,
        };
        Self {
            machine: Machine::new(policy, predecessor.is_some()),
            shared,
            signals,
            program,
            predecessor,
            successor: None,
            refusal,
            requests: BTreeMap::new(),
            last_request: 0,
            start_error: None,
            ending: None,
            stop_signal: SIGTERM,
        }
    }

    /// Watches to the end of the process: after all is over a second stop still has to end a `main` that hangs.
    pub(crate) fn run(mut self) {
        loop {
            self.wait();
            self.shared.wake.clear();
            // First of all whether we are welcome: a stop that comes at that moment is the stop of one that serves.
            self.look_at_predecessor();
            self.look_at_signals();
            for note in self.shared.take_notes() {
                match note {
                    Note::Ready => self.happen(Event::Ready),
                    Note::Upgrade(asker) => self.upgrade(Some(asker)),
                    Note::Stop => self.happen(Event::Stop),
                    Note::Over => self.happen(Event::Noted),
                }
            }
            self.look_at_successor();
            if self.shared.is_idle() {
                self.happen(Event::Idle);
            }
            if self
                .machine
                .next_deadline()
                .is_some_and(|at| at <= clock::now())
            {
                self.happen(Event::Timeout);
            }
        }
    }

    fn wait(&self) {
        let mut fds: Vec<BorrowedFd<'_>> = vec![self.shared.wake.as_fd()];
        if let Some(Predecessor { channel, pidfd }) = &self.predecessor {
            fds.push(pidfd.as_fd());
            fds.extend(channel.as_ref().map(AsFd::as_fd));
        }
        if let Some(Successor { channel, pidfd, .. }) = &self.successor {
            fds.push(pidfd.as_fd());
            fds.extend(channel.as_ref().map(AsFd::as_fd));
        }
        let left = self
            .machine
            .next_deadline()
            .map(|at| at.saturating_sub(clock::now()));
        wake::wait(&fds, left);
    }

    fn look_at_signals(&mut self) {
        let mut stops = 0;
        for signal in &self.signals.stop {
            let count = signal.take();
            if count > 0 {
                self.stop_signal = signal.number;
            }
            stops += count;
        }
        // More than two are not more than two.
        for _ in 0..stops.min(2) {
            self.happen(Event::Stop);
        }
        if self
            .signals
            .upgrade
            .as_ref()
            .is_some_and(|signal| signal.take() > 0)
        {
            self.upgrade(None);
        }
    }

    fn look_at_predecessor(&mut self) {
        let Some(Predecessor { channel, pidfd }) = &mut self.predecessor else {
            return;
        };
        let mut event = None;
        if let Some(open) = channel {
            let mut buffer = [0; 256];
            match scm::receive(open, &mut buffer) {
                Ok((length, _)) if length > 0 => {
                    let message = Message::decode(&buffer[..length]);
                    event = (message == Some(Message::Welcome)).then_some(Event::Welcomed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => {
                    *channel = None;
                    // At the end of a process its descriptors are closed before it counts as ended.
                    let ended = wake::wait(&[pidfd.as_fd()], Some(LAST_BREATH)) == [true];
                    event = (!ended).then_some(Event::TurnedAway);
                }
            }
        }
        let ended = wake::wait(&[pidfd.as_fd()], Some(Duration::ZERO)) == [true];
        if event == Some(Event::Welcomed) {
            *channel = None;
        }
        if let Some(event) = event {
            if event == Event::TurnedAway && self.shared.gate.stage() == Stage::Starting {
                self.log("the version before goes on without this one");
            }
            self.happen(event);
        }
        // After its welcome: it has spoken for us before it ended.
        if ended {
            self.predecessor = None;
            self.happen(Event::PredecessorGone);
        }
    }

    fn look_at_successor(&mut self) {
        let Some(successor) = &mut self.successor else {
            return;
        };
        // Its end first: that it was ready before does not count then.
        if let Some(ending) = successor.ended() {
            self.successor = None;
            self.ending = ending;
            if self.shared.gate.stage() >= Stage::Leaving && self.requests.is_empty() {
                self.log("the new process, which had taken over, has ended");
            }
            self.happen(Event::SuccessorEnded);
        } else if successor.hear_ready() {
            self.happen(Event::SuccessorReady);
        }
    }

    fn upgrade(&mut self, asker: Option<Asker>) {
        if let Err(refusal) = refusal::now(self.refusal) {
            return self.tell(asker, Err(refusal));
        }
        self.last_request += 1;
        let request = Request(self.last_request);
        self.requests.insert(request, asker);
        self.happen(Event::Upgrade(request));
    }

    fn tell(&self, asker: Option<Asker>, outcome: Result<u32, UpgradeError>) {
        match (asker, outcome) {
            (Some(asker), outcome) => asker.tell(outcome),
            // It came by a signal.
            (None, Ok(pid)) => self.log(&format!("process {pid} serves from now on")),
            (None, Err(error)) => self.log(&format!("no upgrade: {error}")),
        }
    }

    fn happen(&mut self, event: Event) {
        for action in self.machine.handle(clock::now(), event) {
            self.perform(action);
        }
    }

    fn log(&self, line: &str) {
        self.shared.log(line);
    }
}
