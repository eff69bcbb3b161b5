//! Sockets between a virtual machine and its host (vsock(7)), of which the libraries know nothing.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::net::AddressFamily;

use super::Type;
use super::make::make;

/// A stream socket bound to a port of this machine, not yet listening: of the address `cid`, or of all that it has.
/// Port 0 lets the kernel choose.
///
/// # Errors
/// `EAFNOSUPPORT` if the kernel has no vsock, `EADDRNOTAVAIL` if the address is another machine's or no transport is
/// loaded for it, `EADDRINUSE`, or `EACCES` for a port below 1024.
pub fn bind_vsock(cid: Option<u32>, port: u32) -> io::Result<OwnedFd> {
    let socket = make(AddressFamily::VSOCK, Type::Stream)?;
    let address = libc::sockaddr_vm {
        svm_family: libc::AF_VSOCK as libc::sa_family_t,
        svm_reserved1: 0,
        svm_port: if port == 0 {
            libc::VMADDR_PORT_ANY
        } else {
            port
        },
        svm_cid: cid.unwrap_or(libc::VMADDR_CID_ANY),
        svm_zero: [0; 4],
    };
    // SAFETY: the kernel reads as many bytes as the structure has.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length()) };
    if result == 0 {
        Ok(socket)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Address and port of a vsock socket; no address if it is bound to all of them.
pub(super) fn local(socket: BorrowedFd<'_>) -> io::Result<(Option<u32>, u32)> {
    let mut address = libc::sockaddr_vm {
        svm_family: 0,
        svm_reserved1: 0,
        svm_port: 0,
        svm_cid: 0,
        svm_zero: [0; 4],
    };
    let mut length = length();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of the structure.
    let result = unsafe {
        libc::getsockname(
            socket.as_raw_fd(),
            (&raw mut address).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let cid = Some(address.svm_cid).filter(|cid| *cid != libc::VMADDR_CID_ANY);
    Ok((cid, address.svm_port))
}

fn length() -> libc::socklen_t {
    size_of::<libc::sockaddr_vm>() as libc::socklen_t
}
