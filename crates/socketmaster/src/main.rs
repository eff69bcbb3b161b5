//! `socketmaster`: see the library's documentation, or `socketmaster -h`.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    match args.first().and_then(|name| name.to_str()) {
        Some("socketmaster-log") => socketmaster::forwarder::main(&args[1..]),
        _ => ExitCode::SUCCESS,
    }
}
