//! A system that is short of something: the promises hold, or the start fails with a reason and nothing left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use testbed::{App, PATIENCE, poll, setup};

/// With any number of descriptors it either serves or ends by itself, and its files go with it.
#[test]
fn too_few_descriptors_are_a_clear_end() {
    let app = App::new("notify");
    let (socket, directory) = (app.path("listener"), app.path("run"));
    fs::create_dir(&directory).unwrap();
    let mut serves = false;
    for limit in 5..40 {
        let limited = format!("ulimit -n {limit}; exec \"$@\"");
        let mut supervisor = setup!()
            .under(&["sh", "-c", &limited, "sh"])
            .variable("RUNTIME_DIRECTORY", &directory)
            .listen(format!("unix://{}", socket.display()))
            .app(&app)
            .spawn();
        let ended = poll(PATIENCE, || {
            let ended = supervisor.ended().is_some();
            serves = supervisor.log().count("is ready") > 0;
            (ended || serves).then_some(ended)
        });
        let log = supervisor.log().text();
        match ended {
            Some(true) => assert_eq!(supervisor.wait().code(), Some(1), "{limit}: {log}"),
            Some(false) => assert_eq!(supervisor.stop().code(), Some(0), "{limit}: {log}"),
            None => panic!("{limit}: it neither serves nor ends: {log}"),
        }
        assert!(!socket.exists(), "{limit}: {log}");
        let left = fs::read_dir(&directory).unwrap().count();
        assert_eq!(left, 0, "{limit}: {log}");
    }
    assert!(serves);
}
