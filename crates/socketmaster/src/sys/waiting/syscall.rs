//! In which system call a thread sleeps (proc(5), `/proc/PID/syscall`).
//!
//! A read of a socket that listens comes back at once, so one that sleeps in it waits for datagrams.
//!
//! The numbers are those of the architecture this program is built for; a 32-bit program on a 64-bit kernel has
//! others and is not recognised. A poll(2) that was stopped and continued shows as restart_syscall(2) until its
//! timeout, and is not recognised either.

use super::procfs::hex;

/// A system call that may wait for connections or datagrams.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// accept(2), accept4(2).
    Accept { fd: i32 },
    /// recvfrom(2), which recv(2) is too, recvmsg(2), recvmmsg(2), read(2), readv(2).
    Receive { fd: i32 },
    /// poll(2), ppoll(2): an array of `count` pollfds.
    Poll { address: u64, count: u64 },
    /// select(2), pselect6(2): an fd_set of `count` bits, the one for reading.
    Select { address: u64, count: u64 },
    /// io_uring_enter(2), which does not tell what for.
    Uring,
}

/// Reads `NUMBER ARGUMENT×6 SP PC`, the number in decimal, the rest as `0x…`. None for any other call, for a thread that
/// is `running`, and for one that sleeps outside of a call (`-1 SP PC`).
pub(super) fn parse(line: &[u8]) -> Option<Call> {
    let mut words = line.trim_ascii().split(|&byte| byte == b' ');
    let number: libc::c_long = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    let mut argument = || hex(words.next()?.strip_prefix(b"0x")?);
    let (first, second) = (argument()?, argument()?);
    match number {
        // The kernel reads an int: the upper half of the register may hold anything.
        libc::SYS_accept | libc::SYS_accept4 => Some(Call::Accept { fd: first as i32 }),
        libc::SYS_recvfrom
        | libc::SYS_recvmsg
        | libc::SYS_recvmmsg
        | libc::SYS_read
        | libc::SYS_readv => Some(Call::Receive { fd: first as i32 }),
        libc::SYS_ppoll => Some(Call::Poll {
            address: first,
            count: second & 0xffff_ffff,
        }),
        libc::SYS_pselect6 => Some(Call::Select {
            address: second,
            count: first & 0xffff_ffff,
        }),
        // aarch64 has the newer two only (asm-generic/unistd.h).
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll => Some(Call::Poll {
            address: first,
            count: second & 0xffff_ffff,
        }),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select => Some(Call::Select {
            address: second,
            count: first & 0xffff_ffff,
        }),
        libc::SYS_io_uring_enter => Some(Call::Uring),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: libc::c_long, first: u64, second: u64) -> Vec<u8> {
        format!("{number} {first:#x} {second:#x} 0x0 0x0 0x0 0x0 0x7ffc8 0x7f3a9\n").into_bytes()
    }

    #[test]
    fn reads_the_calls_that_wait() {
        assert_eq!(
            parse(&line(libc::SYS_accept4, 3, 0)),
            Some(Call::Accept { fd: 3 })
        );
        assert_eq!(
            parse(&line(libc::SYS_accept, 0xdead_0000_0003, 0)),
            Some(Call::Accept { fd: 3 })
        );
        assert_eq!(
            parse(&line(libc::SYS_recvmsg, 0xdead_0000_0003, 0)),
            Some(Call::Receive { fd: 3 })
        );
        assert_eq!(
            parse(&line(libc::SYS_ppoll, 0x7f00, 2)),
            Some(Call::Poll {
                address: 0x7f00,
                count: 2
            })
        );
        assert_eq!(
            parse(&line(libc::SYS_pselect6, 8, 0x7f00)),
            Some(Call::Select {
                address: 0x7f00,
                count: 8
            })
        );
        assert_eq!(
            parse(&line(libc::SYS_io_uring_enter, 3, 0)),
            Some(Call::Uring)
        );
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn reads_the_older_calls() {
        assert_eq!(
            parse(&line(7, 0x7f00, 2)),
            Some(Call::Poll {
                address: 0x7f00,
                count: 2
            })
        );
        assert_eq!(
            parse(&line(23, 8, 0x7f00)),
            Some(Call::Select {
                address: 0x7f00,
                count: 8
            })
        );
    }

    #[test]
    fn passes_over_everything_else() {
        assert_eq!(parse(&line(libc::SYS_write, 3, 0)), None);
        for line in [
            &b"running\n"[..],
            b"-1 0x7ffc8 0x7f3a9\n",
            b"",
            b"43",
            b"43 3 0",
            b"\xff",
        ] {
            assert_eq!(parse(line), None);
        }
    }
}
