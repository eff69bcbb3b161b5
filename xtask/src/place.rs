//! Where things are, and files in their place.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => target.into(),
        None => root().join("target"),
    }
}

/// Writes a file, with the folders it lies in, and says so.
pub(crate) fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Error> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.map_err(|source| Error::Write {
        path: path.into(),
        source,
    })?;
    println!("{}", path.display());
    Ok(())
}

/// Refuses options where there are none.
pub(crate) fn no_more(args: &[String]) -> Result<(), Error> {
    args.first()
        .map_or(Ok(()), |word| Err(Error::Option(word.clone())))
}
