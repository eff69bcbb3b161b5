//! Several workers: how they start, how a reload replaces them, and what their ends mean.

use std::time::Duration;

use super::{ALWAYS, AUTO, BOUNDED, NEVER};
use crate::core::Policy;
use crate::core::tests::script::play;

const THREE: Policy = Policy { workers: 3, ..AUTO };
const ALL: Policy = Policy {
    step: u32::MAX,
    ..THREE
};

#[test]
fn all_start_at_once_and_a_reload_replaces_one_after_the_other() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 2 => welcome 2
        6 ready 1 => welcome 1
        7 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, drain 1, start 5 of 2 in 1
        111 exit 1 0
        120 ready 5 => welcome 5, drain 2, start 6 of 2 in 2
        130 ready 6 => welcome 6, drain 3, 7 done by 2
        130 idle
        ",
    );
}

#[test]
fn the_first_that_fails_stops_the_roll_and_the_rest_stays_as_it_was() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, drain 1, start 5 of 2 in 1
        120 exit 5 1 => 5 failed: exit 1, 7 failed in 2: exit 1 after 1 of 3
        120 idle
        200 exit 4 1 => restart 2 in 0, start 6 of 2
        210 exit 2 1 => restart 1 in 0, start 7 of 1 in 1
        220 ready 6 => welcome 6
        230 ready 7 => welcome 7
        300 reload 8 => start 8 of 3
        310 ready 8 => welcome 8, drain 6, start 9 of 3 in 1
        320 ready 9 => welcome 9, drain 7, start 10 of 3 in 2
        330 ready 10 => welcome 10, drain 3, 8 done by 3
        ",
    );
}

#[test]
fn a_larger_surge_replaces_some_at_a_time() {
    play(
        Policy { step: 2, ..THREE },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1
        110 ready 5 => welcome 5
        120 ready 4 => welcome 4, drain 1, drain 2, start 6 of 2 in 2
        130 ready 6 => welcome 6, drain 3, 7 done by 2
        ",
    );
}

#[test]
fn all_at_once_stops_the_old_when_the_last_new_one_is_ready() {
    play(
        ALL,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1, start 6 of 2 in 2
        110 ready 5 => welcome 5
        120 ready 4 => welcome 4
        130 ready 6 => welcome 6, drain 1, drain 2, drain 3, 7 done by 2
        ",
    );
}

/// One whose program runs may have accepted connections and finishes them, the other is killed.
#[test]
fn all_at_once_withdraws_all_when_one_fails() {
    play(
        ALL,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1, start 6 of 2 in 2
        110 ready 4 => welcome 4
        115 launched 5
        120 exit 5 1 => 5 failed: exit 1, withdraw 4, kill 6 Withdrawn, 7 failed in 2: exit 1
        121 signal 6 9
        122 exit 4 0
        122 idle
        200 reload 8 => start 7 of 3, start 8 of 3 in 1, start 9 of 3 in 2
        210 launched 8
        215 ready 7 => welcome 7
        220 exit 7 0 => 7 failed: did not last, exit 0, withdraw 8, kill 9 Withdrawn, 8 failed in 3: did not last, exit 0
        10220 deadline => kill 8 NotGone
        ",
    );
}

/// Both have the same ready timeout; the failure is told once.
#[test]
fn a_step_that_is_not_ready_in_time_fails_once() {
    play(
        Policy {
            step: 2,
            ..BOUNDED_THREE
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1
        110 launched 4
        60100 deadline => withdraw 4, 4 failed: not ready, kill 5 Withdrawn, 7 failed in 2: not ready
        70100 deadline => kill 4 NotGone
        ",
    );
}

const BOUNDED_THREE: Policy = Policy {
    workers: 3,
    ..BOUNDED
};

#[test]
fn a_first_generation_of_which_one_fails_ends_the_service() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        10 exit 2 7 => 2 failed: exit 7, withdraw 1, kill 3 Withdrawn
        11 reload 7 => 7 superseded
        12 signal 3 9
        20 exit 1 0 => leave with 7
        ",
    );
}

#[test]
fn where_programs_bind_for_themselves_the_first_goes_ahead() {
    play(
        Policy {
            first_alone: true,
            ..THREE
        },
        "
        0 begin => start 1 of 1
        1 reload 7
        5 ready 1 => welcome 1, start 2 of 1 in 1, start 3 of 1 in 2
        6 ready 3 => welcome 3
        7 ready 2 => welcome 2, start 4 of 2
        8 ready 4 => welcome 4, drain 1, start 5 of 2 in 1
        9 exit 5 1 => 5 failed: exit 1, 7 failed in 2: exit 1 after 1 of 3
        ",
    );
}

/// A new version may bind what the old one has not.
#[test]
fn where_programs_bind_for_themselves_the_first_of_a_reload_goes_ahead_of_its_step() {
    let all = Policy {
        first_alone: true,
        step: u32::MAX,
        bake: Duration::from_secs(1),
        ..THREE
    };
    play(
        all,
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1, start 2 of 1 in 1, start 3 of 1 in 2
        6 ready 2 => welcome 2
        6 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, start 5 of 2 in 1, start 6 of 2 in 2
        120 ready 5 => welcome 5
        130 ready 6 => welcome 6
        1130 deadline => drain 1, drain 2, drain 3, 7 done by 2
        1140 exit 1 0
        1140 exit 2 0
        1140 exit 3 0
        2000 reload 8 => start 7 of 3
        2010 exit 7 1 => 7 failed: exit 1, 8 failed in 3: exit 1
        ",
    );
    play(
        Policy {
            step: 2,
            bake: Duration::ZERO,
            ..all
        },
        "
        0 begin => start 1 of 1
        5 ready 1 => welcome 1, start 2 of 1 in 1, start 3 of 1 in 2
        6 ready 2 => welcome 2
        6 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, start 5 of 2 in 1
        120 ready 5 => welcome 5, drain 1, drain 2, start 6 of 2 in 2
        ",
    );
}

#[test]
fn one_that_dies_is_started_again_in_its_slot_and_the_others_do_not_wait_longer_for_it() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 signal 2 9 => restart 1 in 0, start 4 of 1 in 1
        110 exit 4 1 => 4 failed: exit 1, restart 1 in 83
        120 signal 3 9 => restart 1 in 0, start 5 of 1 in 2
        193 deadline => start 6 of 1 in 1
        ",
    );
}

#[test]
fn exit_0_empties_the_slot_and_the_last_one_ends_the_service() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 exit 1 0
        110 exit 3 0
        111 idle
        120 exit 2 0 => leave with 0
        ",
    );
}

#[test]
fn what_is_empty_is_filled_by_the_next_reload() {
    play(
        Policy { workers: 2, ..AUTO },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 exit 1 0
        110 reload 7 => start 3 of 2
        120 ready 3 => welcome 3, start 4 of 2 in 1
        130 ready 4 => welcome 4, drain 2, 7 done by 2
        ",
    );
}

#[test]
fn with_restart_never_the_highest_status_is_the_services() {
    play(
        Policy {
            workers: 2,
            ..NEVER
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 signal 1 11
        110 exit 2 3 => leave with 139
        ",
    );
}

/// What shows that the new version is no good is not for the other slots to find out.
#[test]
fn a_worker_that_has_taken_over_and_crashes_stops_the_roll() {
    play(
        Policy {
            workers: 3,
            ..ALWAYS
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, drain 1, start 5 of 2 in 1
        115 launched 5
        120 exit 4 3 => 4 failed: did not last, exit 3, restart 2 in 0, withdraw 5, 7 failed in 2: did not last, exit 3 after 1 of 3, start 6 of 2
        121 exit 1 0
        122 exit 5 0
        130 exit 6 3 => 6 failed: exit 3, restart 2 in 109
        ",
    );
}

#[test]
fn a_worker_that_has_taken_over_and_leaves_does_not_stop_the_roll_but_one_that_does_not_come_again_does()
 {
    play(
        Policy {
            workers: 2,
            ..ALWAYS
        },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        100 reload 7 => start 3 of 2
        110 ready 3 => welcome 3, drain 1, start 4 of 2 in 1
        120 exit 3 0 => restart 2 in 0, start 5 of 2
        130 exit 5 1 => 5 failed: exit 1, restart 2 in 109, kill 4 Withdrawn, 7 failed in 2: exit 1 after 1 of 2
        239 deadline => start 6 of 2
        ",
    );
}

#[test]
fn a_stop_in_the_middle_of_a_roll_wins() {
    play(
        THREE,
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2
        110 ready 4 => welcome 4, drain 1, start 5 of 2 in 1
        120 stop 15 => 7 superseded, forward 15 to 2, forward 15 to 3, forward 15 to 4, forward 15 to 5
        121 ready 5
        130 exit 1 0
        130 exit 2 0
        130 exit 3 0
        130 exit 4 0
        130 exit 5 0 => leave with 0
        ",
    );
}

#[test]
fn an_upgrade_in_the_middle_of_a_roll_goes_on_with_it() {
    play(
        Policy { step: 2, ..THREE },
        "
        0 begin => start 1 of 1, start 2 of 1 in 1, start 3 of 1 in 2
        5 ready 1 => welcome 1
        5 ready 2 => welcome 2
        5 ready 3 => welcome 3
        100 reload 7 => start 4 of 2, start 5 of 2 in 1
        110 ready 5 => welcome 5
        111 upgrade
        120 ready 4 => welcome 4, drain 1, drain 2, start 6 of 2 in 2
        121 upgrade
        130 exit 6 1 => 6 failed: exit 1, 7 failed in 2: exit 1 after 2 of 3
        131 upgrade
        140 signal 3 9 => restart 1 in 0, start 7 of 1 in 2
        ",
    );
}
