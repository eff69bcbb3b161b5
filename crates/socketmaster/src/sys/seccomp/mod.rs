//! System calls of other processes, answered by us: seccomp's user notification (seccomp(2), seccomp_unotify(2)).
//!
//! A process installs a filter on itself ([`install`]) and gives the descriptor that comes of it to whoever is to
//! answer. From then on each call of the few that the filter names waits, in that process and in all that come of it,
//! until it is answered: with success ([`succeed`]), or by running it after all ([`go_on`]). The descriptor hangs up
//! when the last of these processes has gone.
//!
//! It is no security boundary: between our look at an argument and the call that goes on, the process may change it.

mod filter;
mod notification;

pub use filter::{Filter, Names, install};
pub use notification::{Call, Trapped, go_on, is_deserted, is_waiting, next, put, succeed};

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::net::TcpListener;
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    use std::sync::mpsc::channel;
    use std::thread::JoinHandle;

    /// A filter is a thread's own: this one of ours plays the program.
    fn under_filter<T: Send + 'static>(
        names: Names,
        program: impl FnOnce() -> T + Send + 'static,
    ) -> (OwnedFd, JoinHandle<T>) {
        let (sender, filter) = channel();
        let thread = std::thread::spawn(move || {
            sender.send(install(names).unwrap().notify).unwrap();
            program()
        });
        (filter.recv().unwrap(), thread)
    }

    fn wait_for_call(notify: &OwnedFd) -> Option<Call> {
        loop {
            match next(notify.as_fd()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                other => return other.unwrap(),
            }
        }
    }

    #[test]
    fn a_call_goes_on_or_is_done_by_us() {
        let (notify, program) = under_filter(Names::Untouched, || {
            let natively = TcpListener::bind("127.0.0.1:0").unwrap();
            let answered = rustix::net::socket(
                rustix::net::AddressFamily::INET,
                rustix::net::SocketType::STREAM,
                None,
            )
            .unwrap();
            let number = answered.as_raw_fd();
            rustix::net::bind(&answered, &natively.local_addr().unwrap()).unwrap();
            assert_eq!(answered.as_raw_fd(), number);
            let place = rustix::net::getsockname(&answered).unwrap();
            (natively.local_addr().unwrap(), place.try_into().unwrap())
        });
        assert!(!is_deserted(notify.as_fd()));
        for trapped in [Trapped::Bind, Trapped::Listen] {
            let call = wait_for_call(&notify).unwrap();
            assert_eq!(call.trapped, trapped);
            assert!(is_waiting(notify.as_fd(), call.id));
            go_on(notify.as_fd(), call.id);
        }
        let call = wait_for_call(&notify).unwrap();
        let ours = TcpListener::bind("127.0.0.1:0").unwrap();
        let number = i32::try_from(call.args[0]).unwrap();
        put(notify.as_fd(), call.id, ours.as_fd(), number, true).unwrap();
        assert!(succeed(notify.as_fd(), call.id));
        assert!(!succeed(notify.as_fd(), call.id));
        assert!(!is_waiting(notify.as_fd(), call.id));
        let (natively, answered): (std::net::SocketAddr, std::net::SocketAddr) =
            program.join().unwrap();
        assert_ne!(natively, answered);
        assert_eq!(answered, ours.local_addr().unwrap());
        assert_eq!(wait_for_call(&notify), None, "the last thread has gone");
        assert!(is_deserted(notify.as_fd()));
    }

    #[test]
    fn names_wait_only_where_asked() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        for names in [Names::Untouched, Names::Removed] {
            std::fs::write(&file, "").unwrap();
            let path = file.clone();
            let (notify, program) =
                under_filter(names, move || std::fs::remove_file(path).unwrap());
            let call = wait_for_call(&notify);
            match names {
                Names::Untouched => assert_eq!(call, None),
                Names::Removed => {
                    let call = call.unwrap();
                    let (Trapped::Unlink | Trapped::UnlinkAt) = call.trapped else {
                        panic!("{call:?}")
                    };
                    assert!(file.exists(), "it waits");
                    go_on(notify.as_fd(), call.id);
                }
            }
            program.join().unwrap();
            assert!(!file.exists());
        }
    }
}
