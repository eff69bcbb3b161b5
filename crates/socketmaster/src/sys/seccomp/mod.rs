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
