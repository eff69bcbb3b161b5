//! Which supervisors run: their run directories, and what their control sockets answer.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Method;
use tokio::time::{sleep, timeout};

use super::ClientError;
use super::link::Link;
use super::table;
use crate::daemon::control;
use crate::daemon::rundir::{self, PREFIX};
use crate::nearest::nearest;
use crate::sys::process::Child;
use crate::sys::user;
use crate::sys::watched::Watched;
use crate::wire::control::Status;

/// How long a supervisor may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two tries to reach it again.
const PAUSE: Duration = Duration::from_millis(20);

/// A supervisor that runs.
#[derive(Debug)]
pub(super) struct Instance {
    /// What it said first.
    pub(super) status: Status,
    /// The same, as it came.
    pub(super) text: String,
    /// The connection.
    pub(super) link: Link,
    directory: PathBuf,
    /// Readable once its process has ended.
    process: Option<Watched>,
}

impl Instance {
    async fn open(directory: PathBuf) -> io::Result<Self> {
        let mut link = Link::open(&control::path(&directory)).await?;
        // Before it is asked: what answers afterwards was alive, so the descriptor is its own.
        let process = Child::new(link.peer()).and_then(|it| Watched::for_input(it.pidfd()));
        let (status, text) = ask(&mut link).await?;
        Ok(Self {
            status,
            text,
            link,
            directory,
            process: process.ok(),
        })
    }

    /// Asks how things are, on the same connection.
    ///
    /// # Errors
    /// The connection broke: the supervisor has ended or become another program.
    pub(super) async fn ask(&mut self) -> io::Result<Status> {
        Ok(ask(&mut self.link).await?.0)
    }

    /// Connects again to the same process, whatever program that is now.
    ///
    /// # Errors
    /// [`ClientError::Ended`].
    pub(super) async fn reopen(&mut self) -> Result<(), ClientError> {
        loop {
            // A process whose end cannot be seen ends with its directory.
            let again = Self::open(self.directory.clone());
            let again = tokio::select! {
                again = again => again,
                () = self.ended() => return Err(self.error_ended()),
            };
            match again {
                Ok(again) => {
                    *self = again;
                    return Ok(());
                }
                Err(_) if !self.directory.exists() => return Err(self.error_ended()),
                Err(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Waits for the end of its process.
    pub(super) async fn ended(&self) {
        match &self.process {
            Some(process) => drop(process.readable().await),
            None => {
                while self.directory.exists() {
                    sleep(PAUSE).await;
                }
            }
        }
    }

    pub(super) fn error_ended(&self) -> ClientError {
        ClientError::Ended {
            name: super::words::printable(&self.status.name),
            pid: self.status.pid,
        }
    }
}

async fn ask(link: &mut Link) -> io::Result<(Status, String)> {
    let bytes = link.ask(Method::GET, "/v1/status").await?;
    let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
    Ok((serde_json::from_str(&text)?, text))
}

/// All that run and that we may speak to, by name and pid.
///
/// # Errors
/// There is none, or those that there are do not answer.
pub(super) async fn all() -> Result<Vec<Instance>, ClientError> {
    let asked: Vec<_> = directories()
        .into_iter()
        .map(|(pid, directory)| {
            let asked = tokio::spawn(timeout(PATIENCE, Instance::open(directory)));
            (pid, asked)
        })
        .collect();
    let (mut instances, mut silent) = (Vec::new(), Vec::new());
    for (pid, asked) in asked {
        match asked.await {
            Ok(Ok(Ok(instance))) => instances.push(instance),
            Ok(Err(_)) => silent.push(pid),
            // Nobody is there any more, or not yet.
            Ok(Ok(Err(_))) | Err(_) => {}
        }
    }
    instances.sort_by(|a, b| {
        let key = |it: &Instance| (it.status.name.clone(), it.status.pid);
        key(a).cmp(&key(b))
    });
    match instances.is_empty() {
        false => Ok(instances),
        true if silent.is_empty() => Err(ClientError::NoneRuns {
            root: user::own_uid() == 0,
        }),
        true => Err(ClientError::Silent(silent)),
    }
}

/// The one that is meant.
///
/// # Errors
/// There is none, or it is not clear which.
pub(super) async fn one(name: Option<&str>) -> Result<Instance, ClientError> {
    let mut instances = matching(name).await?;
    if instances.len() > 1 {
        return Err(ClientError::Several {
            by: if name.is_some() { "pid" } else { "name" },
            running: table::instances(instances.iter().map(|it| &it.status)),
        });
    }
    instances.pop().ok_or(ClientError::NoneRuns { root: true })
}

/// Those of this name, or the one of this pid; without a name, all.
///
/// # Errors
/// There is none.
pub(super) async fn matching(name: Option<&str>) -> Result<Vec<Instance>, ClientError> {
    let all = all().await?;
    let Some(name) = name else { return Ok(all) };
    let is_meant = |it: &Instance| it.status.name == name || it.status.pid.to_string() == name;
    let (meant, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_meant);
    if meant.is_empty() {
        let names: Vec<_> = others.iter().map(|it| it.status.name.as_str()).collect();
        return Err(ClientError::Unknown {
            name: super::words::printable(name),
            nearest: nearest(name, &names).map(super::words::printable),
            running: table::instances(others.iter().map(|it| &it.status)),
        });
    }
    Ok(meant)
}

/// Run directories with their pids: in the places where a supervisor makes its own, and one level below them for
/// units with a `RuntimeDirectory=`. Root finds those of every user, others only their own: nobody else lets them in,
/// and somebody else's could say anything. In a unit with a `RuntimeDirectory=` of its own the unit's instance alone is
/// meant, so that its `ExecReload=` needs no name.
fn directories() -> Vec<(i32, PathBuf)> {
    let mut places: Vec<PathBuf> = rundir::bases().collect();
    if std::env::var_os("RUNTIME_DIRECTORY").is_some() {
        places.truncate(1);
    } else {
        places.extend(["/run", "/tmp"].map(PathBuf::from));
        if user::own_uid() == 0 {
            places.extend(below(Path::new("/run/user")));
        }
        let shared = std::env::temp_dir();
        let mut units: Vec<_> = places.clone();
        units.retain(|place| *place != shared && place != Path::new("/tmp"));
        places.extend(units.iter().flat_map(|place| below(place)));
    }
    let mut found = Vec::new();
    for directory in places.iter().flat_map(|place| below(place)) {
        let name = directory.file_name().and_then(|name| name.to_str());
        let pid = name.and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        let (Some(pid), Ok(meta)) = (pid, fs::metadata(&directory)) else {
            continue;
        };
        let may_speak = user::own_uid() == 0 || meta.uid() == user::own_uid();
        let id = (meta.dev(), meta.ino());
        if may_speak && !found.iter().any(|(_, _, other)| *other == id) {
            found.push((pid, directory, id));
        }
    }
    found
        .into_iter()
        .map(|(pid, directory, _)| (pid, directory))
        .collect()
}

/// The directories in a directory; symlinks are none.
fn below(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}
