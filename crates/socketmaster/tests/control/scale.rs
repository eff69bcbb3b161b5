//! `socketmaster scale`.

use testbed::until;

use super::Site;

#[test]
fn more_workers_and_fewer() {
    let site = Site::new("notify");
    let mut supervisor = site.start("site");
    let more = site.ask(&["scale", "3", "site"]);
    assert_eq!(
        (more.status, more.out.trim()),
        (0, "site: 3 workers wanted")
    );
    until("three workers", || supervisor.workers().len() == 3);
    until("all are ready", || site.ask(&["status"]).status == 0);
    assert!(site.ask(&["status"]).out.contains("WORKER"));
    let fewer = site.ask(&["scale", "1"]);
    assert_eq!(
        (fewer.status, fewer.out.trim()),
        (0, "site: 1 worker wanted")
    );
    until("one worker", || supervisor.workers().len() == 1);
    for (args, why) in [
        (&["scale"][..], "say how many workers"),
        (&["scale", "0"], "must be a number from 1 to 10000"),
        (&["scale", "site"], "must be a number from 1 to 10000"),
    ] {
        let wrong = site.ask(args);
        assert_eq!(wrong.status, 2, "{args:?}");
        assert!(wrong.err.contains(why), "{}", wrong.err);
    }
    assert!(supervisor.stop().success());
}
