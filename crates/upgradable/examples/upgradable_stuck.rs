//! A server of the tests that never comes back from its first connection.

use std::time::Duration;

fn main() -> Result<(), upgradable::Error> {
    let options = upgradable::Options::new().lame_duck(Duration::from_millis(50));
    let server = options.drain_timeout(Duration::from_millis(200)).start()?;
    let listener = server.listen(std::env::args().nth(1).unwrap_or_default())?;
    if let Some(_conn) = listener.accept() {
        eprintln!("stuck");
        loop {
            std::thread::park();
        }
    }
    server.drained().wait()
}
