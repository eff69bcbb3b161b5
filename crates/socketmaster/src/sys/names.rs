//! Users and groups by name or number.

use std::io;

use nix::unistd::{Group, User};

/// The uid of a login; digits that are no login stand for themselves. `None` if there is no such user.
///
/// # Errors
/// What the system's user database says.
pub fn uid(login: &str) -> io::Result<Option<u32>> {
    Ok(match User::from_name(login)? {
        Some(user) => Some(user.uid.as_raw()),
        None => login.parse().ok(),
    })
}

/// The gid of a group; digits that are no group stand for themselves. `None` if there is no such group.
///
/// # Errors
/// What the system's group database says.
pub fn gid(name: &str) -> io::Result<Option<u32>> {
    Ok(match Group::from_name(name)? {
        Some(group) => Some(group.gid.as_raw()),
        None => name.parse().ok(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(uid("root").unwrap(), Some(0));
        assert_eq!(gid("root").unwrap(), Some(0));
        assert_eq!(uid("4242").unwrap(), Some(4242));
        assert_eq!(gid("4242").unwrap(), Some(4242));
        assert_eq!(uid("no such login").unwrap(), None);
        assert_eq!(gid("-1").unwrap(), None);
    }
}
