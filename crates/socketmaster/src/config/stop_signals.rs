//! What each well-known program takes for "finish your work and end", where TERM ends it at once or is not the word.
//!
//! Used in adopt mode alone: there the program is unchanged and knows nothing of us, so we know it.

use std::ffi::OsStr;
use std::path::Path;

/// Names of programs, the signal that drains each, and the manual that says so. A `*` stands for any ending, such as
/// a version.
const PRESETS: &[(&str, i32)] = &[
    // nginx(8): "SIGQUIT: shut down gracefully"; OpenResty is nginx with modules.
    ("nginx", libc::SIGQUIT),
    ("openresty", libc::SIGQUIT),
    // HAProxy Management Guide, "Stopping and restarting HAProxy": SIGUSR1 is the graceful stop.
    ("haproxy", libc::SIGUSR1),
    // php-fpm(8): "SIGQUIT: graceful stop". Debian has the version in the name: php-fpm8.2.
    ("php-fpm*", libc::SIGQUIT),
    // Unicorn, SIGNALS: "QUIT - graceful shutdown, waits for workers to finish their current request".
    ("unicorn", libc::SIGQUIT),
    // Apache HTTP Server, "Stopping and Restarting": SIGWINCH is graceful-stop.
    ("apache2", libc::SIGWINCH),
    ("httpd", libc::SIGWINCH),
    // lighttpd(8): "SIGINT: graceful shutdown".
    ("lighttpd", libc::SIGINT),
];

/// The signal that tells this program to drain: by the last part of its path, TERM where nothing is known.
pub fn of(program: &OsStr) -> i32 {
    let name = Path::new(program).file_name().and_then(OsStr::to_str);
    let is = |pattern: &str, name: &str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    };
    PRESETS
        .iter()
        .find(|(pattern, _)| name.is_some_and(|name| is(pattern, name)))
        .map_or(libc::SIGTERM, |(_, signal)| *signal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_name_of_the_program() {
        for (program, signal) in [
            ("nginx", libc::SIGQUIT),
            ("/usr/sbin/nginx", libc::SIGQUIT),
            ("/usr/local/openresty/bin/openresty", libc::SIGQUIT),
            ("haproxy", libc::SIGUSR1),
            ("php-fpm", libc::SIGQUIT),
            ("/usr/sbin/php-fpm8.2", libc::SIGQUIT),
            ("unicorn", libc::SIGQUIT),
            ("apache2", libc::SIGWINCH),
            ("./httpd", libc::SIGWINCH),
            ("lighttpd", libc::SIGINT),
            ("nginx-debug", libc::SIGTERM),
            ("/srv/nginx/server", libc::SIGTERM),
            ("php", libc::SIGTERM),
            ("./server", libc::SIGTERM),
            ("/", libc::SIGTERM),
            ("", libc::SIGTERM),
        ] {
            assert_eq!(of(OsStr::new(program)), signal, "{program}");
        }
    }
}
