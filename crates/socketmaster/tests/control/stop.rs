//! `socketmaster stop`.

use testbed::{processes, shell_status};

use super::{Site, end};

#[test]
fn it_ends_when_all_have_gone() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let slow = supervisor.get_slowly(700);
    let stop = site.ask(&["stop"]);
    assert_eq!((stop.status, stop.err.as_str()), (0, ""));
    assert!(stop.out.contains("site: stopped after "), "{}", stop.out);
    // Its own process may be a zombie, till the test has waited for it.
    assert!(!processes::is_alive(supervisor.pid()));
    assert!(slow.is_finished(), "a request was dropped");
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert_eq!(shell_status(supervisor.wait()), 0);
    assert_eq!(site.ask(&["stop"]).status, 3);
}

#[test]
fn one_that_takes_too_long_goes_on_and_a_second_does_not_kill() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let slow = supervisor.get_slowly(1500);
    let stop = site.ask(&["stop", "-timeout", "200ms", "site"]);
    assert_eq!(stop.status, 4);
    assert!(
        stop.err.contains("goes on ending by itself"),
        "{}",
        stop.err
    );
    let again = end(site.begin(&["stop"]));
    assert_eq!(again.status, 0);
    assert!(again.out.contains("is stopping already"), "{}", again.out);
    assert_eq!(slow.join().unwrap().unwrap().status, 200);
    assert_eq!(shell_status(supervisor.wait()), 0);
}
