#!/bin/bash
# A real `systemd --user` for one test, also where systemd is not PID 1, without touching the host's.
#
# usage: user-manager.sh FOLDER      (root; what it cannot do it says, with exit status 77)
#
# FOLDER appears as /run/test to the manager and its services; FOLDER/units is where it finds them. Prints "ready" and
# the pid whose mount namespace is to be entered, and ends at the end of its standard input: with status 1 if a
# process of the test was still there.
set -euo pipefail

skip() { echo "skip $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "a user manager of our own needs root"
[ -x /lib/systemd/systemd ] || skip "systemd is not installed"
for tool in unshare nsenter systemctl; do type -P $tool > /dev/null || skip "$tool is not installed"; done

if [ -z "${SOCKETMASTER_TEST_INSIDE:-}" ]; then
    unshare --mount true 2> /dev/null || skip "no mount namespace may be made here"
    SOCKETMASTER_TEST_INSIDE=1 exec unshare --mount -- "$0" "$@"
fi

folder=$1
export HOME=/run/home XDG_RUNTIME_DIR=/run/user-manager
mount --make-rprivate /
# The systemd of the user finds its units, sockets and an empty /run/systemd/system here: without the last it exits
# without a word, because it takes the machine for one that systemd has not booted.
mount -t tmpfs tmpfs /run -o mode=755
mkdir -p /run/systemd/system /run/test "$HOME/.config/systemd" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
mount --bind "$folder" /run/test
ln -s /run/test/units "$HOME/.config/systemd/user"
# What covers the paths that a service must not see. The manager makes it in its own folder, but as root it looks for
# it in that of the system.
ln -s "$XDG_RUNTIME_DIR/systemd/inaccessible" /run/systemd/inaccessible

# It needs a cgroup of its own: in the unified tree, which a hybrid host has beside others. There the manager mirrors
# it in the tree of name=systemd, with every process.
unified=/sys/fs/cgroup/unified; [ -d "$unified" ] || unified=/sys/fs/cgroup
named=/sys/fs/cgroup/systemd
origin=$unified$(sed -n 's/^0:://p' /proc/self/cgroup)
named_origin=$named$(sed -n 's/^[0-9]*:name=systemd://p' /proc/self/cgroup)
cgroup=socketmaster-test-$$
mkdir "$unified/$cgroup" 2> /dev/null || skip "no cgroup may be made in $unified"
echo $$ > "$unified/$cgroup/cgroup.procs"

/lib/systemd/systemd --user --log-target=console > /run/manager.log 2>&1 < /dev/null &
manager=$!

go_home() {
    echo $$ > "$origin/cgroup.procs"
    [ ! -d "$named/$cgroup" ] || echo $$ > "$named_origin/cgroup.procs"
}

# Kills what is left, if anything is, and removes the cgroup.
finish() {
    local status=0 tree
    timeout 20 systemctl --user exit || kill -9 $manager
    wait $manager || true
    go_home
    local left
    left=$(find "$unified/$cgroup" -name cgroup.procs -exec cat {} +)
    if [ -n "$left" ]; then
        echo "left behind:" $left >&2
        ps -o pid,args -p "$(echo $left | tr ' ' ,)" >&2 || true
        kill -9 $left || true
        status=1
    fi
    for tree in "$unified/$cgroup" "$named/$cgroup"; do
        for _ in $(seq 50); do
            [ -d "$tree" ] || break
            find "$tree" -depth -type d -exec rmdir {} + 2> /dev/null && break
            sleep 0.1
        done
    done
    exit $status
}

for _ in $(seq 200); do
    [ ! -S "$XDG_RUNTIME_DIR/systemd/private" ] || break
    kill -0 $manager 2> /dev/null || break
    sleep 0.05
done
[ -S "$XDG_RUNTIME_DIR/systemd/private" ] || { cat /run/manager.log >&2; finish; }
echo "ready $$"
cat > /dev/null
finish
