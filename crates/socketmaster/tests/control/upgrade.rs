//! `socketmaster upgrade`.

use std::fs;

use super::Site;

#[test]
fn the_supervisor_is_replaced_and_keeps_all() {
    let site = Site::new("notify");
    let supervisor = site.start("site");
    let worker = supervisor.get("/").pid();
    let upgrade = site.ask(&["upgrade", "site"]);
    assert_eq!((upgrade.status, upgrade.err.as_str()), (0, ""));
    let version = env!("CARGO_PKG_VERSION");
    let pid = supervisor.pid();
    assert_eq!(
        upgrade.out,
        format!("site: upgraded from version {version} to {version} (pid {pid} as before)\n")
    );
    supervisor.wait_for_line("Upgraded to version");
    assert_eq!(supervisor.get("/").pid(), worker);
    assert_eq!(site.ask(&["status", &pid.to_string()]).status, 0);
}

#[test]
fn a_program_that_does_not_work_changes_nothing() {
    let site = Site::new("notify");
    let program = site.app.path("socketmaster-here");
    fs::copy(env!("CARGO_BIN_EXE_socketmaster"), &program).unwrap();
    let supervisor = testbed::Setup::exactly(&program)
        .variable("RUNTIME_DIRECTORY", site.directory())
        .app(&site.app)
        .start();
    supervisor.wait_until_serving();
    let worker = supervisor.get("/").pid();
    fs::remove_file(&program).unwrap();
    let gone = site.ask(&["upgrade"]);
    assert_eq!(gone.status, 1, "{gone:?}");
    assert!(gone.err.contains("cannot be executed"), "{gone:?}");
    let _ = site.app.executable(
        "socketmaster-here",
        "#!/bin/sh\necho no such flag >&2; exit 2\n",
    );
    let other = site.ask(&["upgrade"]);
    assert_eq!(other.status, 1, "{other:?}");
    assert!(other.err.contains("no such flag"), "{other:?}");
    assert_eq!(supervisor.get("/").pid(), worker);
    assert_eq!(supervisor.log().count("Upgrading"), 0);
}
