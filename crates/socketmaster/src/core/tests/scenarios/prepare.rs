//! A reload has what it needs made ready first, and may come with other rules.

use std::time::Duration;

use super::AUTO;
use crate::config::Restart;
use crate::core::tests::script::play_by;
use crate::core::{Policy, Sign};

const OTHER: Policy = Policy {
    sign: Sign::Life(Duration::from_secs(1)),
    drain_timeout: Some(Duration::from_secs(5)),
    stop_signal: 3,
    restart: Restart::Always,
    ..AUTO
};
const THREE: Policy = Policy { workers: 3, ..AUTO };

#[test]
fn what_is_not_to_be_had_fails_the_reload_and_touches_nothing() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 reload 8
        101 unprepared 2 => 7 failed in 2: unprepared, prepare 3
        102 unprepared 2
        103 prepared 2 by 0
        104 unprepared 3 => 8 failed in 3: unprepared
        105 idle
        ",
    );
}

#[test]
fn new_rules_hold_for_the_new_generation_and_old_ones_for_the_old() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        110 launched 2
        120 exit 1 1 => restart 1 in 0, start 3 of 1
        ",
    );
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        110 launched 2
        120 upgrade
        1110 deadline => welcome 2, drain 1, 7 done by 2
        6110 deadline => kill 1 NotGone
        ",
    );
}

#[test]
fn rules_hold_for_as_long_as_somebody_serves_by_them() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        10 scale 2 => start 2 of 1 in 1
        20 ready 2 => welcome 2
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 3 of 2
        200 ready 3 => welcome 3, drain 1, start 4 of 2 in 1
        250 exit 1 0
        300 exit 4 1 => 4 failed: exit 1, 7 failed in 2: exit 1 after 1 of 2
        400 reload 8 => prepare 3
        400 prepared 3 by 0 => start 5 of 3
        500 exit 2 0
        ",
    );
}

#[test]
fn rules_that_failed_are_forgotten() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        200 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1
        300 reload 8 => prepare 3
        300 prepared 3 by 0 => start 3 of 3
        400 ready 3 => welcome 3, drain 1, 8 done by 3
        400 idle
        ",
    );
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        10 scale 2 => start 2 of 1 in 1
        20 ready 2 => welcome 2
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 3 of 2
        200 exit 3 1 => 3 failed: exit 1, 7 failed in 2: exit 1
        300 scale 1 => drain 2
        300 idle
        ",
    );
}

#[test]
fn an_old_worker_ends_clean_by_the_signal_of_its_own_rules() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        200 ready 2 => welcome 2, drain 1, 7 done by 2
        300 stop 2 => forward 2 to 1, forward 2 to 2
        400 signal 1 15
        500 exit 2 0 => leave with 0
        ",
    );
}

#[test]
fn a_new_number_of_workers_is_part_of_the_reload() {
    play_by(
        &[AUTO, THREE],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        200 ready 2 => welcome 2, drain 1, start 3 of 2 in 1
        250 exit 1 0
        300 ready 3 => welcome 3, start 4 of 2 in 2
        400 ready 4 => welcome 4, 7 done by 2
        500 reload 8 => prepare 3
        500 prepared 3 by 0 => start 5 of 3
        600 ready 5 => welcome 5, drain 2, 8 done by 3, drain 3, drain 4
        ",
    );
}

#[test]
fn a_roll_to_more_workers_that_fails_keeps_the_number() {
    play_by(
        &[AUTO, THREE],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 prepared 2 by 1 => start 2 of 2
        200 ready 2 => welcome 2, drain 1, start 3 of 2 in 1
        250 exit 1 0
        300 exit 3 1 => 3 failed: exit 1, 7 failed in 2: exit 1 after 1 of 3
        300 idle
        500 reload 8 => prepare 3
        500 prepared 3 by 1 => start 4 of 3
        600 ready 4 => welcome 4, drain 2, start 5 of 3 in 1
        ",
    );
}

#[test]
fn what_was_scaled_to_is_not_undone_by_rules_that_say_what_they_said() {
    play_by(
        &[AUTO, THREE],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        50 scale 2 => start 2 of 1 in 1
        60 ready 2 => welcome 2
        100 reload 7 => prepare 2
        100 prepared 2 by 0 => start 3 of 2
        200 ready 3 => welcome 3, drain 1, start 4 of 2 in 1
        300 ready 4 => welcome 4, drain 2, 7 done by 2
        310 exit 1 0
        310 exit 2 0
        400 reload 8 => prepare 3
        400 prepared 3 by 1 => start 5 of 3
        500 scale 1
        600 ready 5 => welcome 5, drain 3, start 6 of 3 in 1
        700 ready 6 => welcome 6, drain 4, start 7 of 3 in 2
        800 ready 7 => welcome 7, 8 done by 3, drain 6, drain 7
        ",
    );
}

#[test]
fn a_stop_does_not_wait_for_what_a_reload_needs() {
    play_by(
        &[AUTO, OTHER],
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => prepare 2
        100 stop 15 => 7 superseded, forward 15 to 1
        101 prepared 2 by 1
        200 exit 1 0 => leave with 0
        ",
    );
}
