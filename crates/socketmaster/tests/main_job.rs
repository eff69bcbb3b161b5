//! The main job, as a user meets it: the Go server of `examples/go` behind the supervisor.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use testbed::{PATIENCE, get, pause, poll, setup};

/// Builds the example, unless there is no Go.
fn mygoapp(into: &Path) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/go");
    let program = into.join("mygoapp");
    // A cache of its own would make each run compile Go's library again.
    let built = Command::new("go")
        .arg("build")
        .arg("-o")
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .status();
    match built {
        Ok(status) => {
            assert!(status.success(), "go build");
            Some(program)
        }
        Err(error) => {
            println!("the main job is not tested: go: {error}");
            assert!(
                std::env::var_os("CI").is_none(),
                "Go is missing (apt install golang-go)"
            );
            None
        }
    }
}

/// `socketmaster[2969] 2021/02/10 15:39:25 `, and what follows it.
fn split_prefix(line: &str, pid: i32) -> &str {
    let rest = line
        .strip_prefix(&format!("socketmaster[{pid}] "))
        .unwrap_or_else(|| panic!("{line}"));
    let (time, text) = rest.split_at("2021/02/10 15:39:25 ".len());
    let form: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "0000/00/00 00:00:00 ", "{line}");
    text
}

#[test]
fn a_go_server_is_reloaded_without_losing_a_request() {
    let place = tempfile::tempdir().unwrap();
    let Some(_) = mygoapp(place.path()) else {
        return;
    };
    let mut supervisor = setup!()
        .variable("DELAY_MS", "1000")
        .directory(place.path())
        .command("./mygoapp", &[])
        .start();
    supervisor.wait_for_line("] listening...");
    let old = supervisor.workers()[0];

    let lines: Vec<_> = supervisor
        .log()
        .lines()
        .into_iter()
        .map(|line| line.text)
        .collect();
    let texts: Vec<_> = lines
        .iter()
        .map(|line| split_prefix(line, supervisor.pid()))
        .collect();
    assert!(
        texts[0].starts_with("Listening on tcp://127.0.0.1:"),
        "{texts:?}"
    );
    assert!(
        texts.contains(&"Starting ./mygoapp [./mygoapp]"),
        "{texts:?}"
    );
    assert!(
        texts.contains(&&*format!("[{old}] listening...")),
        "{texts:?}"
    );
    supervisor.wait_until_serving();

    let address = supervisor.address().clone();
    let in_flight = thread::spawn(move || get(&address, "/"));
    pause(Duration::from_millis(300));
    supervisor.hup();
    supervisor.wait_for_nth_line("] listening...", 2);
    let later = || Some(supervisor.get("/")).filter(|answer| answer.pid() != old);
    let later = poll(PATIENCE, later).expect("an answer of the new one");
    let body = format!("{{\"status\": \"success\", \"pid\": {}}}\n", later.pid());
    assert_eq!(later.body, body);
    assert_eq!(in_flight.join().unwrap().unwrap().pid(), old);
    supervisor.wait_for_line(&format!("{old} exit status 0"));
    assert_eq!(supervisor.workers(), [later.pid()]);
    for _ in 0..3 {
        assert_eq!(supervisor.get("/").pid(), later.pid());
    }
    assert_eq!(supervisor.stop().code(), Some(0));
    assert_eq!(supervisor.processes(), []);
}
