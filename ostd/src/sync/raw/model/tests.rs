//! What the model shows, and the mistakes that it is seen to catch.

use super::Threads::{Careless, Honest};
use super::{caught, explore, sound, without_acquire, without_fence, without_release};

/// What loom says where one thread does not see another's access, or two overlap.
const RACE: &str = "Causality violation";
/// What loom says where everybody sleeps.
const DEADLOCK: &str = "deadlock";

/// Asserts that the model reports `expected`.
#[track_caller]
fn sees(expected: &str, threads: impl Fn() + Sync + Send + 'static) {
    let said = caught(3, threads);
    assert!(said.contains(expected), "expected {expected}, but loom said: {said}");
}

mod spin {
    use super::super::sound::threads::spin::{Asks::Insisting, Asks::Once, write_in_turn};
    use super::super::{without_acquire, without_release};
    use super::{RACE, explore, sees};

    #[test]
    fn a_spin_lock_lets_one_in_at_a_time() {
        explore(3, || write_in_turn(&[Insisting, Insisting]));
        explore(3, || write_in_turn(&[Insisting, Once, Once]));
    }

    #[test]
    fn the_model_sees_a_spin_lock_without_its_orderings() {
        sees(RACE, || {
            use without_acquire::threads::spin::{Asks::Insisting, write_in_turn};
            write_in_turn(&[Insisting, Insisting]);
        });
        sees(RACE, || {
            use without_release::threads::spin::{Asks::Insisting, write_in_turn};
            write_in_turn(&[Insisting, Insisting]);
        });
    }
}

#[test]
fn a_mutex_lets_one_in_at_a_time_and_forgets_nobody() {
    explore(2, || sound::threads::mutex::write_once_each(3, Honest));
    explore(3, sound::threads::mutex::write_if_free);
}

#[test]
fn the_model_sees_a_mutex_without_its_orderings() {
    sees(RACE, || without_acquire::threads::mutex::write_once_each(2, Honest));
    sees(RACE, || without_release::threads::mutex::write_once_each(2, Honest));
}

#[test]
fn the_model_sees_a_mutex_whose_waiters_check_before_they_queue() {
    sees(DEADLOCK, || sound::threads::mutex::write_once_each(2, Careless));
}

mod rwlock {
    use super::super::sound::threads::rwlock::{Does, read_and_write};
    use super::super::{without_acquire, without_release};
    use super::{Careless, DEADLOCK, Honest, RACE, explore, sees};

    #[test]
    fn a_writer_is_alone_and_nobody_is_forgotten() {
        explore(2, || read_and_write(&[Does::Write, Does::Write, Does::Read], Honest));
        explore(2, || read_and_write(&[Does::Write, Does::Read, Does::Read], Honest));
        explore(2, || read_and_write(&[Does::Write, Does::Write, Does::Write], Honest));
    }

    #[test]
    fn the_model_sees_a_lock_without_its_orderings() {
        sees(RACE, || {
            use without_acquire::threads::rwlock::{Does, read_and_write};
            read_and_write(&[Does::Write, Does::Read], Honest);
        });
        sees(RACE, || {
            use without_release::threads::rwlock::{Does, read_and_write};
            read_and_write(&[Does::Write, Does::Read], Honest);
        });
    }

    #[test]
    fn the_model_sees_readers_that_are_not_all_woken() {
        sees(DEADLOCK, || read_and_write(&[Does::Write, Does::Read, Does::Read], Careless));
    }
}

#[test]
fn everybody_in_a_queue_gets_the_wake_up_that_is_due() {
    explore(2, sound::threads::queue::two_wait_for_two_tokens);
}

#[test]
fn a_wake_up_that_falls_to_one_who_gives_up_goes_to_the_next() {
    explore(2, || sound::threads::queue::one_gives_up(Honest));
}

#[test]
fn exactly_one_of_waking_and_giving_up_wins() {
    explore(3, sound::threads::queue::wake_or_give_up);
}

#[test]
fn the_model_sees_a_wake_up_that_is_not_passed_on() {
    sees(DEADLOCK, || sound::threads::queue::one_gives_up(Careless));
}

#[test]
fn the_model_sees_a_place_without_its_orderings() {
    sees(RACE, without_acquire::threads::queue::wake_or_give_up);
    sees(RACE, without_release::threads::queue::wake_or_give_up);
}

#[test]
fn who_waits_sees_the_condition_or_is_seen_by_the_waker() {
    explore(3, sound::threads::headcount::enter_or_be_seen);
}

#[test]
fn the_model_sees_a_headcount_without_its_fences() {
    sees("a wake-up was lost", without_fence::threads::headcount::enter_or_be_seen);
}

#[test]
fn a_sleeper_is_enqueued_once_per_sleep_and_never_forgotten() {
    explore(3, || sound::threads::waiter::sleep_until_both_flags_are_set(Honest));
}

#[test]
fn an_unparked_task_sees_what_the_waker_wrote() {
    explore(3, sound::threads::waiter::bring_what_the_waker_wrote);
}

#[test]
fn the_model_sees_a_context_that_is_run_before_it_is_saved() {
    sees(RACE, || without_acquire::threads::waiter::sleep_until_both_flags_are_set(Honest));
    sees(RACE, || without_release::threads::waiter::sleep_until_both_flags_are_set(Honest));
}

#[test]
fn the_model_sees_an_unpark_that_brings_nothing() {
    sees(RACE, without_acquire::threads::waiter::bring_what_the_waker_wrote);
    sees(RACE, without_release::threads::waiter::bring_what_the_waker_wrote);
}

#[test]
fn the_model_sees_a_cpu_that_forgets_a_task_woken_while_it_fell_asleep() {
    sees("a wake-up was lost", || sound::threads::waiter::sleep_until_both_flags_are_set(Careless));
}
