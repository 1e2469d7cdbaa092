//! Tasks, sleeps and locks.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use ostd::sync::{Mutex, Sleep, SpinLock, WaitError, WaitQueue};
use ostd::task::Task;

use super::Ground;

pub(super) fn tasks_take_turns_and_the_machine_stops_when_told(on: &Ground<'_>) {
    let turns = Arc::new(Mutex::new(Vec::new()));
    let left = Arc::new(AtomicU32::new(2));
    for name in ["a", "b"] {
        let (turns, left, handle) = (Arc::clone(&turns), Arc::clone(&left), on.machine.clone());
        on.spawn(name, move || {
            for _ in 0..2 {
                turns.lock().push(name);
                Task::yield_now();
            }
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                handle.stop();
            }
        });
    }
    on.run();
    let mut turns = core::mem::take(&mut *turns.lock());
    if on.machine.cpu_count() > 1 {
        turns.sort_unstable();
        assert_eq!(turns, ["a", "a", "b", "b"]);
    } else {
        assert_eq!(turns, ["a", "b", "a", "b"]);
    }
}

pub(super) fn a_sleep_ends_by_its_condition_by_an_interrupt_or_by_the_clock(on: &Ground<'_>) {
    let queue = Arc::new(WaitQueue::new());
    let flag = Arc::new(AtomicU32::new(0));
    let handle = on.machine.clone();
    let (q, f) = (Arc::clone(&queue), Arc::clone(&flag));
    on.spawn("sleeper", move || {
        let set = || (f.load(Ordering::SeqCst) == 1).then_some(());
        assert_eq!(q.wait_until(Sleep::uninterruptible(), set), Ok(()));
        let before = handle.monotonic_ns();
        let short = 3_000_000;
        let slept = q.wait_until(Sleep::interruptible().until(Some(before + short)), || None::<()>);
        assert_eq!(slept, Err(WaitError::TimedOut));
        assert!(handle.monotonic_ns() >= before + short);
        Task::current().expect("a task").interrupt();
        assert_eq!(q.wait_until(Sleep::interruptible(), || None::<()>), Err(WaitError::Interrupted));
        handle.stop();
    });
    on.spawn("waker", move || {
        flag.store(1, Ordering::SeqCst);
        // Nobody is there yet if the sleeper has seen the flag already.
        queue.wake_one();
    });
    on.run();
}

pub(super) fn contending_tasks_keep_a_mutex(on: &Ground<'_>) {
    let (sum, left) = (Arc::new(Mutex::new(0)), Arc::new(AtomicU32::new(8)));
    for _ in 0..8 {
        let (sum, left, handle) = (Arc::clone(&sum), Arc::clone(&left), on.machine.clone());
        on.spawn("adder", move || {
            for _ in 0..50 {
                let mut sum = sum.lock();
                let read = *sum;
                Task::yield_now();
                *sum = read + 1;
            }
            if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                handle.stop();
            }
        });
    }
    on.run();
    assert_eq!(*sum.lock(), 8 * 50);
}

/// A CPU that looks for something to run, finds nothing, and is told of something before it sleeps must not sleep over
/// it. The nap between two sleeps takes locks, each of them a safe point, so that the timer comes at every one of them.
pub(super) fn a_timer_that_fires_while_the_cpu_looks_for_work_is_not_slept_over(on: &Ground<'_>) {
    let handle = on.machine.clone();
    on.spawn("sleeper", move || {
        let lock = Mutex::new(0);
        for round in 0..200_u64 {
            for _ in 0..round % 11 {
                *lock.lock() += 1;
            }
            let soon = handle.monotonic_ns() + 20_000;
            let slept = WaitQueue::new().wait_until(Sleep::uninterruptible().until(Some(soon)), || None::<()>);
            assert_eq!(slept, Err(WaitError::TimedOut));
        }
        handle.stop();
    });
    // A deadlock, were a wake-up lost: nothing else is left to come.
    on.run();
}

pub(super) fn a_deadline_that_is_past_when_it_is_set_ends_the_sleep_all_the_same(on: &Ground<'_>) {
    let handle = on.machine.clone();
    on.spawn("sleeper", move || {
        for late in 0..50 {
            let past = handle.monotonic_ns().saturating_sub(late);
            let slept = WaitQueue::new().wait_until(Sleep::uninterruptible().until(Some(past)), || None::<()>);
            assert_eq!(slept, Err(WaitError::TimedOut));
        }
        handle.stop();
    });
    on.run();
}

pub(super) fn a_machine_that_was_told_to_stop_leaves_nobody_in_the_middle_of_a_turn(on: &Ground<'_>) {
    let ended = Arc::new(AtomicU32::new(0));
    let (handle, count) = (on.machine.clone(), Arc::clone(&ended));
    on.spawn("last", move || {
        handle.stop();
        // Each of these may leave the CPU to the other one, which sees that the machine is to stop.
        (0..100).for_each(|_| drop(SpinLock::new(()).lock()));
        count.fetch_add(1, Ordering::SeqCst);
    });
    on.run();
    assert_eq!((ended.load(Ordering::SeqCst), on.machine.task_count()), (1, 0));
}

pub(super) fn a_wake_up_of_all_reaches_everybody(on: &Ground<'_>) {
    let (queue, flag) = (Arc::new(WaitQueue::new()), Arc::new(AtomicU32::new(0)));
    let awake = Arc::new(AtomicU32::new(0));
    for _ in 0..5 {
        let (queue, flag, awake) = (Arc::clone(&queue), Arc::clone(&flag), Arc::clone(&awake));
        let handle = on.machine.clone();
        on.spawn("sleeper", move || {
            let set = || (flag.load(Ordering::SeqCst) == 1).then_some(());
            assert_eq!(queue.wait_until(Sleep::uninterruptible(), set), Ok(()));
            if awake.fetch_add(1, Ordering::SeqCst) == 4 {
                handle.stop();
            }
        });
    }
    on.spawn("waker", move || {
        Task::yield_now();
        flag.store(1, Ordering::SeqCst);
        queue.wake_all();
    });
    on.run();
    assert_eq!(awake.load(Ordering::SeqCst), 5);
}
