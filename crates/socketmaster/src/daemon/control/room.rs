//! Room for clients: so many are served at once, and when all places are taken, one makes place for the next.
//!
//! A client is silent until a whole request of it has come, and again from its answer on. The one that has been silent
//! longest goes, so that a client that says nothing, or says it slowly, keeps out nobody. Those who are told what
//! happens, line by line, stay, as long as they have not taken more than half of the places: then the one that has been
//! told longest goes.

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

/// What a client is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Silent,
    /// It has asked, and the answer is not ours to hasten: nobody goes now.
    Asking,
    /// Its answer is under way, and grows.
    Told,
}

/// The clients that have a place.
#[derive(Debug, Default)]
pub(super) struct Room(Vec<Place>);

#[derive(Debug)]
struct Place {
    /// And since when.
    standing: watch::Receiver<(Standing, Time)>,
    serving: Task,
}

impl Room {
    /// Serves one more client, as soon as there is a place for it.
    pub(super) async fn admit<F>(&mut self, serve: impl FnOnce(Presence) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.make_place().await;
        let (presence, standing) = watch::channel((Standing::Silent, now()));
        let serving = Task::spawn(serve(Presence(Arc::new(presence))));
        self.0.push(Place { standing, serving });
    }

    async fn make_place(&mut self) {
        loop {
            self.0.retain(|place| !place.serving.is_over());
            if self.0.len() < PLACES {
                return;
            }
            let next = self.next_to_go();
            let until = next.map_or(now(), |(_, since)| since) + GRACE;
            if let Some((at, _)) = next.filter(|_| until <= now()) {
                self.0.swap_remove(at);
                return;
            }
            sleep(Some(until - now())).await;
        }
    }

    /// Whose place is the next to be free, and since when it is what it is.
    fn next_to_go(&self) -> Option<(usize, Time)> {
        let all = self.0.iter().map(|place| *place.standing.borrow());
        let is = |wanted| move |(standing, _): &(Standing, Time)| *standing == wanted;
        let goes = match all.clone().filter(is(Standing::Told)).count() > PLACES / 2 {
            true => Standing::Told,
            false => Standing::Silent,
        };
        let all = all.map(|(standing, since)| (standing == goes).then_some(since));
        let all = all.enumerate().filter_map(|(at, since)| Some((at, since?)));
        all.min_by_key(|(_, since)| *since)
    }
}

/// A client, as it tells the room what it is at.
#[derive(Clone, Debug)]
pub(super) struct Presence(Arc<watch::Sender<(Standing, Time)>>);

impl Presence {
    /// A whole request has come.
    pub(super) fn asks(&self) {
        self.is(Standing::Asking);
    }

    /// This is its answer.
    pub(super) fn told<B: Body>(self, body: B) -> Told<B> {
        let grows = body.size_hint().exact().is_none();
        self.is(if grows {
            Standing::Told
        } else {
            Standing::Silent
        });
        Told {
            body,
            presence: self,
        }
    }

    fn is(&self, standing: Standing) {
        self.0.send_replace((standing, now()));
    }
}

/// The body of an answer: when it has ended, the client is silent again.
#[derive(Debug)]
pub(super) struct Told<B> {
    body: B,
    presence: Presence,
}

impl<B> Drop for Told<B> {
    fn drop(&mut self) {
        self.presence.is(Standing::Silent);
    }
}

impl<B: Body + Unpin> Body for Told<B> {
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
