//! What `-h` prints, laid out for 80 columns.

use super::draft::Draft;
use super::flag::{Flag, Group};
use super::form::Form;
use super::orders::Verb;

const WIDTH: usize = 80;
/// Where the explanations start.
const COLUMN: usize = 26;

const CLASSIC: &str = "\
Usage: socketmaster run [FLAGS] [--] PROGRAM [ARGS]
       socketmaster run [FLAGS] FILE.toml [-- PROGRAM ARGS]
       socketmaster adopt --pid PID [FLAGS] [--] PROGRAM [ARGS]
       socketmaster reload|status|logs|stop|upgrade [FLAGS] [NAME]
       socketmaster scale N [NAME]
       socketmaster check FILE.toml
       socketmaster demo
       socketmaster [FLAGS] -command PATH [--] [ARGS]

Holds the listening sockets and changes the program behind them while
connections keep coming. HUP reloads, TERM stops, USR2 upgrades socketmaster.

  run                     Start a program that opens its sockets itself.
  adopt                   The same, in the place of a process that runs now.
  reload                  Start the program anew and say how it went.
  status                  Show sockets, processes and the last reload.
  logs                    Show the last lines of the log, and those to come.
  scale N                 Run more workers, or fewer.
  stop                    Ask all to finish their work and end.
  upgrade                 Replace socketmaster itself and keep all.
  check                   Say what is wrong with a configuration file.
  demo                    Show reloads without loss.
  -command PATH           Start a program that takes its socket as fd 3.

  socketmaster run -- nginx -g 'daemon off;'
  socketmaster reload nginx     # nginx is started anew: no connection is lost

  socketmaster -listen tcp://:8080 -command ./myapp
  socketmaster reload myapp     # ./myapp has changed: no connection is lost

Each of these words has its own -h.
";

const RUN: &str = "\
Usage: socketmaster run [FLAGS] [--] PROGRAM [ARGS]
       socketmaster run [FLAGS] FILE.toml [-- PROGRAM ARGS]

Starts any server as it is; it need not know of this. The sockets that it opens
are held from then on. HUP starts the program anew: what it binds again is
answered with the held socket, and when it listens on all of them, the old one
is told to finish its work and end. A new one that leaves a held socket out
fails, and nothing has changed. The flag -adopt is implied; with a URI it says
what alone is held. TERM stops, USR2 upgrades socketmaster.

A FILE.toml says all that flags can say, each under the flag's name with _ for
-, beside command, environment and env_file. With listen, and without adopt, the
program is passed its sockets. A reload reads the file again; if the new program
fails, what stood before stands. A flag beside the file wins over its key.

  socketmaster run -- nginx -g 'daemon off;'
  kill -HUP PID                 # nginx is started anew: no connection is lost
";

const ADOPT: &str = "\
Usage: socketmaster adopt --pid PID [FLAGS] [--] PROGRAM [ARGS]

Brings a server that runs now under supervision, and loses no connection: takes
a copy of the process's listening sockets, starts the program behind them, and
when that is ready tells the process to finish its work and end. From then on it
is as with socketmaster run. Copying needs the right to trace the process: that
of root, or of its own user where kernel.yama.ptrace_scope is 0.

  socketmaster adopt --pid 4242 -- ./server --port 8080
  kill -HUP PID                 # from now on: no connection is lost
";

const TAIL: &str = "  -h                      Print this and end.

A DURATION is written like 500ms, 3s or 1m30s. ARGS are the program's own.

Exit status
  0                       Stopped as asked, or the program ended with 0
  1                       Could not start, and the log says why
  2                       A flag, its value or a configuration file is wrong
  other                   The program's, or 128 + the signal that ended it
";

const CHECK: &str = "\
Usage: socketmaster check FILE.toml

Says what is wrong with a configuration file, all of it at once, each mistake
with its line and column: keys, values, environment files, the program, its
directory, the user, and hosts that are looked up. Starts nothing, and opens no
socket.

  socketmaster check app.toml

Exit status
  0                       Nothing is wrong
  1                       Something is
  2                       No file is named
";

const DEMO: &str = "\
Usage: socketmaster demo

Shows reloads without loss: a small server under a real supervisor on a loopback
port, steady requests, three good reloads and a broken one. Ends by itself, with
0 if no request was lost, else with 1.
";

const NAME: &str = "\
NAME is what -name says where the supervisor was started, else the last part of
the program's path; its pid will do too. Where one alone runs it needs no name.
";

const RELOAD: &str = "\
Usage: socketmaster reload [FLAGS] [NAME]

Starts the program anew, and when the new one is ready and alive, tells the old
one to finish its work and end. Waits for the verdict. If the new one fails, the
old one serves on, and why is printed. To break this off does not stop the
reload.

  socketmaster reload nginx
";

const RELOAD_STATUS: &str = "  0                       Done: the new one serves
  1                       Failed: the old one serves on, nothing has changed
  2                       A flag or its value is wrong
  3                       No such instance runs
  4                       Not done within -timeout; the reload goes on by itself
  5                       Not the generation of -if-generation; nothing begun
";

const STATUS: &str = "\
Usage: socketmaster status [FLAGS] [NAME]

Shows how an instance is, or all that run: the verdict first, then its sockets,
its processes and the last reload.

  socketmaster status nginx
";

const STATUS_STATUS: &str = "  0                       Healthy
  1                       Degraded: nobody is ready, or the last reload failed
  2                       A flag or its value is wrong
  3                       No such instance runs
";

const LOGS: &str = "\
Usage: socketmaster logs [FLAGS] [NAME]

Prints the last lines of the log, those of the program and the supervisor's own,
as they stand in it, wherever that goes. With -follow an upgrade of the
supervisor is no end. A reader that is too slow holds up nobody: what it cannot
take is left out, and a line says how much.

  socketmaster logs -follow nginx
";

const LOGS_STATUS: &str =
    "  0                       Printed, or the supervisor that was followed ended
  1                       Could not be read
  2                       A flag or its value is wrong
  3                       No such instance runs
";

const SCALE: &str = "\
Usage: socketmaster scale N [NAME]

Runs N workers from now on: more are started beside those that serve, and what
is too many finishes its work and ends. During a reload it waits for its end.

  socketmaster scale 4 nginx
";

const SCALE_STATUS: &str = "  0                       Asked for; status shows what comes of it
  1                       Could not be asked
  2                       The number is missing or wrong
  3                       No such instance runs
";

const STOP: &str = "\
Usage: socketmaster stop [FLAGS] [NAME]

Tells the program to finish its work and end, and waits until all of it has gone
with its supervisor. One that is stopping already is waited for, not told again.

  socketmaster stop -timeout 30s nginx
";

const STOP_STATUS: &str = "  0                       Gone
  1                       Could not be asked
  2                       A flag or its value is wrong
  3                       No such instance runs
  4                       Not gone within -timeout; it goes on ending by itself
";

const UPGRADE: &str = "\
Usage: socketmaster upgrade [FLAGS] [NAME]

The supervisor replaces itself by the program that now stands at its path, and
keeps its pid, the sockets and all processes. If the new one does not work,
nothing has changed.

  socketmaster upgrade nginx
";

const UPGRADE_STATUS: &str = "  0                       Done
  1                       Failed: nothing has changed
  2                       A flag or its value is wrong
  3                       No such instance runs
  4                       Not done within -timeout
";

/// The text of `-h`, or of `-h` after a verb.
pub fn text(form: Form) -> String {
    let mut text = match form {
        Form::Classic => CLASSIC,
        Form::Run => RUN,
        Form::Adopt => ADOPT,
    }
    .to_owned();
    let draft = Draft::new(form);
    for group in Group::ALL {
        let flags: Vec<_> = form.flags().filter(|flag| flag.group == group).collect();
        if !flags.is_empty() {
            text += &format!("\n{}\n", group.title());
        }
        for flag in flags {
            entry(&mut text, flag, draft.default_of(flag));
        }
    }
    text + TAIL
}

/// The text of `-h` after a verb for a supervisor that runs.
pub fn of_verb(verb: Verb) -> String {
    let (usage, status) = match verb {
        Verb::Reload => (RELOAD, RELOAD_STATUS),
        Verb::Status => (STATUS, STATUS_STATUS),
        Verb::Logs => (LOGS, LOGS_STATUS),
        Verb::Scale => (SCALE, SCALE_STATUS),
        Verb::Stop => (STOP, STOP_STATUS),
        Verb::Upgrade => (UPGRADE, UPGRADE_STATUS),
    };
    let mut text = format!("{usage}\n{NAME}\n{}\n", Group::Order.title());
    for flag in verb.flags() {
        entry(&mut text, flag, flag.default);
    }
    text + "  -h                      Print this and end.\n\nExit status\n" + status
}

/// The text of `check -h`.
pub fn check() -> String {
    CHECK.into()
}

/// The text of `demo -h`.
pub fn demo() -> String {
    DEMO.into()
}

/// What the program is, in one line: for the man page and the completions.
pub const ABOUT: &str = "Zero-downtime reload for any server program";

/// `-flag VALUE`, then its explanation in a column of its own, below where the flag is too long.
pub(super) fn entry<T>(text: &mut String, flag: &Flag<T>, default: Option<&str>) {
    let mut line = format!("  -{}", flag.name);
    if let Some(value) = flag.value {
        line += &format!(" {value}");
    }
    if line.len() + 2 > COLUMN {
        *text += &format!("{line}\n");
        line.clear();
    }
    let default = default.map(|default| format!("(default {default})"));
    let words = flag.help.split(' ').chain(default.as_deref());
    let mut empty = true;
    for word in words {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            *text += &format!("{line}\n");
            line.clear();
            empty = true;
        }
        if empty {
            line = format!("{line:COLUMN$}{word}");
            empty = false;
        } else {
            line += &format!(" {word}");
        }
    }
    *text += &format!("{line}\n");
}

#[cfg(test)]
mod tests {
    use super::super::flags::{FLAGS, PID};
    use super::*;

    #[test]
    fn fits_the_terminal_and_names_every_flag() {
        for form in Form::ALL {
            let text = text(form);
            let (_, sections) = text.split_once(Group::Program.title()).unwrap();
            let verbs = Verb::ALL.map(of_verb).concat();
            for line in text.lines().chain(demo().lines()).chain(verbs.lines()) {
                assert!(line.chars().count() <= WIDTH, "too long: {line}");
                assert_eq!(line, line.trim_end());
            }
            for flag in FLAGS.iter().chain([&PID]) {
                let shown = sections.contains(&format!("\n  -{}", flag.name));
                let there = form.flags().any(|other| other.name == flag.name);
                assert_eq!(shown, there, "{form:?} -{}", flag.name);
            }
            assert!(text.contains(&format!("\n  {}\n", form.example())));
        }
    }
}
