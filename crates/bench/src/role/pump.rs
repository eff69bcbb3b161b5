//! What forwarding must cost at the least: the bare loops that the log forwarder is compared with.

use std::fs::File;
use std::io::{self, Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::path::Path;

use super::say_usage;

const READ: usize = 64 * 1024;

/// Puts a prefix of a length before each line: one read, one search for each end, one write of all whole lines.
pub(crate) fn pump(reports: &Path, args: &[String]) -> io::Result<()> {
    let prefix = vec![b'-'; args.first().and_then(|word| word.parse().ok()).unwrap_or(0)];
    let (mut input, mut output) = streams()?;
    let mut bytes = vec![0; 2 * READ];
    let mut lines = Vec::with_capacity(4 * READ);
    let mut held = 0;
    loop {
        let read = input.read(&mut bytes[held..held + READ])?;
        if read == 0 {
            break;
        }
        let end = held + read;
        let mut begin = 0;
        for newline in memchr::memchr_iter(b'\n', &bytes[..end]) {
            lines.extend_from_slice(&prefix);
            lines.extend_from_slice(&bytes[begin..=newline]);
            begin = newline + 1;
        }
        output.write_all(&lines)?;
        lines.clear();
        bytes.copy_within(begin..end, 0);
        held = end - begin;
    }
    say_usage(reports);
    Ok(())
}

/// Copies, and looks at nothing.
pub(crate) fn copy(reports: &Path) -> io::Result<()> {
    let (mut input, mut output) = streams()?;
    let mut bytes = vec![0; READ];
    loop {
        let read = input.read(&mut bytes)?;
        if read == 0 {
            break;
        }
        output.write_all(&bytes[..read])?;
    }
    say_usage(reports);
    Ok(())
}

/// Standard input and output, unbuffered.
fn streams() -> io::Result<(File, File)> {
    Ok((
        stdin().as_fd().try_clone_to_owned()?.into(),
        stdout().as_fd().try_clone_to_owned()?.into(),
    ))
}
