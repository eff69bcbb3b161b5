//! Apps that have much to say.

use std::io::{self, Write, stdout};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::say_usage;
use crate::report::{now, say};

const BLOCK: usize = 64 * 1024;

/// So many bytes as lines of a length, in large writes. With `stay` it ends only at TERM.
pub(crate) fn block(reports: &Path, args: &[String]) -> io::Result<()> {
    let mut term = SigSet::empty();
    term.add(Signal::SIGTERM);
    term.thread_block()?;
    let number = |at: usize| {
        args.get(at)
            .and_then(|word| word.parse::<usize>().ok())
            .unwrap_or(0)
    };
    let (mut left, line) = (number(0), number(1));
    let text = lines_of(line);
    let mut out = rustix_stdout();
    say(reports, "writes", now());
    while left > 0 {
        let some = left.min(text.len());
        out.write_all(&text[..some])?;
        left -= some;
    }
    say(reports, "wrote", now());
    say_usage(reports);
    if args.iter().any(|arg| arg == "stay") {
        term.wait()?;
    }
    Ok(())
}

/// So many bytes a second as lines, as far as they are taken, without end.
pub(crate) fn flow(reports: &Path, args: &[String]) -> io::Result<()> {
    let rate = args.first().and_then(|word| word.parse().ok());
    let rate: f64 = rate.unwrap_or(0.0);
    let text = lines_of(100);
    let path = std::env::var_os("NOTIFY_SOCKET").ok_or(io::ErrorKind::NotFound)?;
    UnixDatagram::unbound()?.send_to(b"READY=1", path)?;
    say(reports, "flows", now());
    let mut out = rustix_stdout();
    let (begun, mut written) = (Instant::now(), 0.0);
    loop {
        while written < begun.elapsed().as_secs_f64() * rate {
            out.write_all(&text)?;
            written += text.len() as f64;
        }
        thread::sleep(Duration::from_millis(if rate > 0.0 { 1 } else { 1000 }));
    }
}

/// A block of lines of this length.
fn lines_of(length: usize) -> Vec<u8> {
    let mut text = vec![b'x'; length.max(BLOCK / length * length)];
    text.iter_mut()
        .skip(length - 1)
        .step_by(length)
        .for_each(|byte| *byte = b'\n');
    text
}

/// So many lines, a write each, and the end with the last.
pub(crate) fn lines(args: &[String]) -> io::Result<()> {
    let count: usize = args.first().and_then(|word| word.parse().ok()).unwrap_or(0);
    let mut out = stdout().lock();
    (0..count).try_for_each(|n| writeln!(out, "line {n} of a program that has little time left"))
}

/// Standard output without the buffer that looks for the ends of lines.
fn rustix_stdout() -> std::fs::File {
    let out = std::os::fd::AsFd::as_fd(&stdout()).try_clone_to_owned();
    out.expect("standard output").into()
}
