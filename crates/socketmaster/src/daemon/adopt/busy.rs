//! Who is in the way of a program that could not bind: the kernel tells it that the address is in use, and not by whom.

use std::collections::BTreeSet;

use super::Calls;
use crate::daemon::listeners::Spot;
use crate::sys::{holder, peer};

impl Calls {
    /// Strangers that listen where the program wanted to, in words, with what to do.
    #[must_use]
    pub fn who_is_in_the_way(&self) -> Option<String> {
        let supervisor = std::process::id();
        let ours: BTreeSet<i32> = peer::tree(supervisor.cast_signed()).into_iter().collect();
        self.seen.own.values().find_map(|own| {
            let Spot::Inet { address, v6only } = &own.place.spot else {
                return None;
            };
            let holders = holder::of_tcp(*address, *v6only);
            let stranger = holders
                .into_iter()
                .find(|holder| !ours.contains(&holder.pid.cast_signed()))?;
            let pid = stranger.pid;
            let program = stranger.command.split(' ').next().unwrap_or_default();
            // Started twice, most likely.
            let cure = if program.rsplit('/').next() == Some("socketmaster") {
                format!("it is there already: socketmaster reload {pid}")
            } else {
                format!("to take it over: socketmaster adopt --pid {pid} -- PROGRAM")
            };
            Some(format!("{} is held by {stranger}; {cure}", own.place))
        })
    }
}
