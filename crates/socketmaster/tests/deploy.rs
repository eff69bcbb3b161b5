//! Deploys by a symlink: names are resolved afresh at each start.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use testbed::{App, fixture, setup};

/// Points a symlink elsewhere, as `ln -sfn` does.
fn point(link: &Path, target: &str) {
    let aside = link.with_extension("new");
    symlink(target, &aside).unwrap();
    fs::rename(aside, link).unwrap();
}

/// Two releases, and `current`, which is the first. Each has a program `app` and a `script` for the fixture.
fn releases() -> App {
    let app = App::new("");
    for version in ["one", "two"] {
        let script = app.path(version).join("script");
        let text = format!(
            "#!/bin/sh\nexec {} {}\n",
            fixture().display(),
            script.display()
        );
        let _ = app.executable(Path::new(version).join("app"), &text);
        fs::write(
            script,
            format!("version {version}\nnotify\nprint {version} is here"),
        )
        .unwrap();
    }
    point(&app.path("current"), "one");
    app
}

#[test]
fn the_command_may_go_through_a_symlink_that_a_deploy_changes() {
    let app = releases();
    let supervisor = setup!().command(app.path("current/app"), &[]).start();
    supervisor.wait_for_version("one");
    point(&app.path("current"), "two");
    supervisor.hup();
    supervisor.wait_for_version("two");
}

#[test]
fn so_may_the_directory_that_the_app_starts_in() {
    let app = releases();
    let directory = app.path("current");
    let supervisor = setup!()
        .flag(format!("-directory={}", directory.display()))
        .command(fixture(), &["script"])
        .start();
    supervisor.wait_for_version("one");
    point(&directory, "two");
    supervisor.hup();
    supervisor.wait_for_version("two");
}

/// F30: a supervisor that is started in `current` follows it too, though its own working directory cannot.
#[test]
fn so_may_the_directory_that_the_supervisor_was_started_in() {
    let app = releases();
    let directory = app.path("current");
    let supervisor = setup!()
        .variable("PWD", &directory)
        .directory(&directory)
        .command("./app", &[])
        .start();
    supervisor.wait_for_version("one");
    point(&directory, "two");
    fs::remove_dir_all(app.path("one")).unwrap();
    supervisor.hup();
    supervisor.wait_for_version("two");
}

#[test]
fn a_deploy_without_the_program_is_a_failed_reload() {
    let app = releases();
    let supervisor = setup!().command(app.path("current/app"), &[]).start();
    let old = supervisor.wait_for_version("one").pid();
    point(&app.path("current"), "nowhere");
    supervisor.hup();
    supervisor.wait_for_line("Could not find executable");
    supervisor.wait_for_line("Reload failed: generation 1 serves on");
    assert_eq!(supervisor.get("/").pid(), old);
    point(&app.path("current"), "two");
    supervisor.hup();
    supervisor.wait_for_version("two");
}
