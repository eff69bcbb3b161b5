//! What a supervisor consists of, and where a first start gets it from.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::adopt::{self, TakeOverError, Taken};
use super::control::{Control, Counters, Public, Watchers};
use super::guard::Sockets;
use super::inputs::{Input, Inputs, Task};
use super::listeners::{self, Listener};
use super::log::Log;
use super::recipe::{Keyed, Recipe, SettingError, account, directory_of};
use super::rundir::RunDir;
use super::systemd::ServiceManager;
use super::{Daemon, command, now};
use crate::config::source::{Mistakes, Source, Wording};
use crate::config::{Config, LogTarget, Strategy};
use crate::core::{ByGeneration, Policy, Sign, Supervisor};
use crate::forwarder::options::{Options, SYSLOG};
use crate::sys::process;
use crate::sys::signals::SignalStream;
use crate::wire::uri::{Address, ListenUri};

/// Why the supervisor did not start.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartUpError {
    #[error("Could not find executable {0}")]
    Command(#[from] command::LookupError),
    #[error("{0}")]
    Listen(#[from] listeners::OpenError),
    #[error("{0}")]
    TakeOver(#[from] TakeOverError),
    #[error("SOCKETMASTER_FD={0:?}: {1}")]
    Inherited(String, crate::wire::uri::UriError),
    #[error("{0}")]
    Setting(#[from] SettingError),
    #[error("{}", .0.in_brief())]
    Mistakes(Mistakes),
    #[error("Cannot set up: {0}")]
    System(#[from] io::Error),
}

pub(super) type Queue = mpsc::UnboundedReceiver<Input>;

/// All that a supervisor has beside its decisions and its log.
pub(super) struct Parts {
    pub(super) source: Box<dyn Source>,
    pub(super) recipes: ByGeneration<Arc<Recipe>>,
    pub(super) sockets: Sockets,
    pub(super) taken: Option<Taken>,
    pub(super) rundir: Option<RunDir>,
    pub(super) control: Option<Control>,
    pub(super) public: Option<Public>,
    pub(super) program: PathBuf,
    pub(super) signals: Task,
}

impl Parts {
    pub(super) fn assemble(
        self,
        core: Supervisor,
        log: Log,
        inputs: Inputs,
        queue: Queue,
    ) -> Daemon {
        Daemon {
            source: self.source,
            recipes: self.recipes,
            core,
            log,
            sockets: self.sockets,
            rundir: self.rundir,
            workers: BTreeMap::new(),
            remnants: BTreeMap::new(),
            taken: self.taken,
            inherited: Vec::new(),
            manager: ServiceManager::from_environment(),
            program: self.program,
            preflight: None,
            answered: None,
            errors: BTreeMap::new(),
            requests: 0,
            since: now(),
            control: self.control,
            public: self.public,
            counters: Counters::default(),
            watchers: Watchers::default(),
            last_reload: None,
            in_the_way: None,
            bound_nothing: false,
            counted: None,
            last_crash: None,
            why_failed: None,
            next_look: now(),
            blind_said: false,
            privileges_said: false,
            inputs,
            queue,
            events: VecDeque::new(),
            stopped_by: None,
            exit: None,
            tasks: vec![self.signals],
        }
    }
}

/// Those of a first start, in the original's order: the command, the listeners, the user.
pub(super) fn gather(
    source: Box<dyn Source>,
    config: Config,
    wording: Wording,
    inputs: &Inputs,
    log: &mut Log,
) -> Result<Parts, StartUpError> {
    let mut recipe = Recipe {
        directory: directory_of(&config)?,
        config,
        wording,
        listeners: Vec::new(),
        account: None,
        descriptors: None,
    };
    recipe.program()?;
    recipe.descriptors = process::raise_descriptor_limit();
    process::become_subreaper()?;
    let program = command::own_path()?;
    let signals = read_signals(inputs)?;

    // Before we open any: it may listen there itself.
    let (taken, held) = match recipe.config.take_over {
        Some(pid) => {
            let listeners = adopt::take_listeners(pid, &recipe.config)?;
            let gone = |_| TakeOverError::NoProcess(pid);
            (Some(Taken::watch(pid, inputs).map_err(gone)?), listeners)
        }
        None => (None, Vec::new()),
    };
    for listener in &held {
        let (text, pid) = (listener.actual(), recipe.config.take_over.unwrap_or(0));
        log.say(format!("Took over {text} from {pid}"));
    }
    let uris = replace_by_inherited(&recipe.config.listeners)?;
    for uri in &recipe.config.listeners {
        log.say(format!("Listening on {}", uri.text));
    }
    let public = match &recipe.config.metrics {
        Some(uri) => {
            let (public, text) = Public::open(uri, inputs)?;
            log.say(format!("Metrics on {text}"));
            Some(public)
        }
        None => None,
    };
    let mut listeners = listeners::open_all(&uris)?;
    let given = |l: &&Listener| {
        let address = &l.uri().address;
        address.any_port() || matches!(address, Address::Systemd(_))
    };
    for listener in listeners.iter().filter(given) {
        log.say(format!("Listening on {}", listener.actual()));
    }
    for left in listeners::left_over(&listeners) {
        log.say(left);
    }
    let account = account(&recipe.config);
    recipe.account = account.inspect_err(|_| listeners.iter().for_each(Listener::remove_path))?;
    listeners.extend(held);
    let sockets = Sockets::new(listeners, inputs)?;
    recipe.listeners = asked(&recipe.config.listeners, sockets.listeners());
    // Last, because it is left in place by whoever lets go of it.
    let rundir = run_directory(log);
    Ok(Parts {
        source,
        recipes: ByGeneration::new(Arc::new(recipe)),
        sockets,
        taken,
        control: rundir
            .as_ref()
            .and_then(|rundir| control(rundir, inputs, log)),
        public,
        rundir,
        program,
        signals,
    })
}

/// Which of the listeners, in the order in which they were opened, each URI has brought.
fn asked(uris: &[ListenUri], listeners: &[Listener]) -> Vec<Keyed> {
    let mut uris = uris.iter();
    let mut uri = None;
    let asked = listeners.iter().map_while(|listener| {
        if !listener.is_further() {
            uri = uris.next();
        }
        Some(Keyed {
            uri: uri?.clone(),
            key: listener.key(),
        })
    });
    asked.collect()
}

fn run_directory(log: &mut Log) -> Option<RunDir> {
    let rundir = RunDir::create().map_err(|error| {
        log.say(format!(
            "No directory for sockets of our own ({error}): workers cannot say READY=1"
        ));
    });
    rundir.ok()
}

/// Without it signals are as good as ever.
fn control(rundir: &RunDir, inputs: &Inputs, log: &mut Log) -> Option<Control> {
    let control = Control::bind(rundir.path(), inputs);
    let control = control.map_err(|error| {
        let path = rundir.path().display();
        log.say(format!("No control socket in {path}: {error}"));
    });
    control.ok()
}

/// The original takes a descriptor that `SOCKETMASTER_FD` names in place of the listener.
fn replace_by_inherited(uris: &[ListenUri]) -> Result<Vec<ListenUri>, StartUpError> {
    let mut uris = uris.to_vec();
    if let Some(fd) = env::var_os("SOCKETMASTER_FD").filter(|fd| !fd.is_empty()) {
        let fd = fd.to_string_lossy().into_owned();
        let uri = format!("fd://{fd}").parse();
        let uri: ListenUri = uri.map_err(|error| StartUpError::Inherited(fd, error))?;
        if let Some(first) = uris.first_mut() {
            *first = ListenUri {
                name: first.name.take(),
                ..uri
            };
        }
    }
    Ok(uris)
}

pub(super) fn read_signals(inputs: &Inputs) -> io::Result<Task> {
    let signals = SignalStream::open()?;
    let inputs = inputs.clone();
    Ok(Task::spawn(async move {
        while let Ok((number, pid)) = signals.next().await {
            if inputs.send(Input::Signal(number, pid)).is_err() {
                return;
            }
        }
    }))
}

pub(super) fn log_options(config: &Config) -> Options {
    Options {
        supervisor: std::process::id().cast_signed(),
        format: config.log_format,
        syslog: (config.log_target == LogTarget::Syslog).then(|| SYSLOG.into()),
    }
}

pub(super) fn policy(config: &Config) -> Policy {
    Policy {
        sign: Sign::from(&config.readiness),
        ready_timeout: config.ready_timeout,
        drain_timeout: config.drain_timeout,
        kill_timeout: config.kill_timeout,
        stop_signal: config.stop_signal,
        restart: config.restart,
        workers: config.workers,
        step: match config.strategy {
            Strategy::All => u32::MAX,
            Strategy::Rolling { surge } => surge,
        },
        bake: config.bake,
        first_alone: config.adopt.is_some(),
        seed: u64::from(std::process::id()) ^ now().0,
    }
}
