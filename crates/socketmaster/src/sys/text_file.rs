//! Small text files, read by somebody who must not wait.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The text of a regular file that has no more than `most` bytes.
///
/// A fifo or a device may have nothing to read yet, or no end, so neither is opened: opening alone can change what it
/// is about (open(2), fifo(7)). Files of `/proc` are regular ones, and `O_NONBLOCK` keeps those that wait from waiting.
///
/// # Errors
/// What stat(2), open(2) or read(2) says; that it is no regular file, too large, or no UTF-8.
pub fn read(path: &Path, most: u64) -> io::Result<String> {
    let is_file = |file: &fs::Metadata| match (file.is_dir(), file.is_file()) {
        (_, true) => Ok(()),
        (true, _) => Err(io::ErrorKind::IsADirectory.into()),
        _ => Err(io::Error::other("it is no regular file")),
    };
    is_file(&fs::metadata(path)?)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    // Another one may have come in its place.
    is_file(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let kib = most / 1024;
        return Err(io::Error::other(format!("it is larger than {kib} KiB")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_small_text_and_waits_for_nothing() {
        let read = |path: &str| read(Path::new(path), 64 * 1024).map_err(|e| e.to_string());
        assert!(read("/proc/self/limits").unwrap().contains("Max"));
        for special in ["/dev/zero", "/dev/null", "/dev/tty"] {
            assert_eq!(read(special), Err("it is no regular file".into()));
        }
        assert!(read("/proc").unwrap_err().contains("directory"));
        assert_eq!(
            read("/proc/self/exe"),
            Err("it is larger than 64 KiB".into())
        );
    }
}
