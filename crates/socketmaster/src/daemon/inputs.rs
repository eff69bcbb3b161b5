//! All that can happen to the supervisor from outside, in one queue in the order in which it came.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::check::Failure;
use super::control::Ask;
use crate::core::WorkerId;
use crate::sys::seccomp::Call;

/// Something has happened.
#[derive(Debug)]
pub enum Input {
    /// A signal has come, from this pid.
    Signal(i32, u32),
    /// The worker's program has been executed, or could not be: its launcher's socket says which.
    Launched(WorkerId),
    /// The worker said `READY=1`.
    Ready(WorkerId),
    /// The worker asks for more time.
    Asks(WorkerId),
    /// The worker has said something of itself.
    Says(WorkerId),
    /// It is time to check whether the worker is ready.
    CheckDue(WorkerId),
    /// What the check said.
    Checked(WorkerId, Result<(), Failure>),
    /// The command that checks the worker has had its time.
    CheckLate(WorkerId),
    /// The forwarder has read this pipe to its end.
    PipeClosed(u64),
    /// The forwarder takes messages again.
    LogRoom,
    /// It is time to try another forwarder.
    LogRestart,
    /// The new program has not answered in time.
    PreflightLate,
    /// These listeners, by their inodes, no longer listen.
    ListenersDown(Vec<u64>),
    /// A process of the worker waits for the answer to a system call.
    Call(WorkerId, Call),
    /// The last process of the worker has gone.
    Deserted(WorkerId),
    /// The process that the listeners were taken from has ended.
    TakenGone,
    /// The answer to a question for a worker's last lines, by its number; no lines if none came in time.
    Tail(u64, Vec<String>),
    /// A client of the control socket wants something.
    Ask(Ask),
    /// It is time to look after the files of a process that is being taken over.
    Guard,
    /// It is time to look what became of a bind for datagrams: the worker, the socket's inode, and after how long.
    Bound(WorkerId, u64, Duration),
}

/// Where the tasks put what they see.
pub type Inputs = UnboundedSender<Input>;

/// A task that ends with the thing that it watches.
#[derive(Debug)]
pub struct Task(JoinHandle<()>);

impl Task {
    /// Runs it beside the others.
    pub fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Task {
    /// Whether it has done all that it had to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
