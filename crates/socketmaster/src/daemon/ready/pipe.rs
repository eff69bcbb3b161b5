//! Ready by a newline on a descriptor, as s6 has it (s6's notification-fd): what is written before it and after it is of
//! no interest, and to close it without one is no word.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::core::WorkerId;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::sys::watched::Watched;

/// The end of the pipe that we read.
#[derive(Debug)]
pub struct ReadyPipe {
    number: RawFd,
    reader: Arc<OwnedFd>,
    closed: Arc<AtomicBool>,
}

impl ReadyPipe {
    /// Opens a pipe for a worker that has its end under this number; the second is that end.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(super) fn open(number: RawFd) -> io::Result<(Self, OwnedFd)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        Ok((Self::resume(number, reader), writer))
    }

    /// Goes on with that of the program that we were before.
    pub(super) fn resume(number: RawFd, reader: OwnedFd) -> Self {
        Self {
            number,
            reader: Arc::new(reader),
            closed: Arc::default(),
        }
    }

    /// The worker's number for its end.
    pub(super) fn number(&self) -> RawFd {
        self.number
    }

    /// Our end.
    pub(super) fn reader(&self) -> &OwnedFd {
        &self.reader
    }

    /// Whether the worker has closed it and said nothing.
    pub(super) fn was_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Waits for a newline. Then it reads on and drops what comes, or a program that has its standard output here would
    /// be stopped by a full pipe, or ended by one that nobody reads.
    pub(super) fn listen(&self, id: WorkerId, inputs: &Inputs) -> io::Result<Task> {
        let reader = Watched::for_input(Arc::clone(&self.reader))?;
        let (closed, inputs) = (Arc::clone(&self.closed), inputs.clone());
        Ok(Task::spawn(async move {
            let mut said = false;
            while let Ok(heard) = reader.read(read).await {
                match heard {
                    Heard::Newline if !said => {
                        said = true;
                        if inputs.send(Input::Ready(id)).is_err() {
                            return;
                        }
                    }
                    Heard::Newline | Heard::Other => {}
                    Heard::End => return closed.store(!said, Ordering::Relaxed),
                }
            }
        }))
    }
}

enum Heard {
    Newline,
    Other,
    End,
}

fn read(pipe: BorrowedFd<'_>) -> io::Result<Heard> {
    let mut buffer = [0; 4096];
    let length = rustix::io::read(pipe, &mut buffer)?;
    Ok(match &buffer[..length] {
        [] => Heard::End,
        text if text.contains(&b'\n') => Heard::Newline,
        _ => Heard::Other,
    })
}
