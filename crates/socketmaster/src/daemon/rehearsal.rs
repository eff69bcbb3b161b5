//! What would keep a configuration from being started, as far as can be said without starting anything.

use super::listeners;
use super::recipe::{account, directory_of};
use crate::config::Config;
use crate::daemon::command;

/// All of it, in words: the directory, the program, the user, and where the listeners are.
///
/// May block: host names are looked up.
#[must_use]
pub fn rehearse(config: &Config) -> Vec<String> {
    let mut wrong = Vec::new();
    match directory_of(config) {
        Ok(directory) => {
            let found = command::look_up(&config.command, &directory);
            wrong.extend(
                found
                    .err()
                    .map(|error| format!("Could not find executable {error}")),
            );
        }
        Err(error) => wrong.push(error.to_string()),
    }
    wrong.extend(account(config).err().map(|error| error.to_string()));
    let listeners = listeners::rehearse_all(&config.listeners);
    wrong.extend(listeners.iter().map(ToString::to_string));
    wrong
}
