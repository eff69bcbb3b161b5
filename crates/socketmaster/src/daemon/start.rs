//! The beginning: afresh, or where the program before us left off.

use tokio::sync::mpsc;

use super::inputs::Inputs;
use super::log::Log;
use super::parts::{Queue, gather, log_options, policy};
use super::upgrade::Handover;
use super::{Daemon, now, resume};
use crate::config::Config;
use crate::config::source::{Source, Wording};
use crate::core::Supervisor;
use crate::sys::fds;
use crate::sys::process;
use crate::sys::signals::Signals;
use crate::sys::stderr;

/// Runs a supervisor to its end, and returns the exit status: 2 if the configuration is wrong.
#[must_use]
pub fn run(source: Box<dyn Source>) -> u8 {
    let prepared = Signals::block()
        .and_then(|()| fds::close_all_on_exec())
        .and_then(|()| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
        });
    match prepared {
        Ok(runtime) => runtime.block_on(run_inside(source)),
        Err(error) => {
            stderr::say(format_args!("socketmaster: cannot set up: {error}"));
            1
        }
    }
}

async fn run_inside(source: Box<dyn Source>) -> u8 {
    let (inputs, queue) = mpsc::unbounded_channel();
    let daemon = match Handover::take() {
        Ok(None) => match source.read() {
            Ok(read) => begin(source, read, inputs, queue).await,
            Err(mistakes) => {
                stderr::say(mistakes);
                return 2;
            }
        },
        Ok(Some(state)) => resume::resume(source, state, inputs, queue).map_err(|error| {
            stderr::say(format_args!(
                "socketmaster: cannot go on after the upgrade: {error}"
            ));
        }),
        Err(error) => {
            stderr::say(format_args!(
                "socketmaster: cannot read the state that an upgrade left: {error}"
            ));
            Err(())
        }
    };
    let Ok(mut daemon) = daemon else { return 1 };
    let status = daemon.serve().await;
    daemon.leave().await;
    status
}

/// The first start: the log first, so that it hears of everything that goes wrong after it.
async fn begin(
    source: Box<dyn Source>,
    (config, wording): (Config, Wording),
    inputs: Inputs,
    queue: Queue,
) -> Result<Daemon, ()> {
    let inherited = process::children();
    let mut log = Log::start(log_options(&config), inputs.clone()).map_err(|error| {
        stderr::say(format_args!(
            "socketmaster: cannot start the log forwarder: {error}"
        ));
    })?;
    match gather(source, config, wording, &inputs, &mut log) {
        Ok(parts) => {
            let policy = policy(&parts.recipes.newest().config);
            let (core, actions) = Supervisor::new(policy, now());
            let mut daemon = parts.assemble(core, log, inputs, queue);
            daemon.inherited = inherited;
            for action in actions {
                daemon.perform(action);
            }
            // A start that failed at once is an event that nothing else would make us look at.
            daemon.settle();
            Ok(daemon)
        }
        Err(error) => {
            log.say(error.to_string());
            log.finish().await;
            Err(())
        }
    }
}
