//! `socketmaster upgrade`.

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
