//! What the supervisor tells its launcher, and what the launcher answers.
//!
//! The set-up travels as an argument, the descriptors as messages; the answer is one message, or the end of the
//! socket when the program has been executed.

use serde::{Deserialize, Serialize};

/// What the launcher has to do before it becomes the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// How many listeners follow; they go to fd 3, 4, …
    pub listeners: usize,
    /// The number of one more descriptor, which comes after those: where the program says that it is ready.
    #[serde(default)]
    pub ready: Option<i32>,
    /// Whose rights the program gets.
    pub user: Option<UserIds>,
    /// The soft limit of open descriptors to go back to.
    pub descriptors: Option<u64>,
    /// The signal to get when the supervisor ends, and the supervisor's pid.
    pub death: Option<(i32, i32)>,
    /// Whether the program is told its own pid, as `LISTEN_PID`.
    #[serde(default)]
    pub listen_pid: bool,
    /// Whether the supervisor answers the program's binds.
    #[serde(default)]
    pub adopt: Option<Trap>,
}

/// Which system calls of the program the supervisor answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trap {
    /// Those that make listeners.
    Sockets,
    /// Those that remove the files of unix sockets too.
    SocketsAndFiles,
}

/// What the launcher says, beside an error: where the program's calls are to be answered is the one descriptor of the
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopting {
    /// Whether the program and all that it executes cannot gain privileges.
    pub no_new_privileges: bool,
}

/// A login, resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserIds {
    /// The login's name: its supplementary groups are looked up by it.
    pub login: String,
    /// The user id.
    pub uid: u32,
    /// The primary group id.
    pub gid: u32,
}

/// Why the launcher could not become the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{step}: {error}")]
pub struct LaunchError {
    /// What was tried.
    pub step: Step,
    /// What the system said.
    pub error: String,
}

/// What the launcher tries, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Step {
    /// Receive the descriptors and put them in place.
    #[error("cannot hand over the listeners")]
    Descriptors,
    /// Go back to the limits that the supervisor was given.
    #[error("cannot restore the limit of open files")]
    Limits,
    /// Have the supervisor answer the program's binds.
    #[error("cannot adopt the program's sockets")]
    Adopt,
    /// Become the user.
    #[error("cannot change to the user")]
    User,
    /// Ask for a signal at the supervisor's end.
    #[error("cannot ask for a signal at the supervisor's end")]
    Death,
    /// Enter the working directory.
    #[error("cannot enter the working directory")]
    Directory,
    /// Execute the program.
    #[error("cannot execute the program")]
    Execute,
}
