//! The server that the demonstration deploys: it answers with its version, and drains when it is told to stop.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::launcher::FIRST_LISTENER;
use crate::sys::fds;
use crate::sys::signals::{SignalStream, Signals};

/// The file name that makes this executable the demonstration's server.
pub const NAME: &str = "socketmaster-demo-app";

/// How long it takes to answer.
const WORK: Duration = Duration::from_millis(5);

/// Serves on fd 3 until SIGTERM, then finishes what is open. Its version is the name of the directory in which
/// `argv[0]` really lies, as in a deploy that moves a symlink.
#[must_use]
pub fn main(argv0: &Path) -> ExitCode {
    let version = argv0
        .parent()
        .and_then(|directory| directory.canonicalize().ok());
    let version = version
        .as_deref()
        .and_then(Path::file_name)
        .unwrap_or_default();
    match run(&version.to_string_lossy()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{NAME}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(version: &str) -> io::Result<()> {
    Signals::block()?;
    let listener = StdListener::from(fds::take_over(FIRST_LISTENER)?);
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        println!("{version} listening...");
        let mut open = JoinSet::new();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{version}",
            version.len()
        );
        tokio::select! {
            stop = stop_signal() => stop?,
            error = accept(&listener, &answer, &mut open) => return error.map(|never| match never {}),
        }
        drop(listener);
        while open.join_next().await.is_some() {}
        Ok(())
    })
}

async fn accept(
    listener: &TcpListener,
    answer: &str,
    open: &mut JoinSet<io::Result<()>>,
) -> io::Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await?;
        open.spawn(serve(stream, answer.to_owned()));
        // Those that have ended are of no interest.
        while open.try_join_next().is_some() {}
    }
}

async fn serve(mut stream: TcpStream, answer: String) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    tokio::time::sleep(WORK).await;
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

async fn stop_signal() -> io::Result<()> {
    let signals = SignalStream::open()?;
    while signals.next().await?.0 != libc::SIGTERM {}
    Ok(())
}
