//! Hello world with axum: `cargo run -p upgradable --example hello_axum`.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), upgradable::Error> {
    let server = upgradable::Server::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let app = Router::new().route("/", get(async || "Hello, world\n"));
    server.listen(address)?.into_tokio()?.serve(app).await
}
