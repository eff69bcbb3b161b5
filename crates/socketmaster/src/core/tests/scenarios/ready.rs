//! When a worker counts as ready.

use std::time::Duration;

use super::{AUTO, BOUNDED, NOTIFY, TIMER};
use crate::core::tests::script::play;
use crate::core::{Policy, Sign};

#[test]
fn ready_1_counts_at_once() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        5 idle
        ",
    );
}

#[test]
fn a_worker_seen_waiting_is_ready_when_it_has_lived_through_the_settle_time() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 waiting 1
        200 waiting 1
        259 timeout
        260 deadline => welcome 1
        ",
    );
}

#[test]
fn a_worker_that_no_longer_waits_must_settle_again() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 waiting 1
        100 busy 1
        300 timeout
        400 waiting 1
        650 deadline => welcome 1
        ",
    );
}

#[test]
fn a_worker_that_listens_and_dies_in_the_settle_time_is_a_failed_reload() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        120 waiting 2
        220 exit 2 1 => 2 failed: exit 1, 7 failed in 2: exit 1
        370 timeout
        370 idle
        ",
    );
}

#[test]
fn where_nothing_can_be_seen_three_seconds_of_life_decide() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        100 launched 1
        110 blind 1
        3099 timeout
        3100 deadline => welcome 1
        ",
    );
}

#[test]
fn a_passing_helper_that_cannot_be_looked_at_does_not_make_time_decide_for_good() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        100 launched 1
        110 blind 1
        900 sighted 1
        3100 timeout
        60000 deadline => withdraw 1, 1 failed: not ready
        60001 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn a_program_that_was_never_executed_does_not_become_ready_by_living_unseen() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        10 blind 1
        3010 timeout
        60000 deadline => kill 1 NotReady, 1 failed: not ready
        60001 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn a_ready_timeout_shorter_than_the_wait_for_the_unseen_does_not_fail_every_reload() {
    play(
        Policy {
            ready_timeout: Duration::from_secs(2),
            ..AUTO
        },
        "
        0 begin => start 1 of 1
        100 launched 1
        110 blind 1
        2000 timeout
        3100 deadline => welcome 1
        ",
    );
}

#[test]
fn with_a_timer_it_counts_that_the_worker_lives_when_it_is_over() {
    play(
        TIMER,
        "
        0 begin => start 1 of 1
        100 launched 1
        200 waiting 1
        3100 deadline => welcome 1
        3100 idle
        ",
    );
}

#[test]
fn a_timer_longer_than_the_ready_timeout_is_what_was_asked_for() {
    play(
        Policy {
            sign: Sign::Life(Duration::from_secs(90)),
            ..AUTO
        },
        "
        0 begin => start 1 of 1
        100 launched 1
        60000 timeout
        90100 deadline => welcome 1
        ",
    );
}

#[test]
fn a_timer_of_zero_is_ready_as_soon_as_it_runs() {
    play(
        Policy {
            sign: Sign::Life(Duration::ZERO),
            ..AUTO
        },
        "
        0 begin => start 1 of 1
        100 launched 1
        100 deadline => welcome 1
        ",
    );
}

#[test]
fn a_timer_starts_when_the_program_runs() {
    play(
        TIMER,
        "
        0 begin => start 1 of 1
        3500 timeout
        4000 launched 1
        7000 deadline => welcome 1
        ",
    );
}

#[test]
fn who_waits_for_a_word_sees_nothing_in_it_that_the_program_waits() {
    play(
        NOTIFY,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 waiting 1
        20 blind 1
        5000 timeout
        9000 ready 1 => welcome 1
        9000 idle
        ",
    );
    play(
        NOTIFY,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 waiting 1
        60000 deadline => withdraw 1, 1 failed: not ready
        ",
    );
}

#[test]
fn who_asks_for_time_has_it_and_no_less_than_without_asking() {
    play(
        NOTIFY,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 extend 1 20000
        50000 extend 1 30000
        50001 extend 1 10000
        60000 timeout
        60001 upgrade
        80000 deadline => withdraw 1, 1 failed: not ready
        ",
    );
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        10 extend 1 1000
        20 extend 9 1000000
        60000 deadline => withdraw 1, 1 failed: not ready
        60000 extend 1 20000
        70000 deadline => kill 1 NotGone
        70001 signal 1 9 => leave with 137
        ",
    );
}

#[test]
fn the_time_asked_for_ends_with_the_start() {
    play(
        BOUNDED,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        6 extend 1 1000000
        100 reload 7 => start 2 of 2
        110 launched 2
        120 extend 2 1000000
        200 stop 15 => 7 superseded, forward 15 to 1, forward 15 to 2
        10200 deadline => kill 1 NotGone, kill 2 NotGone
        10200 idle
        ",
    );
}
