//! What follows when a worker ends by itself.

use super::{ALWAYS, AUTO, NEVER};
use crate::core::tests::script::play;

#[test]
fn a_worker_that_dies_is_started_again_at_once_then_later_and_later() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 signal 1 9 => restart 1 in 0, start 2 of 1
        110 ready 2 => welcome 2
        120 exit 2 1 => restart 1 in 109
        229 deadline => start 3 of 1
        230 exit 3 1 => 3 failed: exit 1, restart 1 in 206
        436 deadline => start 4 of 1
        450 ready 4 => welcome 4
        60450 exit 4 1 => restart 1 in 0, start 5 of 1
        ",
    );
}

#[test]
fn a_restart_that_hangs_is_killed_and_tried_again() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 signal 1 9 => restart 1 in 0, start 2 of 1
        60100 deadline => kill 2 NotReady, 2 failed: not ready, restart 1 in 109
        60101 signal 2 9
        60209 deadline => start 3 of 1
        ",
    );
}

#[test]
fn an_app_that_exits_0_by_itself_ends_the_service_with_0() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 0 => leave with 0
        ",
    );
}

#[test]
fn a_first_generation_that_never_gets_ready_ends_the_supervisor_with_its_status() {
    play(
        ALWAYS,
        "
        0 begin => start 1 of 1
        10 exit 1 42 => 1 failed: exit 42, leave with 42
        ",
    );
}

#[test]
fn a_first_generation_that_a_signal_ended_gives_128_and_the_signal() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        10 signal 1 11 => 1 failed: signal 11, leave with 139
        ",
    );
}

#[test]
fn a_first_program_that_cannot_be_executed_gives_1() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        10 missing 1 => 1 failed: missing, leave with 1
        ",
    );
}

#[test]
fn restart_never_ends_the_service_with_the_status_of_the_crash() {
    play(
        NEVER,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 signal 1 11 => leave with 139
        ",
    );
}

#[test]
fn restart_always_starts_again_even_after_exit_0() {
    play(
        ALWAYS,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 0 => restart 1 in 0, start 2 of 1
        ",
    );
}

#[test]
fn an_older_worker_that_still_drains_is_not_touched_by_a_crash_or_a_failed_reload() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        200 reload 8 => start 3 of 3
        230 exit 3 1 => 3 failed: exit 1, 8 failed in 3: exit 1
        220 signal 2 11 => restart 2 in 0, start 4 of 2
        230 ready 4 => welcome 4
        5000 exit 1 0
        5000 idle
        ",
    );
}

#[test]
fn the_service_ends_only_when_the_older_worker_has_drained() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        150 ready 2 => welcome 2, drain 1, 7 done by 2
        200 exit 2 0
        210 reload 8 => 8 superseded
        5000 exit 1 0 => leave with 0
        ",
    );
}

#[test]
fn a_crash_during_a_reload_is_healed_whatever_becomes_of_the_reload() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 signal 1 11 => restart 1 in 0, start 3 of 1
        120 ready 3 => welcome 3
        130 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1
        130 idle
        ",
    );
}

#[test]
fn a_reload_takes_the_place_of_a_crash_loop() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 1 => restart 1 in 0, start 2 of 1
        110 exit 2 1 => 2 failed: exit 1, restart 1 in 109
        120 reload 7 => start 3 of 2
        130 ready 3 => welcome 3, 7 done by 2
        219 timeout
        219 idle
        220 exit 3 1 => restart 2 in 0, start 4 of 2
        ",
    );
}

#[test]
fn a_reload_that_is_ready_when_the_restart_is_due_spares_the_restart() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        50 exit 1 1 => restart 1 in 0, start 2 of 1
        60 exit 2 1 => 2 failed: exit 1, restart 1 in 109
        60 reload 7 => start 3 of 2
        60 waiting 3
        310 timeout => welcome 3, 7 done by 2
        310 idle
        ",
    );
}

#[test]
fn a_reload_under_way_saves_a_service_whose_app_exits_0() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 exit 1 0
        120 ready 2 => welcome 2, 7 done by 2
        120 idle
        130 reload 8 => start 3 of 3
        ",
    );
}

#[test]
fn a_reload_that_fails_does_not_save_it() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 exit 1 0
        120 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1, leave with 0
        ",
    );
}

#[test]
fn the_supervisor_leaves_once_even_if_a_stop_comes_late() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 exit 1 0 => leave with 0
        101 stop 15
        102 reload 7 => 7 superseded
        ",
    );
}
