//! What systemd is told: sd_notify(3).

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use testbed::processes;

use crate::chain::Setup;

#[test]
fn ready_reloading_main_process_and_stopping() {
    let mut setup = Setup::fixture("lame-duck 200");
    let path = setup.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(testbed::PATIENCE)).unwrap();
    let hear = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let pid_file = setup.path("pid");
    setup
        .command
        .env("NOTIFY_SOCKET", &path)
        .env("PID_FILE", &pid_file);
    let chain = setup.start();
    assert_eq!(hear(), "READY=1");
    let named = || {
        std::fs::read_to_string(&pid_file)
            .unwrap()
            .trim()
            .parse::<i32>()
            .unwrap()
    };
    assert_eq!(named(), chain.first());

    chain.deploy("exit 1");
    assert!(chain.ask().starts_with("refused"));
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), "READY=1");

    chain.deploy("lame-duck 200");
    let next = chain.upgrade();
    assert!(hear().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(hear(), format!("MAINPID={next}\nREADY=1"));
    chain.until_alone(next);
    assert_eq!(named(), next);

    processes::signal(next, Signal::TERM);
    assert_eq!(hear(), "STOPPING=1");
    testbed::until("it has gone", || chain.alive().is_empty());
    assert!(!pid_file.exists());
}
