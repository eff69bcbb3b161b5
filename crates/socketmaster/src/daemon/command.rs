//! Which file to execute: looked up afresh at each start, so that a deploy that moves a symlink is seen.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why no program was found; in the words of Go's `exec.LookPath`, which users of the original know.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// A name without a slash that no directory of `PATH` has.
    #[error("exec: \"{0}\": executable file not found in $PATH")]
    NotInPath(String),
    /// A path that cannot be looked at.
    #[error("exec: \"{0}\": {1}")]
    Path(String, io::Error),
    /// A directory, or a file without the permission to execute it.
    #[error("exec: \"{0}\": permission denied (a directory, or a file that is not executable)")]
    NotExecutable(String),
}

/// The path to execute for a command as typed: with a slash it is that path, seen from `directory`; else the first
/// executable file of that name in `PATH`. Directories of `PATH` that are not absolute are passed over.
///
/// # Errors
/// There is none.
pub fn look_up(command: &OsStr, directory: &Path) -> Result<PathBuf, LookupError> {
    let typed = || command.to_string_lossy().into_owned();
    if command.as_bytes().contains(&b'/') {
        return match is_executable(&directory.join(command)) {
            Ok(true) => Ok(command.into()),
            Ok(false) => Err(LookupError::NotExecutable(typed())),
            Err(error) => Err(LookupError::Path(typed(), error)),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(command))
        .find(|file| matches!(is_executable(file), Ok(true)))
        .ok_or_else(|| LookupError::NotInPath(typed()))
}

fn is_executable(path: &Path) -> io::Result<bool> {
    let meta = fs::metadata(path)?;
    Ok(!meta.is_dir() && meta.permissions().mode() & 0o111 != 0)
}

/// The name of the current directory: `$PWD` if it means the same place, because it keeps the symlinks by which the
/// operator came there.
///
/// # Errors
/// The directory has been removed.
pub fn current_directory() -> io::Result<PathBuf> {
    let here = fs::metadata(".")?;
    let named = env::var_os("PWD")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let same = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == (here.dev(), here.ino()))
    };
    named.filter(same).map_or_else(env::current_dir, Ok)
}

/// The path by which we were started, absolute but with its symlinks kept: an upgrade executes what it means by then.
///
/// # Errors
/// Neither `argv[0]` nor the kernel can say.
pub fn own_path() -> io::Result<PathBuf> {
    let image = fs::metadata("/proc/self/exe")?;
    let typed = env::args_os().next().unwrap_or_default();
    let candidate = current_directory().ok().and_then(|directory| {
        let found = look_up(&typed, &directory).ok()?;
        Some(directory.join(found))
    });
    // argv[0] is whatever our parent wrote; believe it only if it is us.
    let same = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == (image.dev(), image.ino()))
    };
    candidate.filter(same).map_or_else(env::current_exe, Ok)
}

/// A command line as Go's `%v` shows a slice: what the original logs.
#[must_use]
pub fn shown(program: &Path, args: &[OsString]) -> String {
    let words = std::iter::once(program.as_os_str()).chain(args.iter().map(OsString::as_os_str));
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("{} [{}]", program.display(), words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(command: &str) -> String {
        look_up(OsStr::new(command), Path::new("/"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn errors_say_what_go_says() {
        let missing = failure("no-such-program-here");
        assert_eq!(
            missing,
            "exec: \"no-such-program-here\": executable file not found in $PATH"
        );
        assert!(failure("./none").starts_with("exec: \"./none\": No such file or directory"));
        assert!(failure("/etc/passwd").contains("permission denied"));
        assert!(failure("/etc").contains("permission denied"));
    }

    #[test]
    fn a_name_is_searched_and_a_path_kept() {
        let found = look_up(OsStr::new("sh"), Path::new("/")).unwrap();
        assert!(found.is_absolute() && found.ends_with("sh"));
        let kept = look_up(OsStr::new("bin/sh"), Path::new("/")).unwrap();
        assert_eq!(kept, Path::new("bin/sh"));
    }
}
