//! What can go wrong before there is a result.

use std::io;
use std::path::PathBuf;

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("unknown option `{0}`; `--help` lists those there are")]
    Option(String),
    #[error("cannot run {program}: {source}")]
    Run { program: String, source: io::Error },
    #[error("{program} failed; its words are above")]
    Failed { program: String },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot read what cargo says about the workspace: {0}")]
    Metadata(#[from] serde_json::Error),
    #[error("the completions for {shell} look otherwise than expected: {missing:?} is not in them")]
    Patch {
        shell: &'static str,
        missing: String,
    },
}

impl Error {
    /// The exit status that it stands for.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::Option(_) => 2,
            _ => 1,
        }
    }
}
