//! Asks a command whether a worker is ready: with the worker's user, directory and environment, as one more child.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{self, Stdio};
use std::time::Duration;

use super::{Failure, PORT_VARIABLE};
use crate::config::ExecCheck;
use crate::core::WorkerId;
use crate::daemon::command;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::daemon::launch::{Seat, StartError, hand_over};
use crate::daemon::log::Log;
use crate::daemon::recipe::Recipe;
use crate::daemon::worker::Worker;
use crate::sys::process::{Child, End};
use crate::sys::scm;
use crate::wire::launch::Setup;

/// How long a run may take before it is killed.
const BOUND: Duration = Duration::from_secs(10);

/// The variable that tells a command the worker's pid.
const PID_VARIABLE: &str = "SOCKETMASTER_PID";

/// A run of the command.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) child: Child,
    /// What the launcher says, if it cannot execute the command.
    launch: OwnedFd,
    late: bool,
    /// Whether its end has been seen: from then on its pid may mean somebody else.
    over: bool,
    _bound: Task,
}

impl Recipe {
    /// Runs the command for this worker. Its end is seen by whoever reaps children.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left of the try.
    pub(super) fn run_check(
        &self,
        check: &ExecCheck,
        id: WorkerId,
        worker: &Worker,
        log: &mut Log,
        inputs: &Inputs,
    ) -> Result<Run, StartError> {
        let port = worker.check.as_ref().and_then(|check| check.port);
        let mut words = check.words(port);
        let name = words.next().unwrap_or_default();
        let program = command::look_up(&name, &self.directory)?;
        let seat = Seat {
            id,
            generation: worker.generation,
            slot: worker.slot,
        };
        let pipes = log.pipes()?;
        let (stdout, stderr) = pipes.writers()?;
        let (launch, theirs) = scm::pair()?;
        let nothing = File::open("/dev/null")?;
        let child = self
            .launcher(&self.check_setup(), &program, &name)
            .args(words)
            .envs(self.environment(seat, &[], None, None))
            .env(PID_VARIABLE, worker.child.pid().to_string())
            .envs(port.map(|port| (PORT_VARIABLE, port.to_string())))
            .stdin(Stdio::from(theirs))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        let child = Child::new(child.id().cast_signed())?;
        hand_over(launch.as_fd(), &[nothing.as_fd()])?;
        rustix::io::ioctl_fionbio(&launch, true).map_err(io::Error::from)?;
        log.read(pipes, child.pid(), worker.generation.0, worker.slot);
        let inputs = inputs.clone();
        let bound = Task::spawn(async move {
            tokio::time::sleep(BOUND).await;
            let _ = inputs.send(Input::CheckLate(id));
        });
        Ok(Run {
            child,
            launch,
            late: false,
            over: false,
            _bound: bound,
        })
    }

    /// It ends with the supervisor, which nobody else would end it for.
    fn check_setup(&self) -> Setup {
        Setup {
            death: Some((libc::SIGKILL, process::id().cast_signed())),
            adopt: None,
            listen_pid: false,
            ..self.setup(0, None)
        }
    }
}

impl Run {
    /// It has had its time.
    pub(super) fn end(&mut self) {
        self.late = true;
        self.kill();
    }

    /// Ends it with all that it has started.
    fn kill(&self) {
        let _ = self.child.signal_group(libc::SIGKILL);
    }

    /// What its end means. To be asked before it is reaped.
    pub(super) fn outcome(&mut self, end: End) -> Result<(), Failure> {
        // What it has left behind is nobody's.
        self.kill();
        self.over = true;
        let mut said = [0; 16 * 1024];
        let launch = scm::receive(self.launch.as_fd(), &mut said);
        if let Ok((length @ 1.., _)) = launch
            && let Ok(error) = serde_json::from_slice(&said[..length])
        {
            return Err(Failure::Launch(error));
        }
        match end {
            _ if self.late => Err(Failure::Endless(BOUND)),
            End::Exit(0) => Ok(()),
            end => Err(Failure::Ended(end)),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.over {
            self.kill();
        }
    }
}
