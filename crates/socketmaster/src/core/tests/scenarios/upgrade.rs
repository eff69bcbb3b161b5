//! That nothing is forgotten when another program goes on.

use super::{AUTO, BOUNDED};
use crate::core::tests::script::play;

#[test]
fn an_upgrade_while_starting_keeps_the_settle_time_and_the_timeout() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        120 waiting 2
        200 upgrade
        201 reload 8
        202 upgrade
        370 deadline => welcome 2, drain 1, 7 done by 2, start 3 of 3
        371 upgrade
        60370 deadline => kill 3 NotReady, 3 failed: not ready, 8 failed in 3: not ready
        ",
    );
}

#[test]
fn an_upgrade_while_draining_keeps_the_deadline_and_what_was_told() {
    play(
        BOUNDED,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        160 upgrade
        170 upgrade
        180 stop 2 => forward 2 to 1, forward 2 to 2
        190 upgrade
        191 signal 1 15
        192 upgrade
        193 stop 2 => kill 2 StopAgain
        194 upgrade
        195 stop 2
        196 signal 2 9 => leave with 137
        ",
    );
}

#[test]
fn an_upgrade_while_a_restart_is_waited_for_keeps_the_moment_and_the_count() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 1 => restart 1 in 0, start 2 of 1
        110 exit 2 1 => 2 failed: exit 1, restart 1 in 109
        120 upgrade
        219 deadline => start 3 of 1
        220 exit 3 1 => 3 failed: exit 1, restart 1 in 206
        ",
    );
}

#[test]
fn an_upgrade_after_a_stop_keeps_what_the_workers_were_told() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 stop 15 => forward 15 to 1
        110 upgrade
        120 signal 1 15 => leave with 0
        ",
    );
}
