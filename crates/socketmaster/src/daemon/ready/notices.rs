//! What a worker says on its notify socket, on its way to the daemon.

use std::mem;
use std::time::Duration;

use crate::core::WorkerId;
use crate::daemon::inputs::{Input, Inputs, Task};
use crate::daemon::notify::{Extension, LastWord};
use crate::wire::notify::Notice;

/// From one word about what a worker says of itself to the next.
const PAUSE: Duration = Duration::from_millis(50);

/// Passes on what a worker says; it returns whether there is somebody to pass it on to. `READY=1` is passed on once, if
/// it `counts`: a program that repeats it without end must not fill the queue. It is read on, because others that find
/// the socket full would wait.
pub fn notices(
    id: WorkerId,
    counts: bool,
    says: LastWord,
    extension: Extension,
    inputs: Inputs,
) -> impl FnMut(Notice) -> bool {
    let mut said = false;
    let mut telling: Option<Task> = None;
    move |notice: Notice| {
        if let Some(status) = notice.status {
            says.set(status);
            if telling.as_ref().is_none_or(Task::is_over) {
                telling = Some(tell(id, says.clone(), inputs.clone()));
            }
        }
        // Before the word that ends the start.
        if notice.extend.is_some_and(|span| extension.ask(span)) {
            let _ = inputs.send(Input::Asks(id));
        }
        let tells = notice.ready && counts && !mem::replace(&mut said, true);
        !tells || inputs.send(Input::Ready(id)).is_ok()
    }
}

/// Tells the daemon of a worker's words, and once more in a while if they have changed by then: a program may change
/// them as often as it likes.
fn tell(id: WorkerId, says: LastWord, inputs: Inputs) -> Task {
    let told = says.get();
    let _ = inputs.send(Input::Says(id));
    Task::spawn(async move {
        tokio::time::sleep(PAUSE).await;
        if says.get() != told {
            let _ = inputs.send(Input::Says(id));
        }
    })
}
