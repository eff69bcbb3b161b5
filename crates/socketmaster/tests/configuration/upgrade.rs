//! An upgrade of the supervisor goes on with what stands, whatever the file says by then.

use rustix::process::{Pid, Signal, kill_process};
use testbed::get;

use super::*;

#[test]
fn an_upgrade_keeps_the_configuration_that_stands() {
    let site = Site::new("version one");
    let second = free_port();
    fs::write(site.app.path("a.env"), "FROM=file\n").unwrap();
    let uris = [site.port, second].map(uri);
    site.write(&[
        &format!("listen = {uris:?}"),
        "env_file = 'a.env'",
        "environment = { MODE = 'old' }",
    ]);
    let mut supervisor = site.start();
    fs::remove_file(site.app.path("a.env")).unwrap();
    fs::write(site.file(), "this is no configuration").unwrap();
    supervisor.upgrade();
    supervisor.wait_for_line("Upgraded to version");

    let pid = supervisor.get("/").pid();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    supervisor.wait_for_line("Restarting generation 1");
    supervisor.wait_for_nth_line("Generation 1 is ready", 2);
    let pid = supervisor.get("/").pid();
    let set = ["MODE", "FROM"].map(|name| variable(pid, name));
    assert_eq!(set, ["old", "file"]);
    assert!(site.fail().contains("app.toml:1:"));
    site.write_listening(&["environment = { MODE = 'new' }"]);
    site.reload();
    serves_with(&supervisor, "MODE", "new");
    assert!(get(&address(second), "/").is_err(), "it was let go");
    assert_eq!(supervisor.stop().code(), Some(0));
}

#[test]
fn an_upgrade_in_the_middle_of_a_reload_goes_on_with_both() {
    let site = Site::new("version one");
    let second = free_port();
    site.write_listening(&["environment = { MODE = 'old' }", "stop_signal = 'QUIT'"]);
    let supervisor = site.start();
    site.app.deploy("sleep 1500\nversion two");
    let uris = [second, site.port].map(uri);
    site.write(&[
        &format!("listen = {uris:?}"),
        "environment = { MODE = 'new' }",
    ]);
    supervisor.hup();
    supervisor.wait_for_nth_line("Starting ", 2);
    supervisor.upgrade();
    supervisor.wait_for_line("Upgraded to version");
    supervisor.wait_for_line("Reload done: generation 2 serves");
    supervisor.wait_for_line("(generation 1) to stop: SIGQUIT");
    let pid = supervisor.wait_for_version("two").pid();
    assert_eq!(variable(pid, "MODE"), "new");
    assert_eq!(get(&address(second), "/").unwrap().pid(), pid);
}
