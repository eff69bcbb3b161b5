//! Descriptors by their numbers, which only matter on the two sides of an exec.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd, fcntl_setfd};

/// Marks every descriptor from 3 on close-on-exec, so that nothing we inherited by accident reaches a child.
///
/// It walks `/proc/self/fd`: `close_range` can do this from Linux 5.11 on, one version past our floor.
///
/// # Errors
/// `/proc` is not mounted.
pub fn close_all_on_exec() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        if let Some(fd) = number.filter(|fd| *fd > 2) {
            // SAFETY: borrowed for one fcntl; if the number has been closed meanwhile the kernel says EBADF.
            let fd = unsafe { BorrowedFd::borrow_raw(fd) };
            // The descriptor of the walk itself may be gone: nothing to mark then.
            let _ = fcntl_setfd(fd, FdFlags::CLOEXEC);
        }
    }
    Ok(())
}

/// Sets or clears close-on-exec.
///
/// # Errors
/// What fcntl(2) says of `F_SETFD`; practically never.
pub fn set_close_on_exec(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = if on {
        FdFlags::CLOEXEC
    } else {
        FdFlags::empty()
    };
    Ok(fcntl_setfd(fd, flags)?)
}

/// Borrows a descriptor of ours by its number, which must stay open meanwhile.
///
/// # Errors
/// No such descriptor is open.
pub fn borrow<'a>(number: RawFd) -> io::Result<BorrowedFd<'a>> {
    if number < 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: a number that is not -1; that it is open is checked next.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    fcntl_getfd(fd)?;
    Ok(fd)
}

/// Takes over a descriptor that the program before us left open under this number, and marks it close-on-exec.
///
/// # Errors
/// No such descriptor is open, or the number is that of a standard stream.
pub fn take_over(number: RawFd) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: borrowed for one fcntl, which fails if it is not open.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as just seen, and the caller names each number once: the list comes from the program that
    // we were before the exec, and no descriptor of ours had been opened under it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A close-on-exec duplicate with a number of at least `least`.
///
/// # Errors
/// Out of descriptors.
pub fn duplicate_above(fd: impl AsFd, least: RawFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(fd, least)?)
}

/// Gives the descriptors the numbers `first`, `first + 1`, … and lets them through an exec.
///
/// All of them are moved out of the way before the first is put in place: a source could stand where another has to
/// go. What was open under those numbers is closed.
///
/// # Errors
/// Out of descriptors.
pub fn place(fds: Vec<OwnedFd>, first: RawFd) -> io::Result<()> {
    let end = first + RawFd::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let in_place = (first..)
        .zip(&fds)
        .all(|(number, fd)| fd.as_raw_fd() == number);
    let fds = if in_place {
        fds
    } else {
        let moved = fds.iter().map(|fd| fcntl_dupfd_cloexec(fd, end));
        let moved = moved.collect::<Result<Vec<_>, _>>()?;
        // Before their numbers mean something else.
        drop(fds);
        moved
    };
    for (number, fd) in (first..).zip(fds) {
        if fd.as_raw_fd() != number {
            // SAFETY: dup2 onto a number; whatever was there is ours to close in a process about to exec.
            if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
                return Err(io::Error::last_os_error());
            }
        } else {
            // dup2 of a descriptor onto itself does nothing, and would leave close-on-exec set.
            fcntl_setfd(&fd, FdFlags::empty())?;
            let _ = fd.into_raw_fd();
        }
    }
    Ok(())
}

/// Whether the descriptor would be closed by an exec.
///
/// # Errors
/// What fcntl(2) says of `F_GETFD`; practically never.
pub fn is_close_on_exec(fd: impl AsFd) -> io::Result<bool> {
    Ok(fcntl_getfd(fd)?.contains(FdFlags::CLOEXEC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, pipe};

    /// High numbers, so that tests running beside this one are not disturbed.
    const FIRST: RawFd = 700;

    fn at(number: RawFd, fd: &OwnedFd) -> OwnedFd {
        let fd = fcntl_dupfd_cloexec(fd, number).unwrap();
        assert_eq!(fd.as_raw_fd(), number);
        fd
    }

    #[test]
    fn crossed_sources_end_up_in_order() {
        let (mut readers, mut sources) = (Vec::new(), Vec::new());
        // The source of each place stands where another has to go, one stands right already.
        for number in [FIRST + 1, FIRST, FIRST + 2] {
            let (reader, writer) = pipe().unwrap();
            readers.push(reader);
            sources.push(at(number, &writer.into()));
        }
        place(sources, FIRST).unwrap();
        for (number, mut reader) in (FIRST..).zip(readers) {
            // SAFETY: `place` has just put a descriptor there that nobody owns.
            let fd = unsafe { OwnedFd::from_raw_fd(number) };
            assert!(!is_close_on_exec(&fd).unwrap());
            rustix::io::write(&fd, &[number as u8]).unwrap();
            drop(fd);
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], number as u8);
        }
    }

    #[test]
    fn a_closed_number_is_not_taken_over() {
        assert!(take_over(650).is_err());
        assert!(take_over(2).is_err());
    }
}
