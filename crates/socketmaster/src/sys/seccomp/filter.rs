//! The filter: a program of classic BPF that the kernel runs before each system call.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use libc::{c_ulong, sock_filter};

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64 (linux/audit.h)
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64 (linux/audit.h)

/// Where `struct seccomp_data` has the number of the call and the architecture (seccomp(2)).
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Which calls on names in the file system wait too. They cost every program that removes many files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// None.
    Untouched,
    /// unlink(2) and unlinkat(2).
    Removed,
}

/// A filter that has been installed.
#[derive(Debug)]
pub struct Filter {
    /// Where the calls are answered; close-on-exec.
    pub notify: OwnedFd,
    /// Whether the process had to give up gaining privileges (`PR_SET_NO_NEW_PRIVS`), because it has no
    /// CAP_SYS_ADMIN: a setuid program that it executes has no more rights than itself.
    pub no_new_privileges: bool,
}

/// Has every bind(2), listen(2) and io_uring_setup(2) of this thread, and of all processes that come of it, wait for an
/// answer. For good: a filter cannot be taken off. Calls of a foreign architecture (32 bit) pass by unseen.
///
/// # Errors
/// `EBUSY` if somebody answers calls of this process already, `EACCES` or `EPERM` if a security policy forbids it, else
/// what seccomp(2) says.
pub fn install(names: Names) -> io::Result<Filter> {
    let code = program(names);
    match set(&code) {
        // Without CAP_SYS_ADMIN only who gives up gaining privileges may filter.
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            rustix::thread::set_no_new_privs(true)?;
            Ok(Filter {
                notify: set(&code)?,
                no_new_privileges: true,
            })
        }
        other => Ok(Filter {
            notify: other?,
            no_new_privileges: false,
        }),
    }
}

fn set(code: &[sock_filter]) -> io::Result<OwnedFd> {
    // Without SPEC_ALLOW kernels before 5.16 make the whole program slower. WAIT_KILLABLE_RECV (Linux 5.19) keeps
    // signals, which Go's runtime sends to its threads all the time, from breaking off a call that is being answered.
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    match set_with(flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, code) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => set_with(flags, code),
        other => other,
    }
}

fn set_with(flags: c_ulong, code: &[sock_filter]) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: code.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which lives across the call, and does not write to it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match i32::try_from(result) {
        // SAFETY: with NEW_LISTENER a number that is not negative is a new descriptor, which nobody else owns.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Every call passes, but for those named here if they are made the native way.
fn program(names: Names) -> Vec<sock_filter> {
    let mut numbers = vec![libc::SYS_bind, libc::SYS_listen, libc::SYS_io_uring_setup];
    if names == Names::Removed {
        #[cfg(target_arch = "x86_64")]
        numbers.push(libc::SYS_unlink);
        numbers.push(libc::SYS_unlinkat);
    }
    let mut code = vec![
        load(ARCHITECTURE),
        if_equal(NATIVE, 1, 0),
        end(libc::SECCOMP_RET_ALLOW),
        load(NUMBER),
    ];
    for number in numbers {
        // Call numbers are small and positive.
        code.push(if_equal(u32::try_from(number).unwrap_or(u32::MAX), 0, 1));
        code.push(end(libc::SECCOMP_RET_USER_NOTIF));
    }
    code.push(end(libc::SECCOMP_RET_ALLOW));
    code
}

fn load(offset: u32) -> sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

/// Skips so many of the next statements.
fn if_equal(value: u32, skip_if: u8, skip_else: u8) -> sock_filter {
    statement(
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        value,
        skip_if,
        skip_else,
    )
}

fn end(action: u32) -> sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, action, 0, 0)
}

fn statement(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter {
        // All codes of classic BPF fit 16 bits.
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    }
}
