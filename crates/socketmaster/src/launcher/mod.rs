//! The launcher: a fresh image of this executable that sets up a worker and becomes it.
//!
//! All that must happen between fork and exec happens here, in ordinary code of an ordinary process: the supervisor
//! only starts it. Its standard input is a socket over which the listeners come, last the real standard input; the
//! same socket carries back a precise error, and its end, by close-on-exec, says that the program runs.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::sys::seccomp::{self, Names};
use crate::sys::{fds, process, scm, signals, user};
use crate::wire::launch::{Adopting, LaunchError, Setup, Step, Trap, UserIds};

/// `argv[0]` that makes this executable a launcher.
pub const NAME: &str = "socketmaster-launch";

/// The number of the first listener in a worker.
pub const FIRST_LISTENER: i32 = 3;

/// Runs the launcher: `SETUP DIRECTORY PROGRAM ARGV0 [ARG…]`. Comes back only if the program could not be executed.
#[must_use]
pub fn main(args: &[OsString]) -> ExitCode {
    signals::reset_all();
    let [setup, directory, program, argv0, args @ ..] = args else {
        return ExitCode::FAILURE;
    };
    let setup = setup
        .to_str()
        .and_then(|text| serde_json::from_str::<Setup>(text).ok());
    let Some(setup) = setup else {
        return ExitCode::FAILURE;
    };
    let Ok(socket) = fds::duplicate_above(io::stdin(), free(&setup)) else {
        return ExitCode::FAILURE;
    };
    let mut command = Command::new(program);
    command.arg0(argv0).args(args);
    if setup.listen_pid {
        // Ours, which the program keeps (sd_listen_fds(3)): only after the fork does anybody know it.
        command.env("LISTEN_PID", std::process::id().to_string());
    }
    let Err(error) = become_program(&setup, &socket, Path::new(directory), program, &mut command);
    if let Ok(answer) = serde_json::to_vec(&error) {
        // If nobody listens any more, nobody wants to know.
        let _ = scm::send(socket.as_fd(), &answer, &[]);
    }
    ExitCode::FAILURE
}

/// Above the numbers that have a meaning for the program.
fn free(setup: &Setup) -> i32 {
    let listeners = i32::try_from(setup.listeners).unwrap_or(i32::MAX);
    let last = listeners.saturating_add(FIRST_LISTENER);
    last.max(setup.ready.unwrap_or(0)).saturating_add(1)
}

fn become_program(
    setup: &Setup,
    socket: &OwnedFd,
    directory: &Path,
    program: &OsStr,
    command: &mut Command,
) -> Result<Infallible, LaunchError> {
    take_descriptors(setup, socket).map_err(at(Step::Descriptors))?;
    if let Some(soft) = setup.descriptors {
        process::set_descriptor_limit(soft).map_err(at(Step::Limits))?;
    }
    if let Some(trap) = setup.adopt {
        // Before the change of user, after which it would cost the program all setuid programs.
        adopt(trap, socket)?;
    }
    if let Some(ids) = &setup.user {
        become_user(ids).map_err(at(Step::User))?;
    }
    if let Some((signal, parent)) = setup.death {
        process::die_with(parent, signal).map_err(at(Step::Death))?;
    }
    // As the user, whose rights decide whether it may.
    std::env::set_current_dir(directory).map_err(|error| LaunchError {
        step: Step::Directory,
        error: format!("{}: {error}", directory.display()),
    })?;
    let error = command.exec();
    Err(LaunchError {
        step: Step::Execute,
        error: explain(program, &error),
    })
}

fn at(step: Step) -> impl Fn(io::Error) -> LaunchError {
    move |error| LaunchError {
        step,
        error: error.to_string(),
    }
}

/// Has the supervisor answer the program's binds from here on.
fn adopt(trap: Trap, socket: &OwnedFd) -> Result<(), LaunchError> {
    let names = match trap {
        Trap::Sockets => Names::Untouched,
        Trap::SocketsAndFiles => Names::Removed,
    };
    let filter = seccomp::install(names).map_err(|error| LaunchError {
        step: Step::Adopt,
        error: refused(&error),
    })?;
    let message = Adopting {
        no_new_privileges: filter.no_new_privileges,
    };
    serde_json::to_vec(&message)
        .map_err(io::Error::from)
        .and_then(|message| scm::send(socket.as_fd(), &message, &[filter.notify.as_fd()]))
        .map_err(at(Step::Adopt))
}

/// What the system's answer to seccomp means.
fn refused(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(EBUSY) => {
            "another program answers the system calls of this one already (a socketmaster around it, or a container \
             runtime), and the kernel allows only one"
        }
        Some(EPERM | EACCES | ENOSYS | EINVAL) => {
            "this kernel, or the profile of this container, does not allow seccomp's user notification"
        }
        _ => return error.to_string(),
    };
    format!(
        "{error}: {hint}. A program that takes its socket from descriptor 3 needs none of it: socketmaster -listen URI \
         -command PROGRAM"
    )
}

/// Receives the listeners, where to say ready, and the standard input, and puts them where the program expects them.
fn take_descriptors(setup: &Setup, socket: &OwnedFd) -> io::Result<()> {
    // They arrive on the lowest free numbers, which is mostly where they belong already.
    let expected = setup.listeners + usize::from(setup.ready.is_some()) + 1;
    let mut fds = Vec::with_capacity(expected);
    while fds.len() < expected {
        let (bytes, more) = scm::receive(socket.as_fd(), &mut [0])?;
        if bytes == 0 || more.is_empty() {
            return Err(io::Error::other("the supervisor has ended"));
        }
        fds.extend(more);
    }
    if let Some(stdin) = fds.pop() {
        rustix::stdio::dup2_stdin(stdin)?;
    }
    let mut ready = None;
    if let Some(number) = setup.ready
        && let Some(fd) = fds.pop()
    {
        // Out of the way of the listeners.
        ready = Some((fds::duplicate_above(fd, free(setup))?, number));
    }
    fds::place(fds, FIRST_LISTENER)?;
    match ready {
        Some((fd, number)) => fds::place(vec![fd], number),
        None => Ok(()),
    }
}

/// Becomes the user for good: supplementary groups, group, user, in this order because each step needs root.
fn become_user(ids: &UserIds) -> io::Result<()> {
    // So that a program may also open /dev/stdout, which means the pipe by its permissions.
    for stream in [io::stdout().as_fd(), io::stderr().as_fd()] {
        user::give_pipe(stream, ids.uid, ids.gid)?;
    }
    user::become_user(&ids.login, ids.uid, ids.gid)
}

/// What the system's answer to exec means, where its own words mislead.
fn explain(program: &OsStr, error: &io::Error) -> String {
    let path = Path::new(program);
    let hint = match error.kind() {
        io::ErrorKind::NotFound if fs::metadata(path).is_ok() => {
            ": its interpreter (the #! line) or its dynamic loader does not exist"
        }
        io::ErrorKind::PermissionDenied if fs::metadata(path).is_ok_and(|meta| meta.is_dir()) => {
            ": it is a directory"
        }
        _ if error.raw_os_error() == Some(ENOEXEC) => {
            ": neither a program for this machine nor a script with a #! line"
        }
        _ => "",
    };
    format!("{}: {error}{hint}", path.display())
}

/// errno(3), the same on x86-64 and aarch64.
const EPERM: i32 = 1;
const ENOEXEC: i32 = 8;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const ENOSYS: i32 = 38;
