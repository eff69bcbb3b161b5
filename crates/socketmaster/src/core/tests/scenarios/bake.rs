//! The bake: the old ones stand by until the new ones have lived on for a while.

use std::time::Duration;

use super::AUTO;
use crate::core::tests::script::play;
use crate::core::{Policy, Sign};

const BAKED: Policy = Policy {
    bake: Duration::from_secs(30),
    ..AUTO
};

const CHECKED: Policy = Policy {
    sign: Sign::Check,
    ..BAKED
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

#[test]
fn with_a_check_the_bake_ends_with_one_that_passes_after_it() {
    play(
        CHECKED,
        "
        0 begin => start 1 of 1
        5 launched 1
        6 waiting 1
        500 passed 1
        1000 ready 1 => welcome 1
        1100 reload 7 => start 2 of 2
        1200 ready 2 => welcome 2
        1200 idle
        2200 passed 2
        31199 passed 2
        31200 timeout
        31200 upgrade
        31200 passed 1
        31250 passed 2 => drain 1, 7 done by 2
        31300 passed 2
        31300 unfit 2
        31300 idle
        ",
    );
}

#[test]
fn a_new_one_that_fails_its_checks_in_the_bake_is_told_to_stop_and_the_old_one_serves_on() {
    play(
        CHECKED,
        "
        0 begin => start 1 of 1
        1000 unfit 1
        1000 ready 1 => welcome 1
        1000 unfit 1
        1100 reload 7 => start 2 of 2
        1150 unfit 2
        1200 ready 2 => welcome 2
        1300 unfit 1
        3200 unfit 2 => 2 failed: unfit, withdraw 2, 7 failed in 2: unfit
        3200 unfit 2
        3200 idle
        3300 reload 8 => start 3 of 3
        3400 signal 2 15
        ",
    );
}

#[test]
fn all_of_a_step_pass_after_the_bake_or_none_takes_over() {
    play(
        Policy {
            workers: 3,
            step: 2,
            ..CHECKED
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1
        150 ready 4 => welcome 4
        160 passed 4
        250 ready 5 => welcome 5
        30250 passed 4
        30300 passed 4
        30400 upgrade
        31000 passed 5 => drain 1, drain 2, start 6 of 2 in 2
        31100 ready 6 => welcome 6
        31100 passed 4
        61100 passed 6 => drain 3, 7 done by 2
        61200 reload 8 => start 7 of 3, start 8 of 3 in 1
        61300 launched 8
        61300 ready 7 => welcome 7
        61400 unfit 7 => 7 failed: unfit, withdraw 7, withdraw 8, 8 failed in 3: unfit
        ",
    );
}

#[test]
fn without_a_bake_a_check_says_nothing_once_it_has_passed() {
    play(
        Policy {
            bake: Duration::ZERO,
            workers: 2,
            step: u32::MAX,
            ..CHECKED
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        10 unfit 1
        20 ready 2 => welcome 2
        100 reload 7 => start 3 of 2, start 4 of 2 in 1
        150 ready 3 => welcome 3
        160 unfit 3
        170 passed 3
        250 ready 4 => welcome 4, drain 1, drain 2, 7 done by 2
        ",
    );
}
