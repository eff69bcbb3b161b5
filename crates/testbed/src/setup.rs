//! A supervisor that is yet to be started.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use crate::app::{App, fixture};
use crate::http::Address;
use crate::log::Log;
use crate::supervisor::Supervisor;

/// What a supervisor is started with.
#[derive(Debug)]
pub struct Setup {
    program: PathBuf,
    /// What `-h` says, if it is another binary than ours.
    help: Option<String>,
    wrapper: Vec<OsString>,
    flags: Vec<OsString>,
    listen: Vec<String>,
    app: Vec<OsString>,
    /// Where the app listens by itself, if it is not given its sockets.
    adopts: Option<Vec<Address>>,
    /// The configuration file that says all the rest.
    file: Option<PathBuf>,
    /// A process to take the app's sockets from.
    takes: Option<i32>,
    variables: BTreeMap<OsString, OsString>,
    directory: Option<PathBuf>,
    stdin: Stdio,
    stderr: Option<Stdio>,
}

/// The variable that marks all processes of one supervisor.
const MARK: &str = "TESTBED_SUPERVISOR";

impl Setup {
    /// This binary, or the one that `SOCKETMASTER_UNDER_TEST` names.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        match env::var_os("SOCKETMASTER_UNDER_TEST").filter(|path| !path.is_empty()) {
            Some(other) => Self::other(other),
            None => Self::with(program.into(), None),
        }
    }

    /// This binary, of which nothing is known but that it is a socketmaster.
    #[must_use]
    pub fn other(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        let help = Command::new(&program).arg("-h").output();
        let help = help.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self::with(
            program,
            Some(String::from_utf8_lossy(&help.stderr).into_owned()),
        )
    }

    /// This binary, whatever `SOCKETMASTER_UNDER_TEST` says.
    #[must_use]
    pub fn exactly(program: impl Into<PathBuf>) -> Self {
        Self::with(program.into(), None)
    }

    fn with(program: PathBuf, help: Option<String>) -> Self {
        Self {
            program,
            help,
            wrapper: Vec::new(),
            flags: Vec::new(),
            listen: Vec::new(),
            app: Vec::new(),
            adopts: None,
            file: None,
            takes: None,
            variables: BTreeMap::new(),
            directory: None,
            stdin: Stdio::null(),
            stderr: None,
        }
    }

    /// Whether it has this flag. Ours has all.
    fn knows(&self, flag: &str) -> bool {
        let name = flag.split('=').next().unwrap_or_default();
        self.help
            .as_ref()
            .is_none_or(|help| help.split_whitespace().any(|word| word == name))
    }

    /// Whether it is the original, which tells less and has no port of its own choice.
    fn is_original(&self) -> bool {
        !self.knows("-ready-timeout")
    }

    /// One more flag, with its value in the same word. A binary of another's goes without those that it does not know.
    #[must_use]
    pub fn flag(mut self, flag: impl AsRef<OsStr>) -> Self {
        self.flags.push(flag.as_ref().into());
        self
    }

    /// One more listener; without any it is a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, uri: impl Into<String>) -> Self {
        self.listen.push(uri.into());
        self
    }

    /// A variable of the supervisor's environment.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .insert(name.as_ref().into(), value.as_ref().into());
        self
    }

    /// A program that executes the supervisor, as in `env --ignore-signal=TERM`. It must keep the pid.
    #[must_use]
    pub fn under(mut self, words: &[&str]) -> Self {
        self.wrapper = words.iter().map(Into::into).collect();
        self
    }

    /// Where the supervisor starts.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().into());
        self
    }

    /// The supervisor's standard input; without it, /dev/null.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Where the supervisor's log goes, which the harness then does not see; without it, to the harness.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// The app: any program and its arguments.
    #[must_use]
    pub fn command(mut self, program: impl AsRef<OsStr>, args: &[&str]) -> Self {
        self.app = vec![program.as_ref().into()];
        self.app.extend(args.iter().map(Into::into));
        self
    }

    /// The app: the fixture with a script.
    #[must_use]
    pub fn app(mut self, app: &App) -> Self {
        self.app = vec![fixture().into(), app.script().into()];
        self
    }

    /// By `socketmaster run`: the app binds these addresses itself.
    #[must_use]
    pub fn run(mut self, addresses: &[Address]) -> Self {
        self.adopts = Some(addresses.to_vec());
        self
    }

    /// By `socketmaster run FILE`: the file says all, and that it listens there.
    #[must_use]
    pub fn configured(mut self, file: impl AsRef<Path>, addresses: &[Address]) -> Self {
        self.file = Some(file.as_ref().into());
        self.run(addresses)
    }

    /// By `socketmaster adopt`, once it is known where: a running process has the app's addresses until then.
    #[must_use]
    pub fn take_over(mut self, pid: i32) -> Self {
        self.takes = Some(pid);
        self
    }

    /// Starts the supervisor, and waits until it is known where it listens.
    ///
    /// # Panics
    /// It does not start, or does not say where it listens.
    #[track_caller]
    #[must_use]
    pub fn start(mut self) -> Supervisor {
        if let Some(addresses) = self.adopts.clone() {
            let mut this = self.spawn();
            this.addresses = addresses;
            return this;
        }
        if self.listen.is_empty() {
            let port = if self.is_original() { free_port() } else { 0 };
            self.listen.push(format!("tcp://127.0.0.1:{port}"));
        }
        let known: Vec<Option<Address>> = self.listen.iter().map(|uri| address(uri)).collect();
        let mut this = self.spawn();
        let mut reported = 0..;
        for known in known {
            let address = known.unwrap_or_else(|| this.reported_port(reported.next().unwrap()));
            this.addresses.push(address);
        }
        this
    }

    /// Starts the supervisor and waits for nothing: for those that are to fail.
    ///
    /// # Panics
    /// It cannot be executed.
    #[track_caller]
    #[must_use]
    pub fn spawn(self) -> Supervisor {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let mark = format!("{}.{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let original = self.is_original();
        let flags: Vec<_> = self
            .flags
            .iter()
            .filter(|flag| self.knows(&flag.to_string_lossy()))
            .cloned()
            .collect();
        let mut words = self.wrapper;
        words.push(self.program.into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        match self.takes {
            Some(pid) => command.args(["adopt", "--pid", &pid.to_string()]),
            None => command.args(self.adopts.iter().map(|_| "run")),
        };
        command.args(flags);
        for uri in &self.listen {
            command.args(["-listen", uri]);
        }
        if let Some(file) = &self.file {
            command.arg(file);
        } else if self.adopts.is_some() {
            command.arg("--").args(&self.app);
        } else if let [program, args @ ..] = self.app.as_slice() {
            command.arg("-command").arg(program);
            // Or an argument that looks like a flag would be one of the supervisor's.
            command.args((!args.is_empty()).then_some("--")).args(args);
        }
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command.envs(&self.variables).env(MARK, &mark);
        command
            .stdin(self.stdin)
            .stdout(Stdio::null())
            .stderr(self.stderr.unwrap_or_else(Stdio::piped));
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let log = match child.stderr.take() {
            Some(stderr) => Log::read(stderr),
            None => Log::read(io::empty()),
        };
        Supervisor {
            child,
            log,
            mark: format!("{MARK}={mark}"),
            addresses: Vec::new(),
            original,
        }
    }
}

/// Where clients go, if the URI says so.
fn address(uri: &str) -> Option<Address> {
    let uri = uri.split_once('?').map_or(uri, |(uri, _)| uri);
    let (scheme, rest) = uri.split_once("://")?;
    if scheme.ends_with("unix") {
        return Some(Address::Unix(rest.into()));
    }
    let host_and_port: SocketAddr = rest.parse().ok()?;
    (host_and_port.port() != 0).then_some(Address::Tcp(host_and_port))
}

/// A port that nobody listens on, below those that the system gives to clients. Each call has another.
///
/// # Panics
/// There is none.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Far apart for tests that run at the same time.
    let first = process::id() * 61 % 20_000;
    let next = || u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut ports = (0..1000).map(|_| 10_000 + ((first + next()) % 20_000) as u16);
    let is_free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    ports.find(is_free).expect("a free port")
}
