//! A state that outlives an exec: a sealed memory file, and the exec itself.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};

const SEALS: SealFlags = SealFlags::SEAL
    .union(SealFlags::SHRINK)
    .union(SealFlags::GROW)
    .union(SealFlags::WRITE);

/// A memory file with these bytes, which nobody can change any more (memfd_create(2), Linux 3.17).
///
/// # Errors
/// Out of memory or descriptors.
pub fn seal(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create("socketmaster", flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// The bytes of a sealed file, from its beginning.
///
/// # Errors
/// `InvalidData` if it is not sealed: then it is none of ours.
pub fn unseal(fd: impl AsFd) -> io::Result<Vec<u8>> {
    let seals = fcntl_get_seals(fd.as_fd()).unwrap_or(SealFlags::empty());
    if !seals.contains(SEALS) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a sealed state",
        ));
    }
    let mut file = File::from(fd.as_fd().try_clone_to_owned()?);
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Becomes another program. The blocked signals stay blocked, and pending ones pending, which `std`'s exec would not
/// leave alone. Comes back only with an error.
pub fn exec(
    program: &Path,
    args: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> io::Error {
    let text = |word: OsString| CString::new(word.into_vec());
    let variable = |(name, value): (OsString, OsString)| {
        let mut joined = name;
        joined.push("=");
        joined.push(value);
        joined
    };
    let program = text(program.into());
    let args: Result<Vec<_>, _> = args.into_iter().map(text).collect();
    let environment: Result<Vec<_>, _> = environment.into_iter().map(variable).map(text).collect();
    let (Ok(program), Ok(args), Ok(environment)) = (program, args, environment) else {
        return io::ErrorKind::InvalidInput.into();
    };
    let Err(error) = nix::unistd::execve(&program, &args, &environment);
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_state_comes_back_and_cannot_be_changed() {
        let fd = seal(b"state").unwrap();
        assert_eq!(unseal(&fd).unwrap(), b"state");
        assert_eq!(unseal(&fd).unwrap(), b"state");
        assert!(File::from(fd).write(b"x").is_err());
    }

    #[test]
    fn an_ordinary_file_is_refused() {
        assert!(unseal(File::open("/dev/null").unwrap()).is_err());
    }
}
