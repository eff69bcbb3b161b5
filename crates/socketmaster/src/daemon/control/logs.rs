//! The log, as an answer.
//!
//! The forwarder writes to a socket of its own for each reader and drops what finds no room there; we carry what comes
//! to the connection, one message at a time and not before the client has taken the one before.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Either;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use super::Ask;
use super::answer::{Answer, ask, ending, error};
use crate::daemon::inputs::{Inputs, Task};
use crate::daemon::log::{LogReader, NoReader};
use crate::wire::control::{LogsRequest, POSITION};
use crate::wire::forward::Follow;

/// Answers what the query asks for.
pub(super) async fn answer(query: Option<&str>, inputs: &Inputs) -> Answer {
    let wanted = match LogsRequest::from_query(query.unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(why) => return error(StatusCode::BAD_REQUEST, why.to_string()),
    };
    let wanted = Follow {
        lines: wanted.lines,
        after: wanted.after,
        follow: wanted.follow,
    };
    let Some(reader) = ask(inputs, |answer| Ask::Logs(wanted, answer)).await else {
        return ending();
    };
    let begun = async {
        let mut reader = reader?;
        let position = reader.position().await?;
        Ok((reader, position))
    };
    match begun.await {
        Ok((reader, position)) => body(reader, position),
        Err(why @ NoReader::TooMany) => error(StatusCode::TOO_MANY_REQUESTS, why.to_string()),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, why.to_string()),
    }
}

fn body(reader: LogReader, position: u64) -> Answer {
    let kind = HeaderValue::from_static(match reader.is_json {
        true => "application/x-ndjson",
        false => "text/plain; charset=utf-8",
    });
    let mut answer = Response::new(Either::Right(Either::Right(Log::of(reader))));
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer.headers_mut().insert(POSITION, position.into());
    answer
}

/// A body that grows with the log. With it the reading ends.
#[derive(Debug)]
pub(super) struct Log {
    messages: mpsc::Receiver<Bytes>,
    _reading: Task,
}

impl Log {
    fn of(mut reader: LogReader) -> Self {
        let (sender, messages) = mpsc::channel(1);
        let reading = Task::spawn(async move {
            while let Some(lines) = reader.read().await {
                if sender.send(Bytes::copy_from_slice(lines)).await.is_err() {
                    return;
                }
            }
        });
        Self {
            messages,
            _reading: reading,
        }
    }
}

impl Body for Log {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.messages.poll_recv(context);
        next.map(|lines| Some(Ok(Frame::data(lines?))))
    }
}
