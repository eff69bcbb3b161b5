//! The control: axum's own `serve` and graceful shutdown on a socket that is handed over, and no lame duck.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use upgradable::tokio::{Listener, Stream};
use upgradable::{Conn, Error, Options};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Error> {
    let server = Options::new().lame_duck(Duration::ZERO).start()?;
    let address = std::env::args().nth(1).unwrap();
    let listener = Stock(server.listen(address)?.into_tokio()?);
    let leaving = server.leaving();
    let page = format!("{{\"pid\":{}}}\n", std::process::id());
    let upgrade = async move || match server.upgrade().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let app = Router::new()
        .route("/", get(async || page))
        .route("/upgrade", get(upgrade));
    let served = axum::serve(listener, app).with_graceful_shutdown(leaving);
    served.await.unwrap();
    Ok(())
}

/// A listener as axum wants it. It never says that it is time to go: axum is told by the future.
struct Stock(Listener);

impl axum::serve::Listener for Stock {
    type Io = Conn<Stream>;
    type Addr = ();

    async fn accept(&mut self) -> (Self::Io, ()) {
        match self.0.accept().await {
            Some(conn) => (conn, ()),
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}
