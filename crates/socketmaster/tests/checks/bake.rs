//! The check goes on in the bake.

use std::time::Duration;

use testbed::{Load, until};

use crate::{Site, serving};

#[test]
fn a_new_one_that_falls_ill_in_the_bake_is_withdrawn_and_the_old_one_serves_on() {
    let Some(site) = Site::new("200") else { return };
    let supervisor = serving(site.setup(&["-bake=60s"]));
    let old = supervisor.workers();
    let load = Load::start(supervisor.address(), 4, "/?ms=2");
    supervisor.hup();
    let ready = supervisor.wait_for_line("Generation 2 is ready").at;
    site.says("2 500");
    supervisor.wait_for_line("failed, 1 of 3: answer 500");
    let failed = supervisor.wait_for_line("Generation 2 failed: its check failed 3 times in a row during the bake; the last one (http://127.0.0.1:");
    assert!(
        failed.text.ends_with("/health) said: answer 500"),
        "{}",
        failed.text
    );
    assert!(failed.at - ready < Duration::from_secs(10));
    supervisor.wait_for_line("(generation 2) to stop");
    supervisor.wait_for_line("generation 1 serves on, nothing has changed");
    until("only the old one is there", || supervisor.workers() == old);
    let report = load.stop();
    assert_eq!(report.failed, 0, "{report:?}");
}

#[test]
fn two_failures_are_forgiven_and_the_bake_ends_when_it_should() {
    let Some(site) = Site::new("200") else { return };
    let supervisor = serving(site.setup(&["-bake=5s"]));
    supervisor.hup();
    let ready = supervisor.wait_for_line("Generation 2 is ready").at;
    site.says("2 500");
    supervisor.wait_for_line("failed, 2 of 3: answer 500");
    site.says("200");
    let told = supervisor.wait_for_line("(generation 1) to stop").at;
    supervisor.wait_for_line("Reload done: generation 2 serves");
    let baked = told - ready;
    assert!(baked >= Duration::from_millis(4900), "{baked:?}");
    assert!(baked < Duration::from_millis(6500), "{baked:?}");
    assert_eq!(supervisor.log().count("3 of 3"), 0);
}

#[test]
fn one_that_is_ill_at_the_end_of_the_bake_does_not_take_over() {
    let Some(site) = Site::new("200") else { return };
    let supervisor = serving(site.setup(&["-bake=1500ms"]));
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 is ready");
    // From here on less than three checks come before the end.
    site.says("2 500");
    supervisor.wait_for_line("Generation 2 failed: its check failed 3 times in a row");
    assert_eq!(supervisor.log().count("Reload done"), 0);
    supervisor.wait_for_line("generation 1 serves on, nothing has changed");
    // Nobody asks any more.
    assert_eq!(supervisor.log().count("4 of 3"), 0);
}

#[test]
fn a_stop_in_the_bake_ends_the_checks() {
    let Some(site) = Site::new("200") else { return };
    let mut supervisor = serving(site.setup(&["-bake=60s"]));
    supervisor.hup();
    supervisor.wait_for_line("Generation 2 is ready");
    site.says("500");
    supervisor.wait_for_line("failed, 1 of 3");
    supervisor.stop();
    assert_eq!(supervisor.log().count("Generation 2 failed"), 0);
    assert_eq!(supervisor.processes(), []);
}
