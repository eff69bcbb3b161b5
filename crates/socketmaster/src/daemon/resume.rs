//! Going on where the program before us left off.

use std::io;
use std::sync::Arc;

use super::Daemon;
use super::adopt::{Calls, Taken};
use super::check::Checking;
use super::control::{Control, Public};
use super::guard::Sockets;
use super::inputs::Inputs;
use super::listeners::Listener;
use super::log::Log;
use super::notify::{Extension, LastWord, NotifySocket};
use super::parts::{Parts, Queue, StartUpError, log_options, policy, read_signals};
use super::ready::Channel;
use super::recipe::{Keyed, Recipe};
use super::rundir::RunDir;
use super::upgrade::{Handover, HeldWorker};
use super::worker::{Watching, Worker};
use crate::config::source::Source;
use crate::config::{Config, Readiness};
use crate::core::{ByGeneration, Ending, Event, Supervisor};
use crate::sys::fds;
use crate::sys::process::Child;
use crate::wire::held::HeldListener;
use crate::wire::uri::ListenUri;

/// Goes on after an upgrade.
pub(super) fn resume(
    source: Box<dyn Source>,
    state: Handover,
    inputs: Inputs,
    queue: Queue,
) -> Result<Daemon, StartUpError> {
    let recipes = recipes(&*source, &state)?;
    let config = &recipes.newest().config;
    let mut log = Log::resume(state.log, log_options(config), inputs.clone())?;
    log.say(concat!("Upgraded to version ", env!("CARGO_PKG_VERSION")));
    let mut listeners = Vec::new();
    let (mut configured, mut uri) = (config.listeners.iter(), None);
    let mut places = state.places.into_iter();
    for held in &state.listeners {
        let (fd, place) = (fds::take_over(held.fd)?, places.next().flatten());
        if let Some(adopted) = &held.adopted {
            listeners.push(Listener::from_held_adopted(held, adopted, place, fd)?);
        } else {
            if !held.further {
                uri = asked_for(held).or_else(|| configured.next().cloned());
            }
            if let Some(uri) = &uri {
                listeners.push(Listener::from_held(uri, held, fd)?);
            }
        }
    }
    let rundir = match state.rundir {
        Some((path, lock)) => Some(RunDir::resume(path, fds::take_over(lock)?)),
        None => None,
    };
    let mut policies = recipes.all();
    let first = policies
        .next()
        .map_or_else(|| policy(config), |(_, r)| policy(&r.config));
    let later: Vec<_> = policies
        .map(|(g, recipe)| (g, policy(&recipe.config)))
        .collect();
    let core = Supervisor::restore(first, &later, state.core);
    let parts = Parts {
        source,
        recipes,
        sockets: Sockets::new(listeners, &inputs)?,
        taken: match state.taken {
            Some(held) => Some(Taken::from_held(held, &inputs)?),
            None => None,
        },
        rundir,
        control: match state.control {
            Some(fd) => Some(Control::resume(fds::take_over(fd)?, &inputs)?),
            None => None,
        },
        public: match state.public {
            Some(fd) => Some(Public::resume(fds::take_over(fd)?, &inputs)?),
            None => None,
        },
        program: state.program,
        signals: read_signals(&inputs)?,
    };
    let mut daemon = parts.assemble(core, log, inputs, queue);
    daemon.requests = state.requests;
    daemon.since = state.since.unwrap_or(daemon.since);
    daemon.last_reload = state.last_reload;
    daemon.counters = state.counters;
    daemon.inherited = state.inherited;
    daemon.blind_said = state.blind_said;
    daemon.privileges_said = true;
    daemon.guard_again();
    for held in state.remnants {
        daemon.take_back_remnant(held)?;
    }
    let mut missing = Vec::new();
    for held in state.workers {
        let (id, pid) = (held.id, held.pid);
        match daemon.take_back(held) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => missing.push((id, pid)),
            result => result?,
        }
    }
    daemon.look_again();
    // A child of ours cannot go away unseen, unless what stood at our path was a script whose shell reaped it.
    for (id, pid) in missing {
        daemon.log.say(format!(
            "{pid} has ended during the upgrade, nobody knows how"
        ));
        daemon.handle(Event::Exited(id, Ending::Signal(libc::SIGKILL)));
    }
    // Whoever ended while nobody looked has left a zombie and no further signal.
    daemon.reap();
    for id in daemon.workers.keys().copied().collect::<Vec<_>>() {
        daemon.check(id);
    }
    Ok(daemon)
}

/// The configurations that stand, as they were read.
fn recipes(
    source: &dyn Source,
    state: &Handover,
) -> Result<ByGeneration<Arc<Recipe>>, StartUpError> {
    let mut all: Option<ByGeneration<Arc<Recipe>>> = None;
    for held in state.recipes() {
        let config = source
            .again(&held.wording)
            .map_err(StartUpError::Mistakes)?;
        let listeners = held.listeners.iter();
        let listeners = listeners.filter_map(|(key, text, name)| {
            let uri: ListenUri = text.parse().ok()?;
            let uri = ListenUri {
                name: name.clone(),
                ..uri
            };
            Some(Keyed { uri, key: *key })
        });
        let recipe = Arc::new(Recipe {
            listeners: match state.recipes.is_empty() {
                true => asked_by_flags(&config, &state.listeners),
                false => listeners.collect(),
            },
            directory: held.directory,
            account: held.account,
            descriptors: state.descriptors,
            wording: held.wording,
            config,
        });
        match &mut all {
            Some(all) => all.insert(held.since, recipe),
            None => all = Some(ByGeneration::new(recipe)),
        }
    }
    // There is always one.
    all.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData).into())
}

/// The listeners that a program before us had, which told neither their keys nor their names: they are those of the
/// flags, in the same order, and get their keys in it.
fn asked_by_flags(config: &Config, held: &[HeldListener]) -> Vec<Keyed> {
    let mut uris = config.listeners.iter();
    let mut uri = None;
    let own = held.iter().filter(|held| held.adopted.is_none());
    let asked = (1..).zip(own).filter_map(|(key, held)| {
        if !held.further {
            uri = uris.next();
        }
        let uri = uri?.clone();
        Some(Keyed { uri, key })
    });
    asked.collect()
}

/// What a listener was asked for by; `None` if the program before us did not say it in full.
fn asked_for(held: &HeldListener) -> Option<ListenUri> {
    let uri: ListenUri = held.uri.parse().ok().filter(|_| held.key > 0)?;
    Some(ListenUri {
        name: held.name.clone(),
        ..uri
    })
}

impl Daemon {
    fn take_back(&mut self, held: HeldWorker) -> io::Result<()> {
        let notify = match held.notify {
            Some((path, fd)) => Some(NotifySocket::resume(path, fds::take_over(fd)?)),
            None => None,
        };
        let launch = held.launch.map(fds::take_over).transpose()?.map(Arc::new);
        let mut worker = Worker {
            generation: held.generation,
            slot: held.slot,
            child: Child::new(held.pid)?,
            since: held.since,
            notify,
            channel: held.channel.map(Channel::resume).transpose()?,
            says: LastWord::resume(held.says),
            extension: Extension::default(),
            launch,
            error: held.error,
            calls: match held.calls {
                Some(calls) => Some(Calls::from_held(calls, held.id, &self.inputs)?),
                None => None,
            },
            no_new_privileges: false,
            ready_at: held.ready_at,
            check: match (
                &held.check,
                &self.recipes.of(held.generation).config.readiness,
            ) {
                (Some(held), _) => Some(Checking::from_held(held)),
                (None, Readiness::Check(_)) => Some(Checking::default()),
                (None, _) => None,
            },
            sight: Watching {
                waiting: held.waiting,
                blind: held.blind,
                ..Watching::new(held.pid)
            },
            tasks: Vec::new(),
        };
        let recipe = Arc::clone(self.recipes.of(held.generation));
        worker.listen(held.id, &recipe, &self.inputs)?;
        self.workers.insert(held.id, worker);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{self, Invocation};

    #[test]
    fn the_flags_name_what_an_older_program_held() {
        let words = [
            "-listen",
            "web=tcp://127.0.0.1:80",
            "-listen",
            "systemd:api",
            "-listen",
            "tcp://127.0.0.1:81",
            "-command=./app",
        ];
        let Ok(Invocation::Run(config)) = cli::parse(&words.map(Into::into)) else {
            panic!("flags that start a supervisor");
        };
        let held = |text: &str, further| HeldListener {
            fd: 3,
            uri: text.into(),
            path: None,
            given: String::new(),
            further,
            key: 0,
            name: None,
            adopted: None,
        };
        let held = [
            held("web=tcp://127.0.0.1:80", false),
            held("systemd:api", false),
            held("systemd:api", true),
            held("tcp://127.0.0.1:81", false),
        ];
        let asked = asked_by_flags(&config, &held);
        let said: Vec<_> = asked
            .iter()
            .map(|asked| (asked.key, asked.uri.name.as_deref(), &*asked.uri.text))
            .collect();
        let expected = [
            (1, Some("web"), "tcp://127.0.0.1:80"),
            (2, None, "systemd:api"),
            (3, None, "systemd:api"),
            (4, None, "tcp://127.0.0.1:81"),
        ];
        assert_eq!(said, expected);
    }
}
