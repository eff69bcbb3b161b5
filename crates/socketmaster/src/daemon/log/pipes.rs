//! The pipes between a worker and the forwarder.

use std::io;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use crate::config::LogFormat;
use crate::wire::forward::Stream;

/// The ends of a worker's pipes before it has a pid.
#[derive(Debug)]
pub struct WorkerPipes {
    pub(super) readers: Vec<(Stream, OwnedFd)>,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl WorkerPipes {
    /// Makes the pipes of a worker to be: one for both streams where the format does not tell them apart, because one
    /// pipe keeps their order.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn new(format: LogFormat) -> io::Result<Self> {
        // Of the default size: a larger one was measured to be slower, and an unprivileged user has 64 MiB in all.
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC);
        let (reader, stdout) = pipe()?;
        if format == LogFormat::Text {
            let stderr = stdout.try_clone()?;
            return Ok(Self {
                readers: vec![(Stream::Output, reader)],
                stdout,
                stderr,
            });
        }
        let (error_reader, stderr) = pipe()?;
        let readers = vec![(Stream::Stdout, reader), (Stream::Stderr, error_reader)];
        Ok(Self {
            readers,
            stdout,
            stderr,
        })
    }

    /// The ends to write to, once.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn writers(&self) -> io::Result<(Stdio, Stdio)> {
        Ok((
            self.stdout.try_clone()?.into(),
            self.stderr.try_clone()?.into(),
        ))
    }
}
