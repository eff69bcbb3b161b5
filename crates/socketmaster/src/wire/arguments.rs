//! `{fd:NAME}` in a program's arguments: the descriptor of the listener of that name, or of that index from 0.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A name that no listener has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no listener is named {name:?}: there {}", there_are(.known))]
pub struct NoListener {
    /// The name.
    pub name: String,
    /// What the listeners are called, one after the other.
    pub known: Vec<String>,
}

fn there_are(known: &[String]) -> String {
    match known {
        [one] => format!("is {one}"),
        all => format!("are {}", all.join(", ")),
    }
}

/// The index of the listener that `name` means: its name, else its index from 0. `names` has an empty one for a
/// listener without a name.
///
/// # Errors
/// There is none.
pub fn listener(name: &str, names: &[&str]) -> Result<usize, NoListener> {
    let named = names.iter().position(|own| *own == name && !own.is_empty());
    let index = || (0..names.len()).find(|index| index.to_string() == name);
    named.or_else(index).ok_or_else(|| NoListener {
        name: name.into(),
        known: names
            .iter()
            .enumerate()
            .map(|(index, name)| match *name {
                "" => index.to_string(),
                name => name.into(),
            })
            .collect(),
    })
}

/// The argument with the number of a descriptor in the place of each `{fd:NAME}`; the first listener has `first_fd`.
/// Braces around anything else are the program's own: what cannot be a listener's name is no mistyped one.
///
/// # Errors
/// A name that no listener has.
pub fn with_descriptors(
    argument: &OsStr,
    names: &[&str],
    first_fd: i32,
) -> Result<OsString, NoListener> {
    const OPENING: &[u8] = b"{fd:";
    let mut rest = argument.as_bytes();
    let mut done = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        match rest.strip_prefix(OPENING).and_then(name_in_braces) {
            Some((name, behind)) => {
                let index = listener(name, names)?;
                if let Some(fd) = (first_fd..).nth(index) {
                    done.extend(fd.to_string().bytes());
                }
                rest = behind;
            }
            None => {
                done.push(byte);
                rest = after;
            }
        }
    }
    Ok(OsString::from_vec(done))
}

/// A name and what follows its `}`.
fn name_in_braces(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'}')?;
    let (name, behind) = (&text[..end], &text[end + 1..]);
    // As in `-listen NAME=URI`.
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"_-.".contains(b);
    let name = std::str::from_utf8(name).ok()?;
    (!name.is_empty() && name.as_bytes().iter().all(allowed)).then_some((name, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["web", "", "0"];

    fn placed(argument: &str) -> Result<String, String> {
        with_descriptors(OsStr::new(argument), &NAMES, 3)
            .map(|placed| placed.into_string().unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn names_and_indexes_become_descriptors() {
        for (argument, expected) in [
            ("", ""),
            ("--fd", "--fd"),
            ("{fd:web}", "3"),
            ("fd://{fd:web}", "fd://3"),
            ("a{fd:web}{fd:1}b", "a34b"),
            // A name before an index.
            ("{fd:0}", "5"),
            ("{fd:2}", "5"),
            // What cannot be a name is the program's own.
            ("{fd:}", "{fd:}"),
            ("{fd:web", "{fd:web"),
            ("{fd: web}", "{fd: web}"),
            ("{fd:{fd:web}}", "{fd:3}"),
            ("{web} {\"fd\":3} ${x} é", "{web} {\"fd\":3} ${x} é"),
        ] {
            assert_eq!(placed(argument), Ok(expected.into()), "{argument}");
        }
        let bytes = OsStr::from_bytes(b"\xff{fd:web}\xff");
        assert_eq!(
            with_descriptors(bytes, &NAMES, 3).unwrap().as_bytes(),
            b"\xff3\xff"
        );
    }

    #[test]
    fn a_name_that_no_listener_has_is_an_error() {
        for argument in ["{fd:wbe}", "{fd:3}", "{fd:01}", "{fd:WEB}"] {
            let error = placed(argument).unwrap_err();
            assert!(error.ends_with("there are web, 1, 0"), "{error}");
        }
        assert_eq!(
            listener("x", &[""]).unwrap_err().to_string(),
            r#"no listener is named "x": there is 0"#
        );
    }
}
