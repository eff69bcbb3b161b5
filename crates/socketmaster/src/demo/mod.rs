//! `socketmaster demo`: the main job in ten seconds, on this machine, with nothing to install.
//!
//! A real supervisor is started as a child with a small server behind it; eight clients ask without a break while good
//! versions and a broken one are deployed. Every figure shown is counted or measured in this very run.

pub mod app;

mod clients;
mod site;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::core::Time;
use crate::screen::{Mark, Screen};
use crate::sys::clock;
use crate::sys::process::Child;
use crate::sys::signals::{SignalStream, Signals};
use crate::sys::watched::Watched;
use clients::{CLIENTS, Clients};
use site::Site;

/// Between two deploys, for the eye.
const PAUSE: Duration = Duration::from_millis(1200);

/// A step that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The deploys, and whether each can work.
const DEPLOYS: [(&str, bool); 4] = [("v2", true), ("v3", true), ("v4", false), ("v5", true)];

/// Runs the demonstration and returns its exit status: 0 if no request was lost and every deploy ended as it should.
#[must_use]
pub fn run() -> u8 {
    let screen = Screen::new();
    let runtime = Signals::block().and_then(|()| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    });
    let result = runtime.and_then(|runtime| {
        LocalSet::new().block_on(&runtime, async {
            tokio::select! {
                result = demonstrate(&screen) => result,
                result = interrupted() => result,
            }
        })
    });
    match result {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            screen.line(&format!("The demonstration could not go on: {error}"));
            1
        }
    }
}

async fn demonstrate(screen: &Screen) -> io::Result<bool> {
    let begin = now();
    let program = std::env::current_exe()?;
    let site = Site::create()?;
    site.install("v1", &program)?;
    site.deploy("v1")?;
    let mut supervisor = Supervisor::start(&program, &site.command())?;
    let port = supervisor.port().await?;
    screen.line(&format!(
        "A small server on http://127.0.0.1:{port} behind socketmaster (pid {}); {CLIENTS} clients, a new connection \
         for each request\n",
        supervisor.child.pid()
    ));
    supervisor.wait("is ready").await?;
    screen.event(now() - begin, Mark::Good, "v1 serves");

    let clients = Clients::start(port);
    let mut reloads = Vec::new();
    let mut as_expected = true;
    for (version, good) in DEPLOYS {
        pause(screen, &clients).await;
        let what = if good { "" } else { ", which is broken," };
        screen.event(
            now() - begin,
            Mark::Plain,
            &format!("deploy {version}{what} and kill -HUP"),
        );
        if good {
            site.install(version, &program)?;
        } else {
            site.install_broken(version)?;
        }
        site.deploy(version)?;
        let asked = now();
        supervisor.child.signal(libc::SIGHUP)?;
        let verdict = supervisor.wait("Reload ").await?;
        let took = now() - asked;
        let done = verdict.starts_with("Reload done");
        as_expected &= done == good;
        let mark = if done { Mark::Good } else { Mark::Bad };
        let text = if done {
            reloads.push(took);
            format!("{version} serves after {} ms", took.as_millis())
        } else {
            format!(
                "reload failed after {} ms: {}; the old version serves on",
                took.as_millis(),
                supervisor.failure()
            )
        };
        screen.event(now() - begin, mark, &text);
    }
    pause(screen, &clients).await;
    let tally = clients.finish().await;
    let clean = supervisor.stop().await?;
    summary(screen, &tally.borrow(), &reloads);
    Ok(clean && as_expected && tally.borrow().lost == 0)
}

async fn pause(screen: &Screen, clients: &Clients) {
    let until = now() + PAUSE;
    while now() < until {
        {
            let tally = clients.tally.borrow();
            screen.live(&format!(
                "         {} requests, {} lost",
                tally.sent, tally.lost
            ));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn summary(screen: &Screen, tally: &clients::Tally, reloads: &[Duration]) {
    let versions: Vec<_> = tally
        .answered
        .iter()
        .map(|(v, n)| format!("{v} {n}"))
        .collect();
    let times: Vec<_> = reloads
        .iter()
        .map(|time| format!("{} ms", time.as_millis()))
        .collect();
    screen.line(&format!(
        "\n{} requests sent, {} lost",
        tally.sent, tally.lost
    ));
    if let Some(loss) = &tally.first_loss {
        screen.line(&format!("the first loss: {loss}"));
    }
    screen.line(&format!("answered by {}", versions.join(", ")));
    screen.line(&format!("reloads took {}", times.join(", ")));
}

/// A real supervisor, watched by its log.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    log: Watched,
    unread: Vec<u8>,
    seen: Vec<String>,
}

impl Supervisor {
    fn start(program: &Path, command: &Path) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let child = Command::new(program)
            .arg0("socketmaster")
            .args(["-listen", "tcp://127.0.0.1:0", "-command"])
            .arg(command)
            .stdin(Stdio::null())
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let log = Watched::for_input(Arc::new(OwnedFd::from(reader)))?;
        let child = Child::new(child.id().cast_signed())?;
        Ok(Self {
            child,
            log,
            unread: Vec::new(),
            seen: Vec::new(),
        })
    }

    /// The next line of the log that begins with these words, or contains them, without its prefix.
    async fn wait(&mut self, words: &str) -> io::Result<String> {
        let found = timeout(PATIENCE, async {
            loop {
                let line = self.line().await?;
                self.seen.push(line.clone());
                if line.contains(words) {
                    return Ok(line);
                }
            }
        });
        found
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]).into_owned();
                // `socketmaster[PID] DATE TIME text`
                return Ok(line.splitn(4, ' ').nth(3).unwrap_or_default().to_owned());
            }
            let mut buffer = [0; 4096];
            let read = |fd: BorrowedFd<'_>| Ok(rustix::io::read(fd, &mut buffer)?);
            let length = self.log.read(read).await?;
            if length == 0 {
                return Err(io::Error::other(format!(
                    "the supervisor ended: {:?}",
                    self.seen.last()
                )));
            }
            self.unread.extend_from_slice(&buffer[..length]);
        }
    }

    async fn port(&mut self) -> io::Result<u16> {
        loop {
            let line = self.wait("Listening on ").await?;
            let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
            if let Some(port) = port.filter(|port| *port != 0) {
                return Ok(port);
            }
        }
    }

    /// Why the last generation failed.
    fn failure(&self) -> String {
        let mut lines = self
            .seen
            .iter()
            .rev()
            .filter(|line| line.starts_with("Generation "));
        let why = lines.find_map(|line| line.split_once(" failed: "));
        why.map(|(_, why)| why.to_owned()).unwrap_or_default()
    }

    /// Asks it to end, and says whether it did with status 0.
    async fn stop(mut self) -> io::Result<bool> {
        self.child.signal(libc::SIGTERM)?;
        let pidfd = Watched::for_input(self.child.pidfd())?;
        let ended = timeout(PATIENCE, pidfd.readable()).await;
        if ended.is_err() {
            self.child.signal(libc::SIGKILL)?;
        }
        while self.line().await.is_ok() {}
        Ok(ended.is_ok() && self.child.succeeded())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // After a stop it is gone; else it stops its worker and goes.
        let _ = self.child.signal(libc::SIGTERM);
    }
}

/// Comes back when a signal asks for the end.
async fn interrupted() -> io::Result<bool> {
    let signals = SignalStream::open()?;
    while signals.next().await?.0 == libc::SIGCHLD {}
    Err(io::Error::other("interrupted"))
}

fn now() -> Time {
    Time(clock::monotonic_nanos())
}
