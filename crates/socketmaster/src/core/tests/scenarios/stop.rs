//! How workers are told to leave, how long they may take, and with which status the supervisor leaves.

use super::{AUTO, BOUNDED};
use crate::core::Policy;
use crate::core::tests::script::play;

#[test]
fn a_stop_goes_to_every_worker_as_it_came_and_the_supervisor_leaves_after_the_last() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        200 reload 8 => start 3 of 3
        210 stop 3 => 8 superseded, forward 3 to 1, forward 3 to 2, forward 3 to 3
        220 signal 3 3
        230 exit 2 0
        240 exit 1 143 => leave with 0
        ",
    );
}

#[test]
fn a_stop_in_the_middle_of_a_hup_storm_answers_everybody() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        101 reload 8
        102 reload 9
        103 stop 15 => 7 superseded, 8 superseded, 9 superseded, forward 15 to 1, forward 15 to 2
        104 reload 10 => 10 superseded
        105 ready 2
        106 exit 1 0
        107 exit 2 0 => leave with 0
        ",
    );
}

#[test]
fn a_second_stop_kills_all_that_still_live() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 stop 15 => forward 15 to 1
        200 stop 15 => kill 1 StopAgain
        300 stop 15
        400 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn after_a_stop_the_kill_timeout_kills() {
    play(
        BOUNDED,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 stop 15 => forward 15 to 1
        10100 deadline => kill 1 NotGone
        10100 idle
        10101 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn without_a_kill_timeout_a_stop_waits() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 stop 15 => forward 15 to 1
        100 idle
        99999999 exit 1 0 => leave with 0
        ",
    );
}

#[test]
fn the_drain_timeout_kills_an_old_generation_and_nobody_else() {
    play(
        BOUNDED,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        30150 deadline => kill 1 NotGone
        30151 signal 1 9
        30151 idle
        ",
    );
}

#[test]
fn a_stop_does_not_lengthen_what_a_draining_worker_was_granted() {
    play(
        BOUNDED,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        28000 stop 15 => forward 15 to 2
        30150 deadline => kill 1 NotGone
        38000 deadline => kill 2 NotGone
        38001 signal 2 9
        38002 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn a_stop_during_the_very_first_start_wins() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        2 waiting 1
        3 stop 2 => forward 2 to 1
        252 timeout
        253 signal 1 2 => leave with 0
        ",
    );
}

#[test]
fn a_stop_while_a_restart_is_waited_for_ends_at_once() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 1 => restart 1 in 0, start 2 of 1
        110 exit 2 1 => 2 failed: exit 1, restart 1 in 109
        111 stop 15 => leave with 0
        ",
    );
}

#[test]
fn a_worker_that_ends_a_stop_badly_gives_its_status() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 stop 15 => forward 15 to 1
        110 exit 1 3 => leave with 3
        ",
    );
}

#[test]
fn a_worker_of_a_failed_reload_does_not_spoil_the_status_of_a_stop() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        60100 deadline => kill 2 NotReady, 2 failed: not ready, 7 failed in 2: not ready
        60100 stop 15 => forward 15 to 1
        60101 signal 2 9
        60102 exit 1 0 => leave with 0
        ",
    );
}

#[test]
fn the_highest_signal_can_be_the_stop_signal() {
    play(
        Policy {
            stop_signal: 64,
            ..AUTO
        },
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        160 stop 15 => forward 15 to 1, forward 15 to 2
        170 signal 1 64
        180 signal 2 15 => leave with 0
        ",
    );
}

#[test]
fn a_stop_takes_back_the_restart_that_was_waited_for() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        160 exit 2 1 => restart 2 in 0, start 3 of 2
        170 exit 3 1 => 3 failed: exit 1, restart 2 in 109
        180 stop 2 => forward 2 to 1
        180 idle
        300 timeout
        400 exit 1 0 => leave with 0
        ",
    );
}
