//! The bake: the old ones stand by until the new ones have lived on for a while.

use std::time::Duration;

use super::AUTO;
use crate::core::Policy;
use crate::core::tests::script::play;

const BAKED: Policy = Policy {
    bake: Duration::from_secs(30),
    ..AUTO
};

#[test]
fn the_old_one_is_told_to_stop_when_the_new_one_has_lived_through_the_bake() {
    play(
        BAKED,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        5 idle
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2
        160 upgrade
        30150 deadline => drain 1, 7 done by 2
        30150 idle
        ",
    );
}

#[test]
fn a_new_one_that_ends_in_the_bake_is_a_failed_reload_and_the_old_one_serves_on() {
    play(
        BAKED,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2
        450 exit 2 0 => 2 failed: did not last, exit 0, 7 failed in 2: did not last, exit 0
        450 idle
        500 signal 1 9 => restart 1 in 0, start 3 of 1
        ",
    );
}

#[test]
fn a_stop_in_the_bake_wins() {
    play(
        BAKED,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2
        200 stop 15 => 7 superseded, forward 15 to 1, forward 15 to 2
        200 idle
        ",
    );
}

#[test]
fn a_reload_in_the_bake_waits_for_its_end() {
    play(
        BAKED,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2
        200 reload 8
        30150 deadline => drain 1, 7 done by 2, start 3 of 3
        30160 ready 3 => welcome 3
        30170 exit 3 1 => 3 failed: did not last, exit 1, 8 failed in 3: did not last, exit 1
        ",
    );
}

#[test]
fn an_old_one_that_dies_in_the_bake_is_started_again_and_then_told_to_stop() {
    play(
        BAKED,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2
        200 exit 1 1 => restart 1 in 0, start 3 of 1
        210 exit 3 1 => 3 failed: exit 1, restart 1 in 109
        319 deadline => start 4 of 1
        320 launched 4
        330 ready 4 => welcome 4
        30150 deadline => drain 4, 7 done by 2
        ",
    );
}

#[test]
fn each_step_of_a_roll_bakes() {
    play(
        Policy {
            workers: 2,
            ..BAKED
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 reload 7 => start 3 of 2
        150 ready 3 => welcome 3
        30150 deadline => drain 1, start 4 of 2 in 1
        30200 ready 4 => welcome 4
        30300 exit 4 1 => 4 failed: did not last, exit 1, 7 failed in 2: did not last, exit 1 after 1 of 2
        30300 idle
        ",
    );
}

#[test]
fn the_bake_of_all_at_once_begins_with_the_last_that_is_ready() {
    play(
        Policy {
            workers: 2,
            step: u32::MAX,
            ..BAKED
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 reload 7 => start 3 of 2, start 4 of 2 in 1
        150 ready 3 => welcome 3
        250 ready 4 => welcome 4
        30250 deadline => drain 1, drain 2, 7 done by 2
        ",
    );
}
