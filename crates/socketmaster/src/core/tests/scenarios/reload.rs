//! What a reload does, and what it leaves alone when it fails.

use std::time::Duration;

use super::AUTO;
use crate::core::Policy;
use crate::core::tests::script::play;

#[test]
fn a_reload_starts_the_new_and_stops_the_old_only_when_the_new_is_ready() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        160 signal 1 15
        160 idle
        ",
    );
}

#[test]
fn a_new_version_that_crashes_changes_nothing() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        150 signal 2 11 => 2 failed: signal 11, 7 failed in 2: signal 11
        150 idle
        ",
    );
}

#[test]
fn a_program_that_cannot_be_executed_changes_nothing_however_often_it_is_tried() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        101 missing 2 => 2 failed: missing, 7 failed in 2: missing
        200 reload 8 => start 3 of 3
        201 missing 3 => 3 failed: missing, 8 failed in 3: missing
        300 reload 9 => start 4 of 4
        310 ready 4 => welcome 4, drain 1, 9 done by 4
        ",
    );
}

#[test]
fn a_version_that_never_listens_is_told_to_stop_at_the_ready_timeout_and_then_killed() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        60100 deadline => withdraw 2, 2 failed: not ready, 7 failed in 2: not ready
        60101 ready 2
        60101 reload 8 => start 3 of 3
        60200 ready 3 => welcome 3, drain 1, 8 done by 3
        70100 deadline => kill 2 NotGone
        70101 signal 2 9
        70101 idle
        ",
    );
}

/// It may have accepted connections meanwhile, and gets as long for them as others do, if that is not long.
#[test]
fn what_was_not_ready_in_time_drains_no_longer_than_others() {
    let short = Policy {
        drain_timeout: Some(Duration::from_secs(3)),
        ..AUTO
    };
    play(
        short,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        60100 deadline => withdraw 2, 2 failed: not ready, 7 failed in 2: not ready
        63100 deadline => kill 2 NotGone
        ",
    );
}

#[test]
fn a_killed_worker_that_says_ready_is_not_believed() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        60100 deadline => kill 2 NotReady, 2 failed: not ready, 7 failed in 2: not ready
        60100 ready 2
        60101 signal 2 9
        ",
    );
}

#[test]
fn a_hundred_hups_during_a_reload_are_one_more() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        101 reload 8
        102 reload 9
        103 reload 10
        150 ready 2 => welcome 2, drain 1, 7 done by 2, start 3 of 3
        151 reload 11
        200 ready 3 => welcome 3, drain 2, 8 done by 3, 9 done by 3, 10 done by 3, start 4 of 4
        250 ready 4 => welcome 4, drain 3, 11 done by 4
        250 idle
        ",
    );
}

#[test]
fn a_hup_during_a_reload_that_fails_still_gets_its_own_try() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        101 reload 8
        150 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1, start 3 of 3
        200 ready 3 => welcome 3, drain 1, 8 done by 3
        ",
    );
}

#[test]
fn a_hup_during_the_very_first_start_is_one_reload_after_it() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 reload 7
        5 ready 1 => welcome 1, start 2 of 2
        9 ready 2 => welcome 2, drain 1, 7 done by 2
        ",
    );
}

#[test]
fn a_late_word_about_a_worker_that_is_gone_or_unknown_does_nothing() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1
        151 ready 2
        151 launched 2
        151 waiting 2
        151 blind 2
        151 exit 2 0
        151 ready 99
        151 exit 99 1
        151 idle
        ",
    );
}
