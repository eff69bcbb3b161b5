//! Everything that can go wrong with a new version: the old one serves on, and the next upgrade works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use testbed::{get, poll, processes, until};

use crate::chain::{Chain, Setup, example};

/// The old one serves on as if nothing had been; then it is replaced.
#[track_caller]
fn recovers(chain: &Chain, pid: i32, descriptors: usize) {
    assert_eq!(chain.pid(), pid, "another process answers");
    assert!(processes::zombies(pid).is_empty());
    until("no descriptor more", || {
        processes::descriptors(pid).len() <= descriptors
    });
    chain.deploy("version good\nlame-duck 200");
    let next = chain.upgrade();
    chain.until_alone(next);
    assert_eq!(get(&chain.url(), "/").unwrap().version(), "good");
}

#[track_caller]
fn fails_with(script: &str, words: &str) {
    let chain = Chain::fixture("ready-timeout 1500\nlame-duck 200");
    let pid = chain.pid();
    until("idle", || processes::descriptors(pid).len() <= 16);
    let descriptors = processes::descriptors(pid).len();
    for _ in 0..2 {
        chain.deploy(script);
        let answer = chain.ask();
        assert!(
            answer.starts_with("refused ") && answer.contains(words),
            "{answer}"
        );
    }
    assert_eq!(chain.alive(), [pid], "the failed one is still there");
    recovers(&chain, pid, descriptors);
}

#[test]
fn exit_1() {
    fails_with("exit 1", "exit status: 1");
}

#[test]
fn exit_1_before_the_library_is_asked() {
    fails_with("early\nexit 1", "exit status: 1");
}

#[test]
fn a_clean_exit() {
    fails_with("exit 0", "exit status: 0");
}

#[test]
fn a_crash_after_100_ms() {
    fails_with("crash 100", "signal: 6");
}

#[test]
fn a_hang() {
    fails_with("hang", "not ready within 1.5s");
}

#[test]
fn a_hang_before_the_library_is_asked() {
    fails_with("early\nhang", "not ready within 1.5s");
}

#[test]
fn a_grandchild_that_holds_the_channel_open() {
    for script in ["grandchild", "early\ngrandchild"] {
        let chain = Chain::fixture("ready-timeout 20000\nlame-duck 200");
        let pid = chain.pid();
        let descriptors = processes::descriptors(pid).len() + 1;
        chain.deploy(script);
        let begin = testbed::now();
        let answer = chain.ask();
        assert!(answer.contains("exit status: 7"), "{answer}");
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "it waited for the grandchild"
        );
        let grandchild = fs::read_to_string(chain.path("grandchild"))
            .unwrap()
            .parse()
            .unwrap();
        assert!(processes::is_alive(grandchild));
        processes::signal(grandchild, Signal::KILL);
        until("the grandchild has gone", || {
            !processes::is_alive(grandchild)
        });
        recovers(&chain, pid, descriptors);
    }
}

/// A copy of the fixture that can be taken away.
fn movable() -> (tempfile::TempDir, PathBuf, Chain) {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("server");
    fs::hard_link(example("upgradable_fixture"), &program)
        .or_else(|_| fs::copy(example("upgradable_fixture"), &program).map(|_| ()))
        .unwrap();
    let mut setup = Setup::new(&program);
    setup.deploy("lame-duck 200");
    let address = crate::chain::free_port();
    setup.command.arg(address.to_string());
    (home, program, setup.at(address).start())
}

#[test]
fn a_missing_program() {
    let (_home, program, chain) = movable();
    let pid = chain.pid();
    let descriptors = processes::descriptors(pid).len() + 1;
    fs::rename(&program, program.with_extension("away")).unwrap();
    let answer = chain.ask();
    assert!(answer.contains("No such file"), "{answer}");
    fs::rename(program.with_extension("away"), &program).unwrap();
    recovers(&chain, pid, descriptors);
}

#[test]
fn a_program_that_is_none() {
    let (_home, program, chain) = movable();
    let pid = chain.pid();
    let descriptors = processes::descriptors(pid).len() + 1;
    fs::rename(&program, program.with_extension("away")).unwrap();
    fs::write(&program, "neither a program nor a script").unwrap();
    let answer = chain.ask();
    assert!(answer.contains("Permission denied"), "{answer}");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let answer = chain.ask();
    assert!(answer.contains("Exec format error"), "{answer}");
    fs::rename(program.with_extension("away"), &program).unwrap();
    recovers(&chain, pid, descriptors);
}

/// `current -> releases/2`: the link is followed anew, whatever the old image was.
#[test]
fn a_link_that_was_changed() {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("current");
    std::os::unix::fs::symlink(example("upgradable_fixture"), &program).unwrap();
    let mut setup = Setup::new(&program);
    setup.deploy("lame-duck 200");
    let address = crate::chain::free_port();
    setup.command.arg(address.to_string());
    let chain = setup.at(address).start();
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink("/bin/false", &program).unwrap();
    assert!(chain.ask().contains("exit status: 1"));
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(example("upgradable_fixture"), &program).unwrap();
    chain.upgrade();
}

/// The directory that it was started in is gone: it says so, and not that the program is missing.
#[test]
fn a_missing_directory() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("release");
    fs::create_dir(&directory).unwrap();
    let mut setup = Setup::fixture("lame-duck 200");
    setup.command.current_dir(&directory);
    let chain = setup.start();
    let pid = chain.pid();
    let descriptors = processes::descriptors(pid).len() + 1;
    fs::remove_dir(&directory).unwrap();
    let answer = chain.ask();
    assert!(
        answer.contains("where this server was started, is gone"),
        "{answer}"
    );
    fs::create_dir(&directory).unwrap();
    recovers(&chain, pid, descriptors);
}

#[test]
fn two_upgrades_at_once() {
    let chain = Chain::fixture("lame-duck 200");
    let pid = chain.pid();
    chain.deploy("warm 800");
    let (address, first) = (
        chain.url(),
        thread::spawn({
            let url = chain.url();
            move || get(&url, "/upgrade").unwrap().body
        }),
    );
    until("the first is under way", || chain.alive().len() == 2);
    let second = get(&address, "/upgrade").unwrap().body;
    assert!(second.contains("under way already"), "{second}");
    assert_eq!(chain.pid(), pid);
    assert!(first.join().unwrap().starts_with("upgraded "));
    until("the new one answers", || chain.pid() != pid);
}

#[test]
fn no_upgrade_while_the_one_before_is_there() {
    let chain = Chain::fixture("lame-duck 5000");
    // It keeps the first process.
    let mut kept = std::net::TcpStream::connect(chain.address).unwrap();
    crate::chain::send(&mut kept, "/", true).unwrap();
    std::io::Read::read(&mut kept, &mut [0; 1024]).unwrap();
    chain.upgrade();
    // The old one may accept this too, in the moment after it has answered.
    until("the new one is asked", || {
        let answer = chain.ask();
        answer.contains("still finishes its connections")
    });
    drop(kept);
    chain.upgrade();
}

/// Killed in the middle of an upgrade: the new one finds itself alone and serves.
#[test]
fn a_predecessor_that_is_killed() {
    let chain = Chain::fixture("lame-duck 200");
    let pid = chain.pid();
    chain.deploy("version 2\nwarm 500");
    processes::signal(pid, Signal::HUP);
    until("the new one is there", || chain.alive().len() == 2);
    processes::signal(pid, Signal::KILL);
    let version = poll(testbed::PATIENCE, || get(&chain.url(), "/").ok());
    assert_eq!(version.unwrap().version(), "2");
}
