//! What the bench's executable is when it stands behind a supervisor, or beside one to be compared.

mod calls;
mod finish;
mod pump;
mod serve;
mod write;

use std::path::Path;
use std::process::ExitCode;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::report::{now, say};

/// The first argument of a role; the path to report to and the role follow.
pub(crate) const WORD: &str = "role";

pub(crate) fn main(args: &[String]) -> ExitCode {
    let begun = now();
    let [reports, role, args @ ..] = args else {
        return ExitCode::from(2);
    };
    let reports = Path::new(reports);
    say(reports, "begin", begun);
    let result = match role.as_str() {
        "serve" => serve::serve(reports, args),
        "finish" => finish::finish(reports),
        "flow" => write::flow(reports, args),
        "block" => write::block(reports, args),
        "lines" => write::lines(args),
        "pump" => pump::pump(reports, args),
        "copy" => pump::copy(reports),
        "calls" => calls::calls(reports, args),
        _ => return ExitCode::from(2),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reports the processor time used so far, in µs.
fn say_usage(reports: &Path) {
    say(reports, "cpu", processor_micros(UsageWho::RUSAGE_SELF));
}

/// Processor time used, user's and system's, in µs.
pub(crate) fn processor_micros(who: UsageWho) -> u64 {
    let usage = getrusage(who).expect("getrusage(2) knows its argument");
    u64::try_from(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
        .unwrap_or(0)
}
