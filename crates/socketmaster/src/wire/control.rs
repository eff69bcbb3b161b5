//! What the control socket speaks: JSON values, the same for `socketmaster reload` and for `curl`.
//!
//! Fields are only ever added; a reader skips what it does not know.

use serde::{Deserialize, Serialize};

/// The file name of the control socket in the run directory.
pub const SOCKET: &str = "control";

/// What `POST /v1/reload` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReloadRequest {
    /// Reload only if this generation serves now: of two who deploy at once, the second hears that it came too late.
    pub if_generation: Option<u64>,
    /// Go on telling until the older generations have gone.
    pub wait_drained: bool,
}

/// What `POST /v1/scale` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScaleRequest {
    /// How many workers there are to be, at least 1.
    pub workers: u32,
}

/// What `GET /v1/logs?lines=N&follow=1` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogsRequest {
    /// So many of the last lines.
    pub lines: usize,
    /// And those to come.
    pub follow: bool,
    /// Instead of the last lines all from this position on: that of the header [`POSITION`], and the bytes read since.
    pub after: Option<u64>,
}

/// The header that says where in the log an answer to `GET /v1/logs` begins, in bytes.
pub const POSITION: &str = "log-position";

/// What a query of `GET /v1/logs` says that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {0:?}: say what is wanted as in /v1/logs?lines=50&follow=1")]
pub struct QueryError(pub String);

/// One line of what `POST /v1/reload` answers. The last one is a verdict, or `drained` if that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Progress {
    /// Another reload is under way: this one begins when that has ended.
    Queued,
    /// A process of the new generation was started.
    Started {
        /// Its generation.
        generation: u64,
        /// Its slot in the generation, from 0 on.
        #[serde(default)]
        slot: u32,
        /// Its pid.
        pid: i32,
    },
    /// It has said something of itself while it starts (`STATUS=`, sd_notify(3)); of words in quick succession the last.
    Says {
        /// Its generation.
        generation: u64,
        /// Its slot in the generation, from 0 on.
        #[serde(default)]
        slot: u32,
        /// Its pid.
        pid: i32,
        /// Its words.
        text: String,
    },
    /// It is not ready yet for a reason that is known.
    Waits {
        /// Its generation.
        generation: u64,
        /// The reason.
        why: String,
    },
    /// It is ready.
    Ready {
        /// Its generation.
        generation: u64,
        /// Its slot in the generation, from 0 on.
        #[serde(default)]
        slot: u32,
        /// Its pid.
        pid: i32,
        /// Milliseconds from its start.
        after_ms: u64,
    },
    /// An older one was told to stop.
    Draining {
        /// Its generation.
        generation: u64,
        /// Its slot in the generation, from 0 on.
        #[serde(default)]
        slot: u32,
        /// Its pid.
        pid: i32,
    },
    /// A process has ended, with all that came of it.
    Gone {
        /// Its generation.
        generation: u64,
        /// Its slot in the generation, from 0 on.
        #[serde(default)]
        slot: u32,
        /// How, in words.
        how: String,
    },
    /// Verdict: the new generation serves.
    Done {
        /// Its number.
        generation: u64,
    },
    /// Verdict: nothing has changed.
    Failed {
        /// The generation that failed.
        generation: u64,
        /// The slot of the worker that failed; none if none could be started.
        #[serde(default)]
        slot: Option<u32>,
        /// Why.
        why: String,
        /// The generation that serves on, if there is one.
        serving: Option<u64>,
        /// The last lines that the failed one printed.
        output: Vec<String>,
    },
    /// Verdict: the generation that serves is not the one that was expected. Nothing was begun.
    NotExpected {
        /// The generation that serves.
        serving: Option<u64>,
    },
    /// Verdict: a stop came first.
    Superseded,
    /// After the verdict, if asked for: no older generation is left.
    Drained,
}

/// What `GET /v1/status` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The instance's name.
    pub name: String,
    /// The supervisor's version.
    pub version: String,
    /// The supervisor's pid.
    pub pid: i32,
    /// Seconds since the supervisor started, through upgrades.
    pub uptime_s: u64,
    /// The newest generation that has been ready.
    pub serving: Option<u64>,
    /// Whether a worker of it is ready now.
    pub ready: bool,
    /// Whether a reload, or the first start, is under way.
    pub reloading: bool,
    /// Whether it is about to end.
    pub stopping: bool,
    /// How many workers are wanted.
    #[serde(default)]
    pub workers_wanted: u32,
    /// The sockets that are held.
    pub listeners: Vec<ListenerStatus>,
    /// The processes, oldest generation first.
    pub workers: Vec<WorkerStatus>,
    /// A worker that has ended by itself and is to be started again; of several the next.
    #[serde(default)]
    pub restarting: Option<Restarting>,
    /// How the last reload ended; none since the start if missing.
    pub last_reload: Option<LastReload>,
}

/// A worker that is to be started again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarting {
    /// In so many milliseconds.
    pub in_ms: u64,
    /// How the last one ended that did; none if that was before an upgrade.
    pub ended: Option<String>,
}

/// One socket that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// What it listens on, as a listen URI.
    pub uri: String,
    /// The name given with `NAME=`.
    pub name: Option<String>,
    /// Whether it was adopted from the program.
    pub adopted: bool,
    /// Connections that wait to be accepted now (`TCP_INFO`); only known of TCP.
    pub queue: Option<u32>,
    /// How many may wait.
    pub queue_limit: Option<u32>,
    /// Bytes of datagrams that wait to be read, with what the kernel needs for each of them (`SO_MEMINFO`); only known of
    /// UDP.
    #[serde(default)]
    pub waiting_bytes: Option<u32>,
    /// How many may wait.
    #[serde(default)]
    pub waiting_bytes_limit: Option<u32>,
    /// How often the kernel dropped a connection, or a datagram, for want of room in the queue mostly, since the socket
    /// was made; a client that tries again counts again. Not known of unix sockets.
    pub dropped: Option<u32>,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Its generation.
    pub generation: u64,
    /// Its slot in the generation, from 0 on.
    #[serde(default)]
    pub slot: u32,
    /// Its pid.
    pub pid: i32,
    /// `starting`, `ready` or `draining`.
    pub phase: String,
    /// Milliseconds since its start.
    pub age_ms: u64,
    /// Milliseconds from its start till it was ready.
    pub ready_after_ms: Option<u64>,
    /// Resident memory in bytes, of this process alone.
    pub rss_bytes: Option<u64>,
    /// Connections to our listeners that it has open, with all that came of it; only counted while it drains.
    pub connections: Option<u64>,
    /// What it last said of itself (`STATUS=`, sd_notify(3)).
    pub says: Option<String>,
}

/// How a reload ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReload {
    /// The generation that it brought up, or was to.
    pub generation: u64,
    /// Whether that serves.
    pub done: bool,
    /// Why not.
    pub why: Option<String>,
    /// Seconds since then.
    pub ago_s: u64,
}

/// An error of the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlError {
    /// What is wrong, for people.
    pub error: String,
}

impl Default for LogsRequest {
    fn default() -> Self {
        Self {
            lines: 50,
            follow: false,
            after: None,
        }
    }
}

impl LogsRequest {
    /// What a query asks for, the part of a URL behind its `?`.
    ///
    /// # Errors
    /// The first part that is not `lines=N`, `follow=0`, `follow=1` or `after=N`.
    pub fn from_query(query: &str) -> Result<Self, QueryError> {
        let mut this = Self::default();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let unknown = || QueryError(part.to_owned());
            let (key, value) = part.split_once('=').ok_or_else(unknown)?;
            let number = || value.parse::<u64>().map_err(|_| unknown());
            match key {
                "lines" => this.lines = usize::try_from(number()?).unwrap_or(usize::MAX),
                "after" => this.after = Some(number()?),
                "follow" if value == "0" || value == "1" => this.follow = value == "1",
                _ => return Err(unknown()),
            }
        }
        Ok(this)
    }

    /// The query that asks for this.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = format!("lines={}&follow={}", self.lines, u8::from(self.follow));
        if let Some(after) = self.after {
            query += &format!("&after={after}");
        }
        query
    }
}

impl Progress {
    /// Whether it says how a reload ended.
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        matches!(
            self,
            Self::Done { .. } | Self::Failed { .. } | Self::NotExpected { .. } | Self::Superseded
        )
    }
}

impl Status {
    /// Whether all is as it should be: as many workers are ready as are wanted, and the last reload did not fail.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let ready = self.workers.iter().filter(|worker| worker.phase == "ready");
        let enough = ready.count() >= self.workers_wanted as usize;
        self.ready
            && enough
            && !self.stopping
            && self.last_reload.as_ref().is_none_or(|last| last.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_comes_back_as_it_was() {
        for request in [
            LogsRequest::default(),
            LogsRequest {
                lines: 0,
                follow: true,
                after: Some(u64::MAX),
            },
        ] {
            let query = request.to_query();
            assert_eq!(LogsRequest::from_query(&query), Ok(request));
        }
        assert_eq!(LogsRequest::from_query(""), Ok(LogsRequest::default()));
        for wrong in [
            "lines",
            "lines=",
            "lines=-1",
            "follow=yes",
            "after=x",
            "n=1",
        ] {
            let error = QueryError(wrong.into());
            assert_eq!(LogsRequest::from_query(wrong), Err(error));
        }
    }
}
