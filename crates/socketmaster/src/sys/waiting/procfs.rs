//! Small reads of /proc, without an allocation for each entry.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::io::Errno;
use rustix::path::Arg;

/// Opens a directory only to look things up in it.
pub(super) fn directory(at: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    openat(
        at,
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens a file for reading.
pub(super) fn file(at: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    openat(at, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The numbers among the names in a directory (processes, threads, descriptors), together with the directory.
pub(super) fn numbers(
    at: impl AsFd,
    path: impl Arg,
    mut each: impl FnMut(&OwnedFd, i32) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let directory = openat(
        at,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut space = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&directory, &mut space);
    while let Some(entry) = entries.next() {
        if let Some(number) = number(entry?.file_name().to_bytes()) {
            each(&directory, number)?;
        }
    }
    Ok(())
}

/// The pieces of a file between `delimiter`s. A piece of more than 4 KiB, which none of ours is, comes in parts.
pub(super) fn pieces(
    at: impl AsFd,
    path: impl Arg,
    delimiter: u8,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Errno> {
    let file = file(at, path)?;
    let mut buffer = [0; 4096];
    let mut filled = 0;
    loop {
        let count = rustix::io::read(&file, &mut buffer[filled..])?;
        filled += count;
        let mut rest = &buffer[..filled];
        while let Some(end) = memchr::memchr(delimiter, rest) {
            each(&rest[..end]);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() && (count == 0 || rest.len() == buffer.len()) {
            each(rest);
            rest = &[];
        }
        if count == 0 {
            return Ok(());
        }
        let left = rest.len();
        buffer.copy_within(filled - left..filled, 0);
        filled = left;
    }
}

/// Whether the kernel says that we may not look, rather than that there is nothing (any more).
pub(super) fn refuses(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}

/// Whether we have no descriptor or memory left to look with.
pub(super) fn runs_out(error: Errno) -> bool {
    matches!(error, Errno::MFILE | Errno::NFILE | Errno::NOMEM)
}

/// A decimal number, and nothing else.
pub(super) fn number(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A hexadecimal number without `0x`.
pub(super) fn hex(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::CWD;

    #[test]
    fn a_file_longer_than_the_buffer_comes_in_whole_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let lines: Vec<String> = (0..3000).map(|n| format!("line {n}")).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        let mut read = Vec::new();
        pieces(CWD, &path, b'\n', |line| {
            read.push(String::from_utf8(line.to_vec()).unwrap());
        })
        .unwrap();
        assert_eq!(read, lines);
    }

    #[test]
    fn an_endless_piece_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, [b'x'; 10_000]).unwrap();
        let mut sizes = Vec::new();
        pieces(CWD, &path, b'\n', |piece| sizes.push(piece.len())).unwrap();
        assert_eq!(sizes, [4096, 4096, 1808]);
    }
}
