//! The file that says which process serves.

use std::fs;
use std::io;
use std::path::Path;

/// Says that this process serves. Aside and renamed: who reads it sees the one pid or the other.
pub(crate) fn write(path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    fs::write(&aside, format!("{}\n", std::process::id()))?;
    fs::rename(&aside, path)
}

/// Removes it, if it is still about this process.
pub(crate) fn remove(path: &Path) {
    let ours =
        fs::read_to_string(path).is_ok_and(|text| text.trim() == std::process::id().to_string());
    if ours {
        // If it cannot be removed it names a process that is gone, which its readers have to see anyway.
        let _ = fs::remove_file(path);
    }
}
