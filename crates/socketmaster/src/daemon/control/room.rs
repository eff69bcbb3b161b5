//! Room for clients: so many are served at once, and when all places are taken, one makes place for the next.
//!
//! A client is silent until a whole request of it has come, and again between its answer and its next request. The one
//! that has been silent longest goes, so that a client that says nothing, or says it slowly, keeps out nobody. Those
//! with an answer under way stay, as long as they have not taken more than half of the places: then the one whose answer
//! began first goes.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use crate::core::Time;
use crate::daemon::inputs::Task;
use crate::daemon::{now, sleep};

/// Places.
const PLACES: usize = 128;

/// How long each may keep its place, whoever else comes: enough to say what one wants on a machine that is busy. With
/// it, those who connect anew as soon as they are sent away come in 6,400 times a second at most.
const GRACE: Duration = Duration::from_millis(20);

/// What a client is at, and since when.
#[derive(Clone, Copy, Debug)]
struct Standing {
    is_answered: bool,
    since: Time,
}

impl Standing {
    fn now(is_answered: bool) -> Self {
        let since = now();
        Self { is_answered, since }
    }
}

/// The clients that have a place.
#[derive(Debug, Default)]
pub(super) struct Room(Vec<Place>);

#[derive(Debug)]
struct Place {
    standing: watch::Receiver<Standing>,
    serving: Task,
}

impl Room {
    /// Serves one more client, as soon as there is a place for it.
    pub(super) async fn admit<F>(&mut self, serve: impl FnOnce(Presence) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.make_place().await;
        let (presence, standing) = watch::channel(Standing::now(false));
        let serving = Task::spawn(serve(Presence(Arc::new(presence))));
        self.0.push(Place { standing, serving });
    }

    async fn make_place(&mut self) {
        loop {
            self.0.retain(|place| !place.serving.is_over());
            let Some((at, until)) = self.next_to_go().filter(|_| self.0.len() >= PLACES) else {
                return;
            };
            if until <= now() {
                self.0.swap_remove(at);
                return;
            }
            sleep(Some(until - now())).await;
        }
    }

    /// Whose place is the next to be free, and from when on.
    fn next_to_go(&self) -> Option<(usize, Time)> {
        let all = self.0.iter().map(|place| *place.standing.borrow());
        let answered = all.clone().filter(|standing| standing.is_answered).count();
        let too_many = answered > PLACES / 2;
        let all = all.enumerate().filter(|(_, it)| it.is_answered == too_many);
        let next = all.min_by_key(|(_, standing)| standing.since);
        next.map(|(at, standing)| (at, standing.since + GRACE))
    }
}

/// A client, as it tells the room what it is at.
#[derive(Clone, Debug)]
pub(super) struct Presence(Arc<watch::Sender<Standing>>);

impl Presence {
    /// A whole request has come: it is silent again when this has gone.
    pub(super) fn answering(&self) -> Answering {
        self.0.send_replace(Standing::now(true));
        Answering(self.clone())
    }
}

/// That an answer is under way.
#[derive(Debug)]
pub(super) struct Answering(Presence);

impl Drop for Answering {
    fn drop(&mut self) {
        let Presence(presence) = &self.0;
        presence.send_replace(Standing::now(false));
    }
}

/// The body of an answer, which is under way until it has been taken off our hands.
#[derive(Debug)]
pub(super) struct Underway<B> {
    body: B,
    _until_gone: Answering,
}

impl<B> Underway<B> {
    pub(super) fn new(body: B, until_gone: Answering) -> Self {
        Self {
            body,
            _until_gone: until_gone,
        }
    }
}

impl<B: Body + Unpin> Body for Underway<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
