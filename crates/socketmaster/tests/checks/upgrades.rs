//! An upgrade of the supervisor: the check begins anew.

use std::fs;

use testbed::{App, setup, until};

use crate::{Site, zombies};

#[test]
fn a_page_is_asked_on_after_an_upgrade_while_starting_and_in_the_bake() {
    let Some(site) = Site::new("503") else { return };
    let supervisor = site.setup(&["-bake=3s"]).start();
    supervisor.wait_for_line("health page of");
    supervisor.upgrade();
    site.says("200");
    supervisor.wait_for_line("Generation 1 is ready");
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 is ready");
    supervisor.upgrade();
    supervisor.wait_for_line("Reload done: generation 2 serves");
    supervisor.hup();
    supervisor.wait_for_line("Generation 3 is ready");
    supervisor.upgrade();
    site.says("3 500");
    supervisor.wait_for_line("Generation 3 failed: its check failed 3 times in a row");
    supervisor.wait_for_line("generation 2 serves on, nothing has changed");
}

#[test]
fn a_command_that_runs_is_ended_and_run_again() {
    let app = App::new("version one");
    let [asked, yes] = ["asked", "yes"].map(|name| app.path(name).display().to_string());
    let command = format!("sh -c 'test -e {yes} && exit 0; echo $$ >>{asked}; exec sleep 1000'");
    let setup = setup!().flag(format!("-ready=exec:{command}"));
    let supervisor = setup.app(&app).start();
    let runs = || {
        fs::read_to_string(&asked)
            .unwrap_or_default()
            .lines()
            .count()
    };
    until("it runs", || runs() == 1);
    supervisor.upgrade();
    until("it runs again", || runs() == 2);
    let sleeps = || {
        let processes = supervisor.processes();
        processes
            .iter()
            .filter(|(_, line)| line.starts_with("sleep"))
            .count()
    };
    until("once", || sleeps() == 1 && zombies(&supervisor) == 0);
    fs::write(&yes, "").unwrap();
    supervisor.upgrade();
    supervisor.wait_for_line("Generation 1 is ready");
    until("none", || sleeps() == 0 && zombies(&supervisor) == 0);
}
