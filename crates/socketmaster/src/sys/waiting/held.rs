//! How many of some sockets a set of process trees holds.

use std::path::Path;

use rustix::io::Errno;

use super::holdings;
use super::process::Process;

/// How many of the sockets with these inodes, which are in rising order, these processes and their descendants hold. One
/// that several hold counts once. `None` if it cannot be seen: a process may not be looked at, or there is none of them.
#[must_use]
pub fn held_by(root_pids: &[i32], inodes: &[u64]) -> Option<usize> {
    let mut tree = root_pids.to_vec();
    tree.sort_unstable();
    tree.dedup();
    let mut held = vec![false; inodes.len()];
    let (mut next, mut seen) = (0, false);
    while let Some(pid) = tree.get(next).copied() {
        next += 1;
        let Ok(process) = Process::open(Path::new("/proc"), pid) else {
            continue;
        };
        let looked = holdings::sockets(&process, |inode| {
            if let Ok(which) = inodes.binary_search(&inode) {
                held[which] = true;
            }
        });
        match looked {
            Ok(()) => seen = true,
            // It has ended.
            Err(Errno::NOENT | Errno::SRCH) => {}
            Err(_) if !process.runs() => {}
            Err(_) => return None,
        }
        let mut children = Vec::new();
        process.children(&mut children);
        // A process that moves meanwhile must not make this go round.
        children.retain(|child| !tree.contains(child));
        tree.append(&mut children);
    }
    seen.then(|| held.iter().filter(|held| **held).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::socket::inode;
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::process::Command;

    #[test]
    fn what_a_child_holds_counts_and_counts_once() {
        let sockets = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let mut inodes = sockets.each_ref().map(|s| inode(s.as_fd()).unwrap());
        inodes.sort_unstable();
        let shared = sockets[0].as_fd().try_clone_to_owned().unwrap();
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(shared)
            .spawn()
            .unwrap();
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let pid = child.id().cast_signed();
        assert_eq!(held_by(&[own], &inodes), Some(3));
        assert_eq!(held_by(&[pid], &inodes), Some(1));
        assert_eq!(held_by(&[pid, pid], &inodes[..0]), Some(0));
        assert_eq!(held_by(&[], &inodes), None);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(held_by(&[pid], &inodes), None);
    }
}
