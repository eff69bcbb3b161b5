//! More and fewer workers.

use super::AUTO;
use crate::core::Policy;
use crate::core::tests::script::play;

const TWO: Policy = Policy { workers: 2, ..AUTO };

#[test]
fn more_are_started_in_new_slots_and_the_highest_leave_first() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 scale 3 => start 2 of 1 in 1, start 3 of 1 in 2
        110 ready 2 => welcome 2
        120 exit 3 1 => 3 failed: exit 1, restart 1 in 0, start 4 of 1 in 2
        130 scale 1 => drain 2, drain 4
        140 scale 0
        150 exit 2 0
        151 exit 4 0
        151 idle
        ",
    );
}

#[test]
fn a_reload_replaces_as_many_as_there_are() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 scale 2 => start 2 of 1 in 1
        110 ready 2 => welcome 2
        111 upgrade
        120 reload 7 => start 3 of 2
        130 ready 3 => welcome 3, drain 1, start 4 of 2 in 1
        140 ready 4 => welcome 4, drain 2, 7 done by 2
        ",
    );
}

#[test]
fn during_a_reload_it_waits_for_the_end() {
    play(
        TWO,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 reload 7 => start 3 of 2
        101 scale 3
        110 ready 3 => welcome 3, drain 1, start 4 of 2 in 1
        120 ready 4 => welcome 4, drain 2, 7 done by 2, start 5 of 2 in 2
        200 reload 8 => start 6 of 3
        201 scale 1
        202 reload 9
        210 exit 6 1 => 6 failed: exit 1, 8 failed in 3: exit 1, drain 4, drain 5, start 7 of 4
        220 ready 7 => welcome 7, drain 3, 9 done by 4
        ",
    );
}

#[test]
fn the_last_that_serves_stays_whatever_its_slot() {
    play(
        TWO,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 exit 1 0
        110 scale 1
        110 idle
        120 exit 2 0 => leave with 0
        ",
    );
}

#[test]
fn a_restart_that_is_waited_for_leaves_with_its_slot() {
    play(
        TWO,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 exit 2 1 => restart 1 in 0, start 3 of 1 in 1
        110 exit 3 1 => 3 failed: exit 1, restart 1 in 83
        120 scale 1
        120 idle
        ",
    );
}

#[test]
fn during_the_very_first_start_it_waits_too_and_after_a_stop_it_is_nothing() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 scale 2
        5 ready 1 => welcome 1, start 2 of 1 in 1
        10 stop 15 => forward 15 to 1, forward 15 to 2
        11 scale 3
        12 exit 1 0
        13 signal 2 15 => leave with 0
        ",
    );
}

/// The reload fails in the very moment, and with its end the place is given up.
#[test]
fn what_leaves_in_the_moment_in_which_it_would_be_restarted_is_not_restarted() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 scale 2 => start 2 of 1 in 1
        100 reload 7 => start 3 of 2
        200 scale 1
        60100 deadline => kill 2 NotReady, 2 failed: not ready, restart 1 in 0, kill 3 NotReady, 3 failed: not ready, 7 failed in 2: not ready
        60100 idle
        ",
    );
}
