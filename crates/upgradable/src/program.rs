//! The program that this process runs, as it can be started again.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Absolute, links not resolved: what they lead to then is what is started.
    pub(crate) path: PathBuf,
    pub(crate) argv0: OsString,
    pub(crate) args: Vec<OsString>,
    /// Where it was started.
    pub(crate) directory: PathBuf,
}

impl Program {
    pub(crate) fn of_this_process() -> Self {
        let directory = env::current_dir().unwrap_or_else(|_| "/".into());
        let mut args = env::args_os();
        let argv0 = args.next().unwrap_or_default();
        let path = find(&argv0, &directory, env::var_os("PATH").as_deref());
        let path = path
            .or_else(running)
            .unwrap_or_else(|| PathBuf::from(&argv0));
        Self {
            path,
            argv0,
            args: args.collect(),
            directory,
        }
    }
}

/// As a shell finds it: by the path, or in PATH.
fn find(argv0: &OsStr, directory: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let named = Path::new(argv0);
    if argv0.as_bytes().contains(&b'/') {
        return Some(directory.join(named)).filter(|path| path.exists());
    }
    env::split_paths(path?)
        .map(|place| directory.join(place).join(named))
        .find(|path| !argv0.is_empty() && path.is_file())
}

/// Where `argv[0]` leads nowhere, because it is only a name that somebody chose. The kernel marks the path of a file
/// that was replaced (rust-lang/rust#69343), and what stands there now is the new program.
fn running() -> Option<PathBuf> {
    let path = env::current_exe().ok()?;
    let bytes = path.as_os_str().as_bytes();
    let before = bytes.strip_suffix(b" (deleted)").filter(|_| !path.exists());
    let Some(before) = before else {
        return Some(path);
    };
    let before = PathBuf::from(OsString::from_vec(before.to_vec()));
    Some(before).filter(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_path_stays_as_it_was_given() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("one"), "").unwrap();
        symlink("one", home.path().join("current")).unwrap();
        let found = find("./current".as_ref(), home.path(), None);
        assert_eq!(found, Some(home.path().join("./current")));
        assert_eq!(find("./two".as_ref(), home.path(), None), None);
    }

    #[test]
    fn a_name_is_looked_up() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        fs::write(home.path().join("bin/one"), "").unwrap();
        let path = Some("/nowhere:bin".as_ref());
        let found = find("one".as_ref(), home.path(), path);
        assert_eq!(found, Some(home.path().join("bin/one")));
        assert_eq!(find("".as_ref(), home.path(), path), None);
    }

    #[test]
    fn what_runs_can_be_found() {
        assert!(running().unwrap().is_absolute());
    }
}
