//! A web server that replaces itself: `/` says which version answers, `/upgrade` makes way for the next.
//!
//! ```text
//! cargo build -p upgradable --example upgradable
//! target/debug/examples/upgradable 127.0.0.1:8080 &
//! curl localhost:8080/            {"version":1,"pid":4242}
//! curl localhost:8080/upgrade     process 4243 serves from now on
//! curl localhost:8080/            {"version":2,"pid":4243}
//! ```
//! The version is counted up from process to process, to show what a server can hand to the next besides its sockets.
//! SIGHUP asks for an upgrade too.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use upgradable::{Error, Options, Server, Signal};

// Seen from outside, because the benchmark is this server too.
#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    // Which version we are is known only after the start, and so are the bytes for the next.
    let version = std::sync::Arc::new(std::sync::OnceLock::new());
    let ours = std::sync::Arc::clone(&version);
    let server = Options::new()
        .upgrade_on(Signal::Hup)
        .state(move || ours.get().map(u32::to_string).unwrap_or_default().into())
        .start()?;
    let version = *version.get_or_init(|| 1 + version_before(&server));

    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = server.listen(address)?.into_tokio()?;
    let page = format!("{{\"version\":{version},\"pid\":{}}}\n", std::process::id());
    let app = Router::new()
        .route("/", get(async || page))
        .route("/upgrade", get(upgrade))
        .with_state(server);
    listener.serve(app).await
}

fn version_before(server: &Server) -> u32 {
    let state = server
        .state()
        .and_then(|state| std::str::from_utf8(state).ok());
    state.and_then(|state| state.parse().ok()).unwrap_or(0)
}

async fn upgrade(State(server): State<Server>) -> (StatusCode, String) {
    match server.upgrade().await {
        Ok(pid) => (
            StatusCode::OK,
            format!("process {pid} serves from now on\n"),
        ),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("no upgrade: {error}\n"),
        ),
    }
}
