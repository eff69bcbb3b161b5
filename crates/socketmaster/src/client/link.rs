//! HTTP on the control socket.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::UnixStream;

use crate::wire::control::{ControlError, POSITION, Progress};

/// The longest answer that is taken in.
const ANSWER_MAX: usize = 16 << 20;

/// Between two tries to get into a queue that is full.
const PAUSE: Duration = Duration::from_millis(20);

/// A connection.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    peer: i32,
}

impl Link {
    /// Connects. Where too many wait before us, it waits too.
    ///
    /// # Errors
    /// `ConnectionRefused`: nobody is there any more.
    pub(super) async fn open(path: &Path) -> io::Result<Self> {
        let stream = loop {
            match UnixStream::connect(path).await {
                // What connect(2) says of a full queue on a unix socket.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::time::sleep(PAUSE).await;
                }
                other => break other?,
            }
        };
        let peer = stream.peer_cred()?.pid().unwrap_or(0);
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // It ends with the link, or the other side.
        tokio::spawn(connection);
        Ok(Self { sender, peer })
    }

    /// The pid of the other side, as the kernel says; 0 if it is none of ours (pid_namespaces(7)).
    pub(super) fn peer(&self) -> i32 {
        self.peer
    }

    /// Asks, and takes the whole answer in.
    ///
    /// # Errors
    /// The connection broke, or the answer is a refusal: its words.
    pub(super) async fn ask(&mut self, method: Method, path: &str) -> io::Result<Bytes> {
        let answer = self.send(method, path, Bytes::new()).await?;
        collect(answer).await
    }

    /// Has something done, with a JSON body.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn tell(&mut self, path: &str, body: &impl Serialize) -> io::Result<()> {
        let body = serde_json::to_vec(body)?;
        let answer = self.send(Method::POST, path, body.into()).await?;
        collect(answer).await.map(drop)
    }

    /// Asks with a JSON body for lines.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn lines(&mut self, path: &str, body: &impl Serialize) -> io::Result<Lines> {
        let body = serde_json::to_vec(body)?;
        let answer = self.send(Method::POST, path, body.into()).await?;
        Ok(Lines {
            body: answer.into_body(),
            unread: BytesMut::new(),
        })
    }

    /// Asks for a part of the log.
    ///
    /// # Errors
    /// As [`Link::ask`].
    pub(super) async fn part(&mut self, path: &str) -> io::Result<Part> {
        let answer = self.send(Method::GET, path, Bytes::new()).await?;
        let position = answer.headers().get(POSITION);
        let position = position.and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Part {
            body: answer.into_body(),
            position: position.ok_or(io::ErrorKind::InvalidData)?,
        })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> io::Result<Response<Incoming>> {
        self.sender.ready().await.map_err(io::Error::other)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "socketmaster")
            .body(Full::new(body))
            .map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await;
        let answer = answer.map_err(io::Error::other)?;
        if matches!(answer.status(), StatusCode::OK | StatusCode::ACCEPTED) {
            return Ok(answer);
        }
        let status = answer.status();
        let why = serde_json::from_slice(&collect(answer).await?)
            .map_or_else(|_| status.to_string(), |ControlError { error }| error);
        Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
    }
}

async fn collect(answer: Response<Incoming>) -> io::Result<Bytes> {
    let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
    Ok(body.map_err(io::Error::other)?.to_bytes())
}

/// A part of the log that comes as it grows.
#[derive(Debug)]
pub(super) struct Part {
    body: Incoming,
    /// The position of what comes next.
    pub(super) position: u64,
}

impl Part {
    /// What comes next; `None` at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(bytes) = frame.map_err(io::Error::other)?.into_data() {
                self.position += bytes.len() as u64;
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// An answer that comes line by line.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    unread: BytesMut,
}

impl Lines {
    /// The next thing that happened; `None` at the end, or when the connection broke. What is not understood was added
    /// by a later version, and left out.
    pub(super) async fn next(&mut self) -> Option<Progress> {
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.unread) {
                let line = self.unread.split_to(end + 1);
                if let Ok(progress) = serde_json::from_slice(&line) {
                    return Some(progress);
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.unread.extend_from_slice(&data);
            }
            if self.unread.len() > ANSWER_MAX {
                return None;
            }
        }
    }
}
