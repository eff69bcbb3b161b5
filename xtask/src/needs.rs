//! What the tests need beside Rust, and how it comes onto a Debian machine.

use std::env;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A program that a suite needs.
pub(crate) struct Need {
    /// Its name in `PATH`, or its path.
    program: &'static str,
    /// Debian's package that has it.
    pub(crate) package: &'static str,
    /// The suite, as a person would name it.
    pub(crate) suite: &'static str,
}

const NEEDS: &[Need] = &[
    Need {
        program: "go",
        package: "golang-go",
        suite: "Go programs, and the command line against Go's own parser",
    },
    Need {
        program: "node",
        package: "nodejs",
        suite: "Node programs",
    },
    Need {
        program: "python3",
        package: "python3",
        suite: "Python programs",
    },
    Need {
        program: "gunicorn",
        package: "gunicorn",
        suite: "gunicorn",
    },
    Need {
        program: "uvicorn",
        package: "uvicorn",
        suite: "uvicorn",
    },
    Need {
        program: "/usr/sbin/nginx",
        package: "nginx",
        suite: "nginx",
    },
    Need {
        program: "/usr/sbin/haproxy",
        package: "haproxy",
        suite: "HAProxy",
    },
    Need {
        program: "redis-server",
        package: "redis-server",
        suite: "Redis",
    },
    Need {
        program: "php",
        package: "php-cli",
        suite: "PHP's built-in server",
    },
    Need {
        program: "/usr/sbin/php-fpm8.2",
        package: "php8.2-fpm",
        suite: "PHP-FPM",
    },
    Need {
        program: "java",
        package: "default-jdk-headless",
        suite: "Java",
    },
    Need {
        program: "puma",
        package: "puma",
        suite: "Puma, a Ruby server",
    },
    Need {
        program: "/usr/share/perl5/Starlet/Server.pm",
        package: "starlet",
        suite: "Starlet, a Perl server made for Server::Starter",
    },
    Need {
        program: "s6-ipcserverd",
        package: "s6",
        suite: "s6, whose programs say that they are ready by a newline",
    },
    Need {
        program: "pip3",
        package: "python3-pip",
        suite: "a client of einhorn, which is fetched from PyPI",
    },
    Need {
        program: "/lib/systemd/systemd",
        package: "systemd",
        suite: "systemd units",
    },
    Need {
        program: "promtool",
        package: "prometheus",
        suite: "the metrics, as Prometheus reads them",
    },
    Need {
        program: "groff",
        package: "groff-base",
        suite: "the look of the man page",
    },
];

/// What is not there.
pub(crate) fn missing() -> Vec<&'static Need> {
    NEEDS
        .iter()
        .filter(|need| !is_there(need.program))
        .collect()
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // An absolute path replaces what it is joined to.
    env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Why nothing can be installed here; `None` if it can.
pub(crate) fn obstacle() -> Option<&'static str> {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
    if !(Path::new("/etc/debian_version").exists() && is_there("apt-get")) {
        Some("this is no Debian")
    } else if !root {
        Some("only root may install packages")
    } else {
        None
    }
}

/// Installs the packages in `$@`. Those with a service would start it, on port 80 say; invoke-rc.d(8) and
/// deb-systemd-invoke(1p) start none while this policy says "forbidden".
const INSTALL: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
apt-get install --quiet --yes --no-install-recommends "$@"
"#;

/// The commands that install them: the lists of packages once, then the packages.
pub(crate) fn install(needs: &[&Need]) -> [Command; 2] {
    let mut update = Command::new("apt-get");
    update.args(["update", "--quiet"]);
    let mut install = Command::new("sh");
    install.args(["-c", INSTALL, "sh"]);
    install.args(needs.iter().map(|need| need.package));
    for command in [&mut update, &mut install] {
        command.env("DEBIAN_FRONTEND", "noninteractive");
    }
    [update, install]
}
