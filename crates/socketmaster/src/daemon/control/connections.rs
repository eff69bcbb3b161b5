//! How many connections a draining worker has still open: the sockets that are connected to one of our listeners, as
//! the kernel lists them, and of these the ones that are among the descriptors of its processes.
//!
//! Both lists are as long as there are connections, and we are one thread. So nothing is counted unless somebody looks,
//! and not before ten times as long has passed as the last count took: whoever looks in a loop hears the same again, and
//! costs a tenth of our time at most.

use std::collections::BTreeMap;
use std::io;

use crate::core::{Time, WorkerId};
use crate::daemon::{Daemon, now};
use crate::sys::socket::{self, Local};
use crate::sys::{diag, waiting};

/// From the end of one count to the next, in times of what the first one took.
const PAUSE: u32 = 10;

/// The last count.
#[derive(Debug)]
pub struct Counted {
    /// From when on it is too old.
    until: Time,
    connections: BTreeMap<WorkerId, Option<u64>>,
}

impl Daemon {
    /// The connections of each of these, which are the first processes of what is to be counted, and all that came of
    /// them; `None` of what cannot be counted.
    pub(super) fn connections(
        &mut self,
        draining: &BTreeMap<WorkerId, Vec<i32>>,
    ) -> BTreeMap<WorkerId, Option<u64>> {
        let before = now();
        if let Some(counted) = &self.counted
            && before < counted.until
            && counted.connections.keys().eq(draining.keys())
        {
            return counted.connections.clone();
        }
        if draining.is_empty() {
            return BTreeMap::new();
        }
        let inodes = self.inodes().ok();
        let count = |pids: &Vec<i32>| Some(waiting::held_by(pids, inodes.as_ref()?)? as u64);
        let connections: BTreeMap<_, _> = draining
            .iter()
            .map(|(id, pids)| (*id, count(pids)))
            .collect();
        let after = now();
        self.counted = Some(Counted {
            until: after + (after - before) * PAUSE,
            connections: connections.clone(),
        });
        connections
    }

    /// The inodes of all connections to our listeners, in rising order.
    fn inodes(&self) -> io::Result<Vec<u64>> {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        let all = self.sockets.listeners().iter();
        for listener in all.filter(|listener| listener.takes_connections()) {
            match socket::local(listener.fd()) {
                Ok(Local::Inet { address, .. }) => addresses.push(address),
                Ok(Local::Path(path)) => names.push(path.into_os_string().into_encoded_bytes()),
                Ok(Local::Abstract(name)) => names.push([&[0], &name[..]].concat()),
                // What cannot be counted is not none.
                Ok(Local::Vsock { .. }) => return Err(io::ErrorKind::Unsupported.into()),
                Ok(Local::Other) | Err(_) => {}
            }
        }
        let mut inodes = diag::tcp(&addresses)?;
        inodes.append(&mut diag::unix(&names)?);
        inodes.sort_unstable();
        Ok(inodes)
    }
}
