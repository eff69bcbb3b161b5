//! What a generation is started by: what the operator asked for, and what the system said to it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process;

use super::command::{self, LookupError};
use super::launch::Seat;
use super::listeners::Listener;
use super::notify::NotifySocket;
use super::ready::Channel;
use crate::config::source::Wording;
use crate::config::{Adopt, Config, Orphans};
use crate::launcher;
use crate::sys::user::{self, Account};
use crate::wire::environment;
use crate::wire::launch::{Setup, Trap, UserIds};
use crate::wire::protocol::{Passed, Protocol};
use crate::wire::uri::{Address, ListenUri};

/// What every start of a generation needs.
#[derive(Debug)]
pub struct Recipe {
    /// What the operator asked for.
    pub config: Config,
    /// What that was read from.
    pub wording: Wording,
    /// The listeners that it asks for, in the order in which they are passed.
    pub listeners: Vec<Keyed>,
    /// Where the worker starts, by name; resolved by its launcher.
    pub directory: PathBuf,
    /// The user that it becomes.
    pub account: Option<(String, Account)>,
    /// The limit of open descriptors that we were given, if we raised it.
    pub descriptors: Option<u64>,
}

/// What the system does not have of what the operator asked for.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// There is no such login, or nobody who knows.
    #[error("Unable to find user {0}: {1}")]
    User(String, &'static str),
    /// Another user is asked for than ours.
    #[error(
        "Only root can start programs as another user: start socketmaster as root, or leave -user out"
    )]
    NotRoot,
    /// The directory is not there, or not for us.
    #[error("Cannot enter the directory {0}: {1}")]
    Directory(PathBuf, io::Error),
    /// Ours is not there any more.
    #[error(
        "The directory that socketmaster was started in is not there any more ({0}): start it in another, or name one \
         with -directory"
    )]
    Here(io::Error),
}

/// A listener that a configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// What it asks for.
    pub uri: ListenUri,
    /// The key of the listener that it got.
    pub key: u64,
}

impl Recipe {
    /// The program as it is found now, looked up by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn program(&self) -> Result<PathBuf, LookupError> {
        command::look_up(&self.config.command, &self.directory)
    }

    /// What this configuration calls a listener, which may have had another name before.
    fn name_of(&self, listener: &Listener) -> String {
        let asked = self
            .listeners
            .iter()
            .find(|asked| asked.key == listener.key());
        let name = asked.and_then(|asked| asked.uri.name.clone());
        name.unwrap_or_else(|| listener.name())
    }

    /// The user whose processes may speak for the worker, if it is not ours.
    pub(super) fn uid(&self) -> Option<u32> {
        self.account.as_ref().map(|(_, account)| account.uid)
    }

    pub(super) fn setup(&self, listeners: usize, channel: Option<&Channel>) -> Setup {
        let user = self.account.as_ref().map(|(login, account)| UserIds {
            login: login.clone(),
            uid: account.uid,
            gid: account.gid,
        });
        let pid = process::id().cast_signed();
        let death =
            (self.config.orphans == Orphans::Kill).then_some((self.config.stop_signal, pid));
        Setup {
            listeners,
            ready: channel.and_then(Channel::ready_fd),
            user,
            descriptors: self.descriptors,
            death,
            listen_pid: listeners > 0 && self.config.protocols.contains(&Protocol::Systemd),
            adopt: self.config.adopt.as_ref().map(trap),
        }
    }

    pub(super) fn environment(
        &self,
        seat: Seat,
        listeners: &[&Listener],
        notify: Option<&NotifySocket>,
        channel: Option<&Channel>,
    ) -> impl Iterator<Item = (OsString, OsString)> {
        let passed: Vec<Passed> = (launcher::FIRST_LISTENER..)
            .zip(listeners)
            .map(|(fd, listener)| Passed {
                name: self.name_of(listener),
                ..listener.passed(fd)
            })
            .collect();
        let worker = environment::Worker {
            generation: seat.generation.0,
            slot: seat.slot,
            passed: &passed,
            protocols: &self.config.protocols,
            supervisor: process::id(),
            notify_socket: notify.map(NotifySocket::path),
            ready_fd: channel.and_then(Channel::ready_fd),
            einhorn_socket: channel.and_then(Channel::einhorn_socket),
            user: self
                .account
                .as_ref()
                .map(|(login, account)| (&**login, Path::new(&account.home))),
        };
        let own = self.config.environment.iter();
        let own = own.map(|(name, value)| (name.into(), value.into()));
        environment::build(std::env::vars_os().chain(own), &worker).into_iter()
    }
}

/// Where the program starts, from the root on; it must be there.
pub(super) fn directory_of(config: &Config) -> Result<PathBuf, SettingError> {
    let here = || command::current_directory().map_err(SettingError::Here);
    let directory = match &config.directory {
        Some(directory) if directory.is_absolute() => directory.clone(),
        Some(directory) => here()?.join(directory),
        None => here()?,
    };
    let enter = std::fs::read_dir(&directory);
    enter.map_err(|error| SettingError::Directory(directory.clone(), error))?;
    Ok(directory)
}

pub(super) fn account(config: &Config) -> Result<Option<(String, Account)>, SettingError> {
    let Some(login) = &config.user else {
        return Ok(None);
    };
    let account = user::find(login).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "there is no such login on this machine",
            _ => "the user database does not answer",
        };
        SettingError::User(login.clone(), why)
    })?;
    if user::own_uid() != 0 && user::own_uid() != account.uid {
        return Err(SettingError::NotRoot);
    }
    Ok(Some((login.clone(), account)))
}

/// Where all that can be adopted has a port, no file has to be guarded.
fn trap(adopt: &Adopt) -> Trap {
    let has_port =
        |uri: &ListenUri| matches!(uri.address, Address::Tcp { .. } | Address::Udp { .. });
    match adopt {
        Adopt::These(uris) if uris.iter().all(has_port) => Trap::Sockets,
        Adopt::These(_) | Adopt::Anything => Trap::SocketsAndFiles,
    }
}
