//! The configuration of each generation: read again at a reload, made ready, and what comes of it.
//!
//! A reload is a transaction. Before it starts anything its configuration is read, understood and compared, and the
//! listeners that are new in it are opened; whatever of that fails, fails the reload with nothing changed. From then on
//! two configurations stand side by side, each for its own generations: what a worker is started by, what tells it to
//! stop, which listeners it is passed. When the reload is over, what no generation in force asks for is let go: the
//! old listeners if it is done, the new ones if it has failed, none if it has failed half-way.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Daemon;
use super::adopt::Remnant;
use super::command::LookupError;
use super::listeners::{self, Listener, OpenError};
use super::parts::policy;
use super::recipe::{Keyed, Recipe, SettingError, account, directory_of};
use super::worker::Worker;
use crate::config::Config;
use crate::config::source::Mistakes;
use crate::core::{Event, Generation, Share, Verdict, WorkerId};
use crate::wire::uri::{Address, ListenUri};

/// Why a configuration cannot be changed to.
#[derive(Debug, thiserror::Error)]
enum ConfigurationError {
    #[error("{}", .0.in_brief())]
    Mistakes(Mistakes),
    #[error("{0} cannot be changed by a reload: put it back, or stop and start the service")]
    Fixed(&'static str),
    #[error("{0} can be taken at the start only: stop and start the service")]
    Descriptor(String),
    #[error("Could not find executable {0}")]
    Command(#[from] LookupError),
    #[error(transparent)]
    Listen(#[from] OpenError),
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("no more listeners can be watched: {0}")]
    Watch(#[from] std::io::Error),
}

impl Daemon {
    /// The configuration that stands, whatever is being brought up.
    pub(super) fn recipe(&self) -> &Recipe {
        let serving = self.core.serving().unwrap_or(Generation(0));
        self.recipes.of(serving)
    }

    /// The configuration that a worker was started by.
    pub(super) fn recipe_of(&self, id: WorkerId) -> &Recipe {
        let worker = self.workers.get(&id).map(|worker| worker.generation);
        let left = || self.remnants.get(&id).map(Remnant::generation);
        match worker.or_else(left) {
            Some(generation) => self.recipes.of(generation),
            None => self.recipe(),
        }
    }

    /// Makes ready what the generation of a reload needs.
    pub(super) fn prepare(&mut self, generation: Generation) {
        self.forget_configurations();
        let event = match self.make_ready() {
            Ok(recipe) => {
                let policy = policy(&recipe.config);
                self.recipes.insert(generation, recipe);
                Event::Prepared(generation, policy)
            }
            Err(error) => {
                let why = error.to_string();
                self.log
                    .say(format!("Generation {} failed: {why}", generation.0));
                if let ConfigurationError::Mistakes(mistakes) = &error {
                    for mistake in mistakes.all.iter().skip(1) {
                        self.log.say(mistake.to_string());
                    }
                }
                self.report_unprepared(generation, &why);
                self.note_unprepared(why);
                Event::Unprepared(generation)
            }
        };
        self.events.push_back(event);
    }

    fn make_ready(&mut self) -> Result<Arc<Recipe>, ConfigurationError> {
        let serving = self.core.serving().unwrap_or(Generation(0));
        let standing = Arc::clone(self.recipes.of(serving));
        let (config, wording) = self.source.read().map_err(ConfigurationError::Mistakes)?;
        if config == standing.config {
            return Ok(standing);
        }
        if let Some(what) = fixed(&standing.config, &config) {
            return Err(ConfigurationError::Fixed(what));
        }
        let mut recipe = Recipe {
            // What is asked for by the same name is not looked up again: neither may be there for the moment.
            directory: match config.directory == standing.config.directory {
                true => standing.directory.clone(),
                false => directory_of(&config)?,
            },
            account: match config.user == standing.config.user {
                true => standing.account.clone(),
                false => account(&config)?,
            },
            descriptors: standing.descriptors,
            listeners: Vec::new(),
            config,
            wording,
        };
        recipe.program()?;
        self.log.say("The configuration has changed");
        recipe.listeners = self.listeners_for(&recipe.config.listeners)?;
        Ok(Arc::new(recipe))
    }

    /// The listeners that these stand for: those that are there, and new ones for the rest, all or none.
    fn listeners_for(&mut self, uris: &[ListenUri]) -> Result<Vec<Keyed>, ConfigurationError> {
        let mut known: Vec<Keyed> = Vec::new();
        for generation in self.core.in_force() {
            for asked in &self.recipes.of(generation).listeners {
                if !known.iter().any(|other| other.key == asked.key) {
                    known.push(asked.clone());
                }
            }
        }
        // What the program has bound, a file may come to ask for, once more or for the first time.
        for listener in self.sockets.listeners() {
            if listener.adopted().is_some() && !known.iter().any(|k| k.key == listener.key()) {
                let asked = uris.iter().find(|uri| listener.is_asked_by(uri));
                known.extend(asked.map(|uri| Keyed {
                    uri: uri.clone(),
                    key: listener.key(),
                }));
            }
        }
        let mut there = Vec::new();
        for uri in uris {
            // Of those whose port the system chooses each has its own; activation brings several by one name.
            let most = if uri.address.any_port() {
                1
            } else {
                usize::MAX
            };
            let mine = |asked: &mut Keyed| asked.uri.address == uri.address;
            there.push(known.extract_if(.., mine).take(most).collect::<Vec<_>>());
        }
        let pairs = uris.iter().zip(&there);
        let new = pairs.filter(|(_, there)| there.is_empty());
        let new: Vec<_> = new.map(|(uri, _)| uri.clone()).collect();
        // By now it may be one of our own, or of the log.
        let given = |uri: &&ListenUri| matches!(uri.address, Address::Fd(_));
        if let Some(uri) = new.iter().find(given) {
            return Err(ConfigurationError::Descriptor(uri.text.clone()));
        }
        let mut opened = listeners::open_all(&new)?.into_iter().peekable();
        let mut all = Vec::new();
        for (uri, there) in uris.iter().zip(there) {
            let mut keys: Vec<u64> = there.iter().map(|asked| asked.key).collect();
            if keys.is_empty() {
                let first = opened.next().into_iter();
                let rest = std::iter::from_fn(|| opened.next_if(Listener::is_further));
                for listener in first.chain(rest) {
                    self.log.say(format!("Listening on {}", listener.actual()));
                    keys.push(self.sockets.hold(listener)?);
                }
            }
            all.extend(keys.into_iter().map(|key| Keyed {
                uri: uri.clone(),
                key,
            }));
        }
        Ok(all)
    }

    /// A reload is over: what stands now stands alone.
    pub(super) fn stand(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Failed(generation, _, Share { replaced: 0, .. }) => {
                self.recipes.remove(generation);
            }
            Verdict::Done(generation) => {
                let recipe = Arc::clone(self.recipes.of(generation));
                for asked in &recipe.listeners {
                    let listener = self.sockets.of_key(asked.key);
                    let changed =
                        listener.filter(|l| l.adopted().is_some() || *l.uri() != asked.uri);
                    if let Some(Err(error)) = changed.map(|l| l.change(&asked.uri)) {
                        self.log.say(error.to_string());
                    }
                }
            }
            Verdict::Failed(..) | Verdict::Superseded => {}
        }
        self.let_go_of_the_unasked(matches!(verdict, Verdict::Done(_)));
    }

    /// The keys of the listeners that a configuration in force asks for.
    pub(super) fn asked_for(&self) -> BTreeSet<u64> {
        let in_force = self.core.in_force().into_iter();
        let asked = in_force.flat_map(|generation| &self.recipes.of(generation).listeners);
        asked.map(|asked| asked.key).collect()
    }

    /// Lets go of listeners that no configuration in force asks for.
    fn let_go_of_the_unasked(&mut self, done: bool) {
        let asked = self.asked_for();
        let configured: Vec<u64> = self.sockets.configured().collect();
        for key in configured.into_iter().filter(|key| !asked.contains(key)) {
            let bound_by = |inode| {
                let mut ready = self
                    .workers
                    .iter()
                    .filter(|(id, _)| self.core.is_ready(**id));
                let bound =
                    |worker: &Worker| worker.calls.as_ref().is_some_and(|c| c.has_bound(inode));
                ready.find(|(_, worker)| bound(worker)).map(|(id, _)| *id)
            };
            // Bound for all that, it is as good as any other that the program has opened.
            if let (true, Some(listener)) = (done, self.sockets.of_key(key))
                && let Some(worker) = bound_by(listener.inode())
            {
                listener.leave_to(worker);
            }
        }
        let released = self
            .sockets
            .release(|listener| listener.adopted().is_none() && !asked.contains(&listener.key()));
        for listener in released {
            listener.remove_path();
            self.log
                .say(format!("No longer listening on {}", listener.actual()));
        }
    }

    /// Forgets configurations of which no generation is left.
    fn forget_configurations(&mut self) {
        let workers = self.workers.values().map(|worker| worker.generation);
        let left = self.remnants.values().map(Remnant::generation);
        let in_force = self.core.in_force();
        // The one that is being made ready has none yet.
        let attempted = self.core.attempted();
        let in_force = in_force.into_iter().filter(|g| Some(*g) != attempted);
        if let Some(oldest) = workers.chain(left).chain(in_force).min() {
            self.recipes.forget_before(oldest);
        }
    }
}

/// The key that no reload can change, and that differs.
fn fixed(standing: &Config, new: &Config) -> Option<&'static str> {
    let differs = [
        ("adopt", standing.adopt.is_some() != new.adopt.is_some()),
        ("metrics", standing.metrics != new.metrics),
        ("syslog", standing.log_target != new.log_target),
        ("log_format", standing.log_format != new.log_format),
    ];
    let differs = differs.into_iter().find(|(_, differs)| *differs);
    differs.map(|(what, _)| what)
}
