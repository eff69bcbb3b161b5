//! `socketmaster`: see the library's documentation, or `socketmaster -h`.
fn main() {}
