//! Bytes ↔ values. Nothing here opens, sends or waits.

pub mod activation;
pub mod arguments;
pub mod control;
pub mod einhorn;
pub mod env_file;
pub mod environment;
pub mod exposition;
pub mod forward;
pub mod held;
pub mod launch;
pub mod line;
pub mod notify;
pub mod os_path;
pub mod protocol;
pub mod sockaddr;
pub mod split;
pub mod uri;
