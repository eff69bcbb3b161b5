//! The only place where an action of the core becomes a system call.

use std::sync::atomic::Ordering;

use super::Keeper;
use crate::core::{Action, Event, Failure, Refusal, Request, Verdict};
use crate::error::{Cut, UpgradeError};
use crate::gate::Stage;
use crate::inherit::Predecessor;
use crate::notify::{self, Word};
use crate::pid_file;
use crate::successor::Successor;
use crate::sys::{process, scm};
use crate::wire::handover::Message;

impl Keeper {
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Announce => self.announce(),
            Action::Serve => self.serve(),
            Action::Start => self.start(),
            Action::Welcome => self.welcome(),
            Action::Kill => {
                if let Some(successor) = &mut self.successor {
                    successor.kill();
                }
            }
            Action::Leave { last } => self.leave(last),
            Action::CloseIdle => self.shared.gate.reach(Stage::Closing),
            Action::Answer(request, verdict) => self.answer(request, verdict),
            Action::Over => {
                let cut = self.shared.connections();
                self.shared.cut.store(cut, Ordering::SeqCst);
                self.shared.gate.reach(Stage::Over);
            }
            Action::Die => process::die(128 + self.stop_signal),
            Action::GiveUp => {
                let connections = self.shared.cut.load(Ordering::SeqCst);
                self.log(&Cut { connections }.to_string());
                process::die(1)
            }
        }
    }

    fn announce(&self) {
        let pid = std::process::id();
        if let Some(Predecessor {
            channel: Some(channel),
            ..
        }) = &self.predecessor
        {
            // If it has gone, that is seen by other means.
            let _ = scm::send(channel, &Message::Ready { pid }.encode(), &[]);
        }
    }

    fn serve(&self) {
        if let Some(list) = self.shared.sockets().close_unclaimed() {
            self.log(&format!("handed over and not asked for, so closed: {list}"));
        }
        if let Some(path) = &self.shared.options.pid_file
            && let Err(error) = pid_file::write(path)
        {
            self.log(&format!(
                "the pid file {} cannot be written: {error}",
                path.display()
            ));
        }
        // A predecessor says it for us.
        if self.predecessor.is_none() {
            notify::say(Word::Ready);
        }
        self.shared.served.store(true, Ordering::SeqCst);
        self.shared.gate.reach(Stage::Serving);
    }

    fn start(&mut self) {
        notify::say(Word::Reloading);
        let started = self
            .shared
            .make_state()
            .and_then(|state| Successor::start(&self.program, &self.shared.sockets(), state));
        match started {
            Ok(successor) => self.successor = Some(successor),
            Err(error) => {
                self.start_error = Some(error);
                self.happen(Event::NotStarted);
            }
        }
    }

    fn welcome(&mut self) {
        let Some(successor) = &mut self.successor else {
            return;
        };
        match successor.welcome() {
            Ok(()) => self.happen(Event::SuccessorWelcomed),
            // It ends, or does not listen; its end is what counts.
            Err(_) => successor.kill(),
        }
    }

    fn leave(&self, last: bool) {
        if last {
            notify::say(Word::Stopping);
            if let Some(path) = &self.shared.options.pid_file {
                pid_file::remove(path);
            }
        }
        self.shared.last.store(last, Ordering::SeqCst);
        self.shared.sockets().let_go(last);
        self.shared.gate.reach(Stage::Leaving);
        self.shared.halt.wake();
    }

    fn answer(&mut self, request: Request, verdict: Verdict) {
        let outcome = match verdict {
            Verdict::Done => Ok(self.successor.as_ref().map_or(0, |successor| successor.pid)),
            Verdict::Refused(Refusal::NotReady) => Err(UpgradeError::NotReady),
            Verdict::Refused(Refusal::Predecessor) => Err(UpgradeError::Predecessor),
            Verdict::Refused(Refusal::Busy) => Err(UpgradeError::Busy),
            Verdict::Refused(Refusal::Leaving) => Err(UpgradeError::Leaving),
            Verdict::Failed(Failure::Ended) => Err(UpgradeError::Ended(self.ending)),
            Verdict::Failed(Failure::Stopped) => Err(UpgradeError::Stopped),
            Verdict::Failed(Failure::NotReady) => {
                Err(UpgradeError::Late(self.shared.options.ready_timeout))
            }
            Verdict::Failed(Failure::NotStarted) => {
                Err(self.start_error.take().unwrap_or(UpgradeError::Ended(None)))
            }
        };
        match (&outcome, verdict) {
            (Ok(pid), _) => notify::say(Word::Successor(*pid)),
            // systemd waits for this after it was told of a reload.
            (Err(_), Verdict::Failed(_)) => notify::say(Word::Ready),
            _ => {}
        }
        if let Some(asker) = self.requests.remove(&request) {
            self.tell(asker, outcome);
        }
    }
}
