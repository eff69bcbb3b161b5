//! The arguments of poll and select, read from the memory of the process that sleeps in them.

use std::os::fd::OwnedFd;

/// Arrays longer than this many descriptors are read up to here.
const MOST: u64 = 65_536;

/// Bytes of one `struct pollfd { int fd; short events; short revents; }` (poll(2)).
const POLLFD: usize = 8;

/// `POLLIN` or `POLLRDNORM`.
const READABLE: i16 = 0x1 | 0x40;

/// Whether an array of `count` pollfds asks for input on one of `sockets`, which are in rising order.
pub(super) fn polled(memory: &OwnedFd, address: u64, count: u64, sockets: &[i32]) -> bool {
    any_chunk(
        memory,
        address,
        count.min(MOST) * POLLFD as u64,
        |_, chunk| {
            chunk
                .as_chunks::<POLLFD>()
                .0
                .iter()
                .any(|&[a, b, c, d, e, f, ..]| {
                    let (fd, events) =
                        (i32::from_ne_bytes([a, b, c, d]), i16::from_ne_bytes([e, f]));
                    events & READABLE != 0 && sockets.binary_search(&fd).is_ok()
                })
        },
    )
}

/// Whether an fd_set of `count` bits has one of `sockets`. Both architectures are little-endian, so bit n of the set is bit
/// n mod 8 of byte n / 8 (select(2); the kernel's `__kernel_fd_set` is an array of longs).
pub(super) fn selected(memory: &OwnedFd, address: u64, count: u64, sockets: &[i32]) -> bool {
    let count = count.min(MOST);
    any_chunk(memory, address, count.div_ceil(8), |start, chunk| {
        sockets
            .iter()
            .filter_map(|&fd| u64::try_from(fd).ok())
            .filter(|&fd| fd < count)
            .any(|fd| {
                let byte = (fd / 8)
                    .checked_sub(start)
                    .and_then(|at| chunk.get(usize::try_from(at).ok()?));
                byte.is_some_and(|byte| byte & (1 << (fd % 8)) != 0)
            })
    })
}

/// Reads `length` bytes at `address` piece by piece, each with its place, until one is `found`. Memory that can't be read
/// (the process has ended, or the address was never valid) ends the search.
fn any_chunk(
    memory: &OwnedFd,
    address: u64,
    length: u64,
    found: impl Fn(u64, &[u8]) -> bool,
) -> bool {
    let mut buffer = [0; 4096];
    let mut start = 0;
    while start < length {
        let size =
            usize::try_from(length - start).map_or(buffer.len(), |left| left.min(buffer.len()));
        let chunk = &mut buffer[..size];
        let Some(at) = address.checked_add(start) else {
            return false;
        };
        // A short read can only be the end of what is mapped.
        if rustix::io::pread(memory, &mut *chunk, at) != Ok(size) {
            return false;
        }
        if found(start, chunk) {
            return true;
        }
        start += size as u64;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnedFd {
        std::fs::File::open("/proc/self/mem").unwrap().into()
    }

    fn pollfd(fd: i32, events: i16) -> [u8; POLLFD] {
        let mut bytes = [0; POLLFD];
        bytes[..4].copy_from_slice(&fd.to_ne_bytes());
        bytes[4..6].copy_from_slice(&events.to_ne_bytes());
        bytes
    }

    #[test]
    fn finds_a_socket_in_a_long_array_of_pollfds() {
        let mut array: Vec<_> = (10..2010).map(|fd| pollfd(fd, 1)).collect();
        array[1999] = pollfd(2009, 4);
        let (address, count) = (array.as_ptr() as u64, array.len() as u64);
        assert!(polled(&own(), address, count, &[3, 1900]));
        assert!(!polled(&own(), address, count, &[3]));
        assert!(
            !polled(&own(), address, count, &[2009]),
            "waits for output only"
        );
        assert!(!polled(&own(), address, 5, &[1900]), "past the end");
        assert!(!polled(&own(), 8, 5, &[10]), "nothing is mapped there");
        assert!(!polled(&own(), u64::MAX, u64::MAX, &[10]));
    }

    #[test]
    fn finds_a_socket_in_an_fd_set() {
        let mut set = [0u64; 16];
        set[0] = 1 << 3;
        set[15] = 1 << 63;
        let address = set.as_ptr() as u64;
        assert!(selected(&own(), address, 4, &[3]));
        assert!(selected(&own(), address, 1024, &[1023]));
        assert!(!selected(&own(), address, 3, &[3]), "past the end");
        assert!(!selected(&own(), address, 1024, &[4, 1022]));
    }
}
