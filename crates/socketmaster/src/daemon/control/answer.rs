//! Requests and their answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};
use hyper::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use super::Ask;
use super::logs::{self, Log};
use crate::config::MOST_WORKERS;
use crate::daemon::inputs::{Input, Inputs};
use crate::wire::control::{ControlError, Progress, ReloadRequest, ScaleRequest};
use crate::wire::exposition::Format;

pub(super) type Answer = Response<Either<Full<Bytes>, Either<Lines, Log>>>;

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whatever there is.
    All,
    /// Ask how things are.
    Read,
}

/// Answers one request.
pub(super) async fn answer(request: &Request<Bytes>, access: Access, inputs: Inputs) -> Answer {
    let path = request.uri().path();
    let is_order = matches!(
        path,
        "/v1/reload" | "/v1/scale" | "/v1/stop" | "/v1/upgrade"
    );
    if access == Access::Read && (is_order || request.method() != Method::GET) {
        let why = "only GET is answered here: orders are for the control socket alone";
        return not_allowed("GET", why.into());
    }
    match (request.method(), path) {
        (&Method::GET, "/v1/status") => match ask(&inputs, Ask::Status).await {
            Some(status) => json(StatusCode::OK, &status),
            None => ending(),
        },
        (&Method::GET, "/v1/logs") if access == Access::Read => error(
            StatusCode::FORBIDDEN,
            "the log is for the control socket alone".into(),
        ),
        (&Method::GET, "/v1/logs") => logs::answer(request.uri().query(), &inputs).await,
        (&Method::GET, "/metrics") => metrics(request, &inputs).await,
        (&Method::GET, "/healthz") => text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/readyz") => match ask(&inputs, Ask::Ready).await {
            Some(true) => text(StatusCode::OK, "ready\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "no generation is ready\n"),
        },
        (&Method::POST, "/v1/reload") => match read(request) {
            Ok(wanted) => reload(wanted.unwrap_or_default(), &inputs),
            Err(why) => bad_request(why),
        },
        (&Method::POST, "/v1/scale") => match read::<ScaleRequest>(request) {
            Ok(Some(ScaleRequest { workers })) if (1..=MOST_WORKERS).contains(&workers) => {
                begun(ask(&inputs, |answer| Ask::Scale(workers, answer)).await)
            }
            Ok(_) => bad_request(format!(
                "say how many: {{\"workers\": N}}, from 1 to {MOST_WORKERS}"
            )),
            Err(why) => bad_request(why),
        },
        (&Method::POST, "/v1/stop") => begun(ask(&inputs, Ask::Stop).await),
        (&Method::POST, "/v1/upgrade") => match ask(&inputs, Ask::Upgrade).await {
            Some(Err(why)) => error(StatusCode::CONFLICT, why),
            Some(Ok(())) => begun(Some(())),
            None => ending(),
        },
        (_, "/v1/status" | "/v1/logs" | "/metrics" | "/healthz" | "/readyz") => {
            not_allowed("GET", "it takes GET".into())
        }
        _ if is_order => not_allowed("POST", "it takes POST".into()),
        _ => error(
            StatusCode::NOT_FOUND,
            format!(
                "there is no {path}: try /v1/status, /v1/logs, /v1/reload, /v1/scale, /v1/stop, /v1/upgrade, /metrics, \
                 /healthz or /readyz"
            ),
        ),
    }
}

/// The answer to what cannot be understood.
pub(super) fn bad_request(why: String) -> Answer {
    error(StatusCode::BAD_REQUEST, why)
}

pub(super) async fn ask<T>(
    inputs: &Inputs,
    ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
) -> Option<T> {
    let (sender, answer) = oneshot::channel();
    inputs.send(Input::Ask(ask(sender))).ok()?;
    answer.await.ok()
}

async fn metrics(request: &Request<Bytes>, inputs: &Inputs) -> Answer {
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    match ask(inputs, |answer| Ask::Metrics(format, answer)).await {
        Some(page) => with_type(StatusCode::OK, page.into(), format.content_type()),
        None => ending(),
    }
}

fn reload(wanted: ReloadRequest, inputs: &Inputs) -> Answer {
    let (sender, progress) = mpsc::unbounded_channel();
    if inputs
        .send(Input::Ask(Ask::Reload(wanted, sender)))
        .is_err()
    {
        return ending();
    }
    let mut answer = Response::new(Either::Right(Either::Left(Lines(progress))));
    let lines = HeaderValue::from_static("application/x-ndjson");
    answer.headers_mut().insert(CONTENT_TYPE, lines);
    answer
}

/// What the body of a request says, if it has one; or why it cannot be read.
fn read<T: DeserializeOwned>(request: &Request<Bytes>) -> Result<Option<T>, String> {
    if request.body().is_empty() {
        return Ok(None);
    }
    let value = serde_json::from_slice(request.body());
    value
        .map(Some)
        .map_err(|why| format!("cannot read the request: {why}"))
}

fn begun(answer: Option<()>) -> Answer {
    match answer {
        Some(()) => json(StatusCode::ACCEPTED, &serde_json::Map::new()),
        None => ending(),
    }
}

pub(super) fn ending() -> Answer {
    error(
        StatusCode::SERVICE_UNAVAILABLE,
        "the supervisor is about to end".into(),
    )
}

fn not_allowed(method: &'static str, why: String) -> Answer {
    let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, why);
    answer
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(method));
    answer
}

pub(super) fn error(status: StatusCode, error: String) -> Answer {
    json(status, &ControlError { error })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // Plain values cannot fail to be written.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    with_type(status, text.into(), "application/json")
}

fn text(status: StatusCode, text: &'static str) -> Answer {
    with_type(status, text.into(), "text/plain; charset=utf-8")
}

fn with_type(status: StatusCode, body: Bytes, content_type: &'static str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body)));
    *answer.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// A body that grows with the reload, a line for each step.
#[derive(Debug)]
pub(super) struct Lines(mpsc::UnboundedReceiver<Progress>);

impl Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|progress| {
            let mut line = serde_json::to_vec(&progress?).unwrap_or_default();
            line.push(b'\n');
            Some(Ok(Frame::data(line.into())))
        })
    }
}
