//! What the runtime of a process watches: proc_pid_fdinfo(5).

use std::fs;

use testbed::processes;

use crate::chain::Chain;
use crate::finish::open_websocket;

/// The inodes of all that a process has in its epoll instances, in hexadecimal digits.
fn watched(pid: i32) -> Vec<String> {
    let epolls = processes::descriptors(pid)
        .into_iter()
        .filter(|(_, what)| what == "anon_inode:[eventpoll]");
    let infos =
        epolls.filter_map(|(fd, _)| fs::read_to_string(format!("/proc/{pid}/fdinfo/{fd}")).ok());
    let inode = |line: &str| {
        let (_, rest) = line.split_once(" ino:")?;
        rest.split(' ').next().map(str::to_owned)
    };
    infos
        .flat_map(|info| info.lines().filter_map(inode).collect::<Vec<_>>())
        .collect()
}

/// The inode of what listens there, from the table of proc_pid_net(5): state 0A is LISTEN.
fn listening(chain: &Chain) -> u64 {
    let port = format!(":{:04X}", chain.address.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut fields = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = fields.find(|fields| fields[1].ends_with(&port) && fields[3] == "0A");
    ours.expect("a line of the table")[9].parse().unwrap()
}

/// The socket lives on in the successor, so closing it takes it out of no epoll instance (epoll(7)): it must be taken
/// out before, or the process that leaves is woken by each connection of the other.
#[test]
fn the_one_that_leaves_does_not_watch_the_socket_any_more() {
    let chain = Chain::fixture("lame-duck 100\ndrain 20000");
    let socket = format!("{:x}", listening(&chain));
    let open = open_websocket(&chain);
    let first = chain.first();
    assert!(watched(first).contains(&socket));
    let next = chain.upgrade();
    // That it stops accepting, and that the other begins to, comes after the answer.
    testbed::until("only the new one watches", || {
        watched(next).contains(&socket) && !watched(first).contains(&socket)
    });
    // It does watch what it has still open.
    assert!(!watched(first).is_empty());
    drop(open);
    chain.until_alone(next);
}
