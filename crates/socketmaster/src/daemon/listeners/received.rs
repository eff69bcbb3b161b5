//! Sockets received by activation: the service manager has opened them, and holds them beyond our end.

use std::env;
use std::os::fd::AsFd;
use std::process;

use super::{Listener, Reason, open};
use crate::sys::socket;
use crate::wire::activation::{self, NotReceived, Received};
use crate::wire::uri::ListenUri;

/// What the variables say. An upgrade drops them: by then the numbers mean something else.
fn received() -> Result<Vec<Received>, NotReceived> {
    activation::received(process::id(), |name| env::var(name).ok())
}

/// All of a name, or all there are.
pub(super) fn open(uri: &ListenUri, name: Option<&str>) -> Result<Vec<Listener>, Reason> {
    let those = activation::named(received()?, name)?;
    those
        .into_iter()
        .enumerate()
        .map(|(index, each)| {
            let socket = open::inherited(each.fd, uri.backlog)?;
            Ok(Listener {
                given: each.name,
                further: index > 0,
                ..Listener::new(uri, socket, None)?
            })
        })
        .collect()
}

/// What to say of sockets that were received and that no listener is: whoever connects to one waits for ever.
#[must_use]
pub fn left_over(listeners: &[Listener]) -> Vec<String> {
    let is_held = |each: &Received| {
        let inode = socket::inherit(each.fd).and_then(|copy| socket::inode(copy.as_fd()));
        inode.is_ok_and(|inode| listeners.iter().any(|l| l.inode() == inode))
    };
    let left = received().unwrap_or_default();
    let left = left.into_iter().filter(|each| !is_held(each));
    left.map(|Received { fd, name }| {
        let (called, cure) = match &*name {
            "" => (String::new(), format!("-listen fd://{fd}")),
            name => (format!(" named {name}"), format!("-listen systemd:{name}")),
        };
        format!(
            "Descriptor {fd}{called} was received by socket activation, and no -listen takes it: nobody serves it; \
             write {cure} as well, or take it out of the socket unit"
        )
    })
    .collect()
}
