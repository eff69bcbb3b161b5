//! Hello world with threads: `cargo run -p upgradable --example hello_std -- 127.0.0.1:8080`.

use std::io::Write;

fn main() -> Result<(), upgradable::Error> {
    let server = upgradable::Server::new()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".into());
    let listener = server.listen(address)?;
    for mut conn in listener.incoming() {
        std::thread::spawn(move || conn.write_all(b"Hello, world\n"));
    }
    server.drained().wait()
}
