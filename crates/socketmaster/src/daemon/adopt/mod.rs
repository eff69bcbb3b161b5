//! Adopting: the sockets of a program that opens its own and knows nothing of us.
//!
//! The launcher has the kernel hold the program's calls of bind, listen and unlink until we answer them.
//!
//! | the program calls | we do | it sees |
//! | --- | --- | --- |
//! | `bind` of a place that nobody holds | nothing, but remember it | its own socket |
//! | `listen` on that | take a copy of the socket, make it listen ourselves | success: it is *adopted*, a listener |
//! | `bind` of a listener's place | put the listener in the place of its socket | success |
//! | `listen` on a listener | see to the length of the queue | success |
//! | `unlink` of a listener's file | nothing: the file belongs to all generations, and goes at our end | success |
//! | anything else | have the kernel run it | what it would see without us |
//!
//! So the first generation is native in every way, and each later one finds its place free. A generation is ready
//! when it has bound the places of all listeners and waits there: one that binds other places than the generation that
//! serves would leave the clients of the old places hanging in their queues.
//!
//! Nothing here is a security boundary. The program could not do anything through us that it could not do itself: what
//! is put into it is a socket that it, or an older one of its kind, or the operator has made.

mod answer;
mod bind;
mod busy;
mod calls;
mod datagrams;
mod files;
mod listen;
mod patterns;
mod ready;
mod remnant;
mod takeover;
mod unlink;

pub use calls::{Calls, HeldCalls};
pub use remnant::{HeldRemnant, Remnant};
pub use takeover::{TakeOverError, Taken, take_listeners};
