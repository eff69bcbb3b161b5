//! The server of the tests: it does what the file named by `SCRIPT` says when it starts, so that a deploy is another
//! file. Words, one a line:
//!
//! `version NAME` what `/` answers; `exit N`, `crash MS`, `hang` and `grandchild` instead of becoming ready (the last
//! starts a process that keeps all it has and exits); `warm MS` before it is ready; `lame-duck MS`, `drain MS`,
//! `ready-timeout MS`; `pause` never accepts.
//!
//! It listens on the addresses of its arguments, `NAME=ADDRESS` by name, and answers datagrams to `udp:ADDRESS`.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "it misbehaves on purpose, and a test sees it if it cannot go on"
)]

use std::convert::Infallible;
use std::process::{Command, exit};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::get;
use tokio::time::sleep;
use upgradable::{Error, Options, Server, Signal};

struct Script(String);

impl Script {
    fn read() -> Self {
        let path = std::env::var_os("SCRIPT");
        Self(
            path.and_then(|path| std::fs::read_to_string(path).ok())
                .unwrap_or_default(),
        )
    }

    fn word(&self, name: &str) -> Option<&str> {
        let mut lines = self
            .0
            .lines()
            .map(|line| line.split_once(' ').unwrap_or((line, "")));
        lines
            .find(|(word, _)| *word == name)
            .map(|(_, value)| value)
    }

    fn millis(&self, name: &str) -> Option<Duration> {
        self.word(name)
            .map(|value| Duration::from_millis(value.parse().unwrap()))
    }
}

fn misbehave(script: &Script) {
    if let Some(status) = script.word("exit") {
        exit(status.parse().unwrap());
    }
    if let Some(span) = script.millis("crash") {
        std::thread::sleep(span);
        std::process::abort();
    }
    if script.word("hang").is_some() {
        std::thread::sleep(Duration::from_secs(1000));
    }
    if script.word("grandchild").is_some() {
        let child = Command::new("sleep").arg("30").spawn().unwrap();
        std::fs::write(std::env::var("GRANDCHILD").unwrap(), child.id().to_string()).unwrap();
        exit(7);
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Error> {
    let script = Script::read();
    if script.word("early").is_some() {
        misbehave(&script);
    }
    let mut options = Options::new().upgrade_on(Signal::Hup);
    options = options.lame_duck(script.millis("lame-duck").unwrap_or(Duration::from_secs(5)));
    options = options.drain_timeout(script.millis("drain").unwrap_or(Duration::from_secs(30)));
    options = options.ready_timeout(
        script
            .millis("ready-timeout")
            .unwrap_or(Duration::from_secs(20)),
    );
    if script.word("warm").is_some() {
        options = options.explicit_ready();
    }
    if let Some(path) = std::env::var_os("PID_FILE") {
        options = options.pid_file(path);
    }
    let server = options.start()?;
    misbehave(&script);
    let mut listeners = Vec::new();
    for address in std::env::args().skip(1) {
        if let Some(address) = address.strip_prefix("udp:") {
            tokio::spawn(datagrams(server.clone(), server.datagram(address)?));
            continue;
        }
        let listener = match address.split_once('=') {
            Some((name, address)) => server.listen_as(name, address)?,
            None => server.listen(address)?,
        };
        listeners.push(listener.into_tokio()?);
    }
    if let Some(span) = script.millis("warm") {
        sleep(span).await;
        server.ready();
    }
    if script.word("pause").is_some() {
        server.ready();
        return server.drained().await;
    }
    let app = app(&server, &script);
    let tasks: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(listener.serve(app.clone())))
        .collect();
    for task in tasks {
        task.await.unwrap()?;
    }
    Ok(())
}

fn app(server: &Server, script: &Script) -> Router {
    let version = script.word("version").unwrap_or("1");
    let page = format!(
        "{{\"version\":\"{version}\",\"pid\":{}}}",
        std::process::id()
    );
    Router::new()
        .route("/", get(async || page))
        .route(
            "/slow",
            get(async || {
                sleep(Duration::from_millis(300)).await;
                "slow"
            }),
        )
        .route("/stream", get(async || Body::from_stream(Ticks(0, None))))
        .route(
            "/ws",
            get(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(echo)),
        )
        .route("/upgrade", get(upgrade))
        .with_state(server.clone())
}

async fn upgrade(State(server): State<Server>) -> String {
    match server.upgrade().await {
        Ok(pid) => format!("upgraded {pid}"),
        Err(error) => format!("refused {error}"),
    }
}

async fn datagrams(server: Server, socket: std::net::UdpSocket) {
    socket.set_nonblocking(true).unwrap();
    let socket = tokio::net::UdpSocket::from_std(socket).unwrap();
    let answer = async {
        while let Ok((_, from)) = socket.recv_from(&mut [0; 512]).await {
            let pid = std::process::id().to_string();
            socket.send_to(pid.as_bytes(), from).await.unwrap();
        }
    };
    tokio::select! {
        () = answer => {}
        () = server.leaving() => {}
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        // The answer to a close frame is sent by the next receive.
        if !matches!(message, Message::Close(_)) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Ten lines, 100 ms apart.
struct Ticks(u32, Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl futures_core::Stream for Ticks {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let pause = self
            .1
            .get_or_insert_with(|| Box::pin(sleep(Duration::from_millis(100))));
        std::task::ready!(pause.as_mut().poll(cx));
        self.1 = None;
        self.0 += 1;
        std::task::Poll::Ready((self.0 <= 10).then(|| Ok(format!("tick {}\n", self.0).into())))
    }
}
