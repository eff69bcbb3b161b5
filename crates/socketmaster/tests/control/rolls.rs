//! `socketmaster reload` with several workers: each step names its worker, and so does the verdict.

use std::fs;

use super::{Site, assert_in_order};

#[test]
fn each_worker_is_told_apart_and_the_one_that_failed_is_named() {
    let site = Site::new("notify");
    let broken = site.app.path("broken");
    let script = format!(
        "#!/bin/sh\n[ -e {}.$SOCKETMASTER_WORKER ] && {{ echo I am broken; exit 3; }}\nexec {} {}\n",
        broken.display(),
        testbed::fixture().display(),
        site.app.script().display()
    );
    let program = site.app.executable("program", &script);
    let setup = site.setup("site").flag("-workers=3").command(program, &[]);
    let supervisor = setup.start();
    supervisor.wait_for_nth_line("is ready", 3);
    let done = site.ask(&["reload"]);
    assert_eq!((done.status, done.err.as_str()), (0, ""));
    assert_in_order(
        &done.out,
        &[
            "site: generation 2 started (worker 0, pid ",
            "site: generation 2 ready after ",
            " ms (worker 0, pid ",
            "), 1 of 3\n",
            "site: generation 1 draining (worker 0, pid ",
            "), 3 of 3\n",
            "site: generation 2 serves (3 workers)\n",
        ],
    );
    fs::write(broken.with_extension("1"), "").unwrap();
    let failed = site.ask(&["reload"]);
    assert_eq!(failed.status, 1);
    let why = "it exited with status 3 before it was ready";
    let share = "1 of 3 workers were replaced before, the others serve on as they were";
    assert_eq!(
        failed.err,
        format!(
            "site: generation 3 failed: worker 1: {why}; {share}\n  the last that it printed:\n    I am broken\n"
        )
    );
}
