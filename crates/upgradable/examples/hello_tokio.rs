//! Hello world with tokio: `cargo run -p upgradable --example hello_tokio`.

use tokio::io::AsyncWriteExt;

#[tokio::main]
async fn main() -> Result<(), upgradable::Error> {
    let server = upgradable::Server::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let mut listener = server.listen(address)?.into_tokio()?;
    while let Some(mut conn) = listener.accept().await {
        tokio::spawn(async move { conn.write_all(b"Hello, world\n").await });
    }
    server.drained().await
}
