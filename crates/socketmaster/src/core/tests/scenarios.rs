//! What the core decides, as scripts: `milliseconds event => the actions, in order`.
//!
//! `deadline` is a timeout that also asserts that the core asked to be woken then; `timeout` comes unasked; `idle`
//! asserts that no wake-up is wanted; `upgrade` goes on with the state as another program reads it.

use std::time::Duration;

use super::script::play;
use crate::config::{Readiness, Restart};
use crate::core::Policy;

const AUTO: Policy = Policy {
    readiness: Readiness::Auto {
        settle: Duration::from_millis(250),
    },
    ready_timeout: Duration::from_secs(60),
    drain_timeout: None,
    kill_timeout: None,
    stop_signal: 15,
    restart: Restart::OnFailure,
    seed: 0,
};
const TIMER: Policy = Policy {
    readiness: Readiness::Timer(Duration::from_secs(3)),
    ..AUTO
};
const BOUNDED: Policy = Policy {
    drain_timeout: Some(Duration::from_secs(30)),
    kill_timeout: Some(Duration::from_secs(10)),
    ..AUTO
};
const NEVER: Policy = Policy {
    restart: Restart::Never,
    ..AUTO
};
const ALWAYS: Policy = Policy {
    restart: Restart::Always,
    ..AUTO
};

// Ready (item 4)

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
            readiness: Readiness::Timer(Duration::from_secs(90)),
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
            readiness: Readiness::Timer(Duration::ZERO),
            ..AUTO
        },
        "
        0 begin => start 1 of 1
        100 launched 1
        100 deadline => welcome 1
        ",
    );
}

// Reload (item 5)

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
fn a_version_that_never_listens_is_killed_at_the_ready_timeout() {
    play(
        AUTO,
        "
        0 begin => start 1 of 1
        1 launched 1
        5 ready 1 => welcome 1
        100 reload 7 => start 2 of 2
        110 launched 2
        60100 deadline => kill 2 NotReady, 2 failed: not ready, 7 failed in 2: not ready
        60101 signal 2 9
        60101 idle
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

// Drain and stop (item 6)

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
        28000 stop 15 => forward 15 to 1, forward 15 to 2
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

// Crash (item 7)

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

// Upgrade (item 8)

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
