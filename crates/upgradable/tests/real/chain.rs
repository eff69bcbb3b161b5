//! A server under test and all that it turns into.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use testbed::{Address, PATIENCE, get, poll, processes, until};

/// An example of this package, which `cargo test` builds along with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    built("examples").join(name)
}

/// Where cargo puts what it builds with the profile of this test.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().find(|dir| dir.join("examples").is_dir());
    profile.unwrap().join(name)
}

pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A server that is yet to be started.
pub(crate) struct Setup {
    pub(crate) command: Command,
    home: TempDir,
    mark: String,
    address: Option<SocketAddr>,
}

impl Setup {
    pub(crate) fn new(program: impl AsRef<Path>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("{}.{next}", std::process::id());
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(program.as_ref());
        command
            .env("UPGRADABLE_MARK", &mark)
            .env("SCRIPT", home.path().join("script"))
            .env("GRANDCHILD", home.path().join("grandchild"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(home.path().join("log")).unwrap())
            // Not in the foreground of a terminal, whoever runs the tests.
            .process_group(0);
        let mark = format!("UPGRADABLE_MARK={mark}");
        Self {
            command,
            home,
            mark,
            address: None,
        }
    }

    /// The fixture, on a free port.
    pub(crate) fn fixture(script: &str) -> Self {
        let mut this = Self::new(example("upgradable_fixture"));
        this.deploy(script);
        let address = free_port();
        this.command.arg(address.to_string());
        this.address = Some(address);
        this
    }

    /// The fixture with these arguments, with a descriptor 3 and `LISTEN_PID` set right.
    pub(crate) fn activated(script: &str, socket: impl Into<OwnedFd>, args: &[&str]) -> Self {
        let this = Self::new("/bin/sh");
        this.deploy(script);
        let Self {
            mut command,
            home,
            mark,
            address,
        } = this;
        let shell = "exec 3<&0 </dev/null; LISTEN_PID=$$ exec \"$0\" \"$@\"";
        command
            .args(["-c", shell])
            .arg(example("upgradable_fixture"))
            .args(args);
        command.stdin(Stdio::from(socket.into()));
        Self {
            command,
            home,
            mark,
            address,
        }
    }

    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.address = Some(address);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn deploy(&self, script: &str) {
        fs::write(self.path("script"), script).unwrap();
    }

    /// Starts it and waits for nothing.
    pub(crate) fn spawn(mut self) -> Chain {
        let child = self.command.spawn().unwrap();
        let address = self.address.unwrap_or_else(|| ([127, 0, 0, 1], 1).into());
        Chain {
            child,
            home: self.home,
            mark: self.mark,
            address,
        }
    }

    /// Starts it and waits until it answers.
    #[track_caller]
    pub(crate) fn start(self) -> Chain {
        let chain = self.spawn();
        until("it answers", || {
            let answer = TcpStream::connect(chain.address).and_then(|mut stream| {
                send(&mut stream, "/", false)?;
                stream.read_exact(&mut [0])
            });
            answer.is_ok()
        });
        chain
    }
}

/// The process that was started, and those that came of it.
pub(crate) struct Chain {
    pub(crate) child: Child,
    home: TempDir,
    mark: String,
    pub(crate) address: SocketAddr,
}

impl Chain {
    pub(crate) fn fixture(script: &str) -> Self {
        Setup::fixture(script).start()
    }

    pub(crate) fn url(&self) -> Address {
        Address::Tcp(self.address)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn deploy(&self, script: &str) {
        let aside = self.path("script.new");
        fs::write(&aside, script).unwrap();
        fs::rename(aside, self.path("script")).unwrap();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_for_line(&self, pattern: &str) {
        if poll(PATIENCE, || self.log().contains(pattern).then_some(())).is_none() {
            panic!("no {pattern:?} in the log:\n{}", self.log());
        }
    }

    /// The process that answers.
    #[track_caller]
    pub(crate) fn pid(&self) -> i32 {
        get(&self.url(), "/")
            .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.log()))
            .pid()
    }

    pub(crate) fn first(&self) -> i32 {
        self.child.id().cast_signed()
    }

    pub(crate) fn alive(&self) -> Vec<i32> {
        processes::with_variable(&self.mark)
            .into_iter()
            .map(|(pid, _)| pid)
            .collect()
    }

    /// Asks for an upgrade and says what came of it.
    #[track_caller]
    pub(crate) fn ask(&self) -> String {
        get(&self.url(), "/upgrade")
            .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.log()))
            .body
    }

    /// Upgrades, once the process before has gone.
    #[track_caller]
    pub(crate) fn upgrade(&self) -> i32 {
        let last = std::cell::RefCell::default();
        let done = poll(PATIENCE, || {
            let answer = self.ask();
            let pid = answer
                .strip_prefix("upgraded ")
                .and_then(|pid| pid.parse().ok());
            *last.borrow_mut() = answer;
            pid
        });
        done.unwrap_or_else(|| panic!("{}; log:\n{}", last.borrow(), self.log()))
    }

    /// Waits until this process, and no other, is there.
    #[track_caller]
    pub(crate) fn until_alone(&self, pid: i32) {
        until("the process before has gone", || {
            self.reap();
            self.alive() == [pid]
        });
    }

    /// The first process is our child.
    pub(crate) fn reap(&self) {
        let pid = rustix::process::Pid::from_raw(self.first());
        let _ = rustix::process::waitpid(pid, rustix::process::WaitOptions::NOHANG);
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let status = poll(PATIENCE, || self.child.try_wait().unwrap());
        status.unwrap_or_else(|| panic!("it does not end; log:\n{}", self.log()))
    }

    /// Stops the first process, which must have had no successor, and says its status as a shell does.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> i32 {
        processes::signal(self.first(), Signal::TERM);
        shell_status(self.wait())
    }
}

pub(crate) fn shell_status(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap())
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = poll(Duration::from_secs(5), || {
            let alive = self.alive();
            for pid in &alive {
                processes::signal(*pid, Signal::KILL);
            }
            alive.is_empty().then_some(())
        });
        let _ = self.child.try_wait();
        if std::thread::panicking() {
            eprintln!("the log:\n{}", self.log());
        }
    }
}

/// Sends a request that asks to keep the connection, if `keep`.
pub(crate) fn send(stream: &mut impl Write, path: &str, keep: bool) -> std::io::Result<()> {
    let close = if keep { "" } else { "Connection: close\r\n" };
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: t\r\n{close}\r\n").as_bytes())
}

/// All that comes until the end.
#[track_caller]
pub(crate) fn read_all(mut stream: impl Read) -> String {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    String::from_utf8_lossy(&all).into_owned()
}
