//! The deploys: a directory per version and a symlink `current`, as deploy tools make them.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::app;

/// A directory of its own for one demonstration; removed at the end.
#[derive(Debug)]
pub(super) struct Site(PathBuf);

impl Site {
    pub(super) fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("socketmaster-demo.{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// What the supervisor is told to start, once and for all.
    pub(super) fn command(&self) -> PathBuf {
        self.0.join("current").join(app::NAME)
    }

    /// Installs a version that works.
    pub(super) fn install(&self, version: &str, program: &Path) -> io::Result<()> {
        fs::create_dir(self.0.join(version))?;
        symlink(program, self.0.join(version).join(app::NAME))
    }

    /// Installs a version that ends as soon as it is started.
    pub(super) fn install_broken(&self, version: &str) -> io::Result<()> {
        fs::create_dir(self.0.join(version))?;
        let script = self.0.join(version).join(app::NAME);
        fs::write(
            &script,
            "#!/bin/sh\necho 'cannot read config.toml: no such file'\nexit 3\n",
        )?;
        fs::set_permissions(script, fs::Permissions::from_mode(0o755))
    }

    /// Moves `current` in one step, so that at no moment there is none.
    pub(super) fn deploy(&self, version: &str) -> io::Result<()> {
        let next = self.0.join("next");
        symlink(version, &next)?;
        fs::rename(next, self.0.join("current"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // In a directory for temporary files, what could not be removed is not left for long.
        let _ = fs::remove_dir_all(&self.0);
    }
}
