//! Futexes: who is woken, by which key, for how long, and what the dead leave.

use kernel_abi::flags::{
    FUTEX_BITSET_MATCH_ANY, FUTEX_OP_ADD, FUTEX_OP_ANDN, FUTEX_OP_CMP_EQ, FUTEX_OP_CMP_GE, FUTEX_OP_CMP_GT,
    FUTEX_OP_CMP_LE, FUTEX_OP_CMP_LT, FUTEX_OP_CMP_NE, FUTEX_OP_OPARG_SHIFT, FUTEX_OP_OR, FUTEX_OP_SET, FUTEX_OP_XOR,
    FUTEX_OWNER_DIED, FUTEX_WAITERS, FutexOp, MapFlags, ProtFlags,
};
use kernel_abi::structs::{RobustListHead, Timespec, status_exited};
use kernel_abi::{Calls, Errno, Fd, Result, Sys};

use super::Outcome;
use super::file::create;
use super::memory::{PAGE, RW, map_shared};
use super::process::wait;
use super::thread::{join, start};
use super::time::now;

cases! { "futex":
    a_wake_counts_whom_it_wakes, a_wake_of_other_bits_wakes_nobody, waiters_are_moved, a_move_that_came_too_late,
    an_operation_changes_the_second_word, an_operation_wakes_at_both_words, every_question_about_a_word, what_an_operation_refuses,
    a_time_that_has_been_is_no_wait, waiting_until_a_time, what_a_wait_refuses, unknown_operations,
    private_and_shared_waiters_do_not_meet, one_file_at_two_addresses_is_one_futex, the_dead_let_go_of_their_locks,
    the_dead_let_go_of_what_they_were_taking, a_live_owners_locks_are_left_alone, a_list_has_a_length,
    the_word_may_be_anything_but_what_it_was, what_is_private_works_alike, a_private_wait_has_its_bits_and_times,
    private_waiters_are_moved, a_word_that_is_only_run_is_no_shared_futex,
}

/// The futex word of a case; its waiters' answers follow.
pub(super) const WORD: usize = 0x400;
const ANSWERS: usize = 0x500;
pub(super) const UNSET: isize = -1;

pub(super) fn wake(sys: &dyn Sys, word: usize, count: i32) -> Result {
    sys.futex(word, FutexOp::FUTEX_WAKE, count, 0, 0, 0)
}

/// Waits at the word at `packed / 8` offsets of 8 with the operation there; leaves the answer.
fn waits_once(sys: &dyn Sys, number: usize) -> i32 {
    let at = sys.page() + ANSWERS + 32 * number;
    let [word, op, bits]: [usize; 3] = sys.load(at + 8);
    let answer = sys.futex(word, FutexOp(op as u32), 0, 0, 0, bits as u32);
    let answer = answer.map_or_else(|errno| -(errno.number() as isize) - 1, |value| value as isize);
    sys.store(at, &answer);
    0
}

/// Starts a thread that waits.
fn waiter(sys: &dyn Sys, number: usize, word: usize, op: FutexOp, bits: u32) -> Result<()> {
    let at = sys.page() + ANSWERS + 32 * number;
    sys.store(at, &UNSET);
    sys.store(at + 8, &[word, op.0 as usize, bits as usize]);
    start(sys, number, waits_once, number)?;
    Ok(())
}

fn answer(sys: &dyn Sys, number: usize) -> isize {
    join(sys, number);
    sys.load(sys.page() + ANSWERS + 32 * number)
}

/// Makes a call until it has counted `count`: its waiters may still be on their way.
pub(super) fn until(sys: &dyn Sys, count: usize, call: impl Fn() -> Result) -> Result<()> {
    let mut counted = 0;
    while counted < count {
        counted += call()?;
        sys.sched_yield()?;
    }
    assert_eq!(counted, count);
    Ok(())
}

fn a_wake_counts_whom_it_wakes(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    for number in 0..3 {
        waiter(sys, number, word, FutexOp::FUTEX_WAIT, 0)?;
    }
    until(sys, 2, || wake(sys, word, 1))?;
    until(sys, 1, || wake(sys, word, i32::MAX))?;
    assert_eq!([0, 1, 2].map(|number| answer(sys, number)), [0; 3]);
    assert_eq!(wake(sys, word, i32::MAX)?, 0);
    Ok(())
}

fn a_wake_of_other_bits_wakes_nobody(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    let wake_bits = |bits: u32| sys.futex(word, FutexOp::FUTEX_WAKE_BITSET, i32::MAX, 0, 0, bits);
    waiter(sys, 0, word, FutexOp::FUTEX_WAIT_BITSET, 0b0110)?;
    waiter(sys, 1, word, FutexOp::FUTEX_WAIT_BITSET, 0b1000)?;
    until(sys, 1, || wake_bits(0b1000))?;
    assert_eq!(answer(sys, 1), 0);
    until(sys, 1, || {
        assert_eq!(wake_bits(0b1001)?, 0);
        wake_bits(0b0011)
    })?;
    assert_eq!(answer(sys, 0), 0);
    // Who waits without bits waits with all.
    waiter(sys, 0, word, FutexOp::FUTEX_WAIT, 0)?;
    until(sys, 1, || wake_bits(1 << 31))?;
    assert_eq!(answer(sys, 0), 0);
    assert_eq!(wake_bits(0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAIT_BITSET, 0, 0, 0, 0), Err(Errno::EINVAL));
    Ok(())
}

fn waiters_are_moved(sys: &dyn Sys) -> Outcome {
    let (from, to) = (sys.page() + WORD, sys.page() + WORD + 8);
    for number in 0..3 {
        waiter(sys, number, from, FutexOp::FUTEX_WAIT, 0)?;
    }
    // None woken and any number moved: counted as they come.
    until(sys, 3, || sys.futex(from, FutexOp::FUTEX_CMP_REQUEUE, 0, i32::MAX, to, 0))?;
    assert_eq!(wake(sys, from, i32::MAX)?, 0);
    assert_eq!(sys.futex(to, FutexOp::FUTEX_REQUEUE, 1, 1, from, 0)?, 2);
    assert_eq!(wake(sys, from, i32::MAX)?, 1);
    assert_eq!(wake(sys, to, i32::MAX)?, 1);
    assert_eq!([0, 1, 2].map(|number| answer(sys, number)), [0; 3]);
    Ok(())
}

fn a_move_that_came_too_late(sys: &dyn Sys) -> Outcome {
    let (from, to) = (sys.page() + WORD, sys.page() + WORD + 8);
    assert_eq!(sys.futex(from, FutexOp::FUTEX_CMP_REQUEUE, 1, 1, to, 5), Err(Errno::EAGAIN));
    assert_eq!(sys.futex(from, FutexOp::FUTEX_CMP_REQUEUE, 1, 1, to, 0)?, 0);
    assert_eq!(sys.futex(from, FutexOp::FUTEX_CMP_REQUEUE, -1, 1, to, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(from, FutexOp::FUTEX_REQUEUE, 1, -1_i64, to, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(from, FutexOp::FUTEX_REQUEUE, 1, 1, to + 1, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(from, FutexOp::FUTEX_REQUEUE, 1, 1, 8, 0), Err(Errno::EFAULT));
    Ok(())
}

/// `FUTEX_OP`: what is done with the second word, and when its waiters are woken.
fn operation(op: u32, argument: u32, compare: u32, with: u32) -> u32 {
    op << 28 | compare << 24 | (argument & 0xfff) << 12 | with & 0xfff
}

fn an_operation_changes_the_second_word(sys: &dyn Sys) -> Outcome {
    let (first, second) = (sys.page() + WORD, sys.page() + WORD + 8);
    let done = |op, argument| {
        sys.store(second, &0b1100_u32);
        let encoded = operation(op, argument, FUTEX_OP_CMP_EQ, 0);
        assert_eq!(sys.futex(first, FutexOp::FUTEX_WAKE_OP, 1, 1, second, encoded)?, 0);
        Ok::<u32, Errno>(sys.load(second))
    };
    assert_eq!(done(FUTEX_OP_SET, 7)?, 7);
    assert_eq!(done(FUTEX_OP_ADD, 3)?, 15);
    assert_eq!(done(FUTEX_OP_OR, 0b0110)?, 0b1110);
    assert_eq!(done(FUTEX_OP_ANDN, 0b0110)?, 0b1000);
    assert_eq!(done(FUTEX_OP_XOR, 0b0110)?, 0b1010);
    // The argument is signed, or a place of a bit.
    assert_eq!(done(FUTEX_OP_ADD, 0xfff)?, 0b1011);
    assert_eq!(done(FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 5)?, 0b10_1100);
    Ok(())
}

fn an_operation_wakes_at_both_words(sys: &dyn Sys) -> Outcome {
    let (first, second) = (sys.page() + WORD, sys.page() + WORD + 8);
    waiter(sys, 0, first, FutexOp::FUTEX_WAIT, 0)?;
    waiter(sys, 1, second, FutexOp::FUTEX_WAIT, 0)?;
    // The word was zero, which is not more than zero: the second stays.
    let stays = operation(FUTEX_OP_SET, 0, FUTEX_OP_CMP_GT, 0);
    until(sys, 1, || sys.futex(first, FutexOp::FUTEX_WAKE_OP, 9, 9, second, stays))?;
    assert_eq!(answer(sys, 0), 0);
    let wakes = operation(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0);
    until(sys, 1, || sys.futex(first, FutexOp::FUTEX_WAKE_OP, 9, 9, second, wakes))?;
    assert_eq!(answer(sys, 1), 0);
    Ok(())
}

fn every_question_about_a_word(sys: &dyn Sys) -> Outcome {
    const MINUS_ONE: u32 = 0xfff;
    let (first, second) = (sys.page() + WORD, sys.page() + WORD + 8);
    // What it was is zero: with what that question says yes, and with what it says no.
    let questions = [
        (FUTEX_OP_CMP_EQ, 0, 1),
        (FUTEX_OP_CMP_NE, 1, 0),
        (FUTEX_OP_CMP_LT, 1, 0),
        (FUTEX_OP_CMP_LE, 0, MINUS_ONE),
        (FUTEX_OP_CMP_GT, MINUS_ONE, 0),
        (FUTEX_OP_CMP_GE, 0, 1),
    ];
    let ask = |question, with| {
        sys.futex(first, FutexOp::FUTEX_WAKE_OP, 1, 1, second, operation(FUTEX_OP_SET, 0, question, with))
    };
    for (question, yes, no) in questions {
        waiter(sys, 0, second, FutexOp::FUTEX_WAIT, 0)?;
        until(sys, 1, || {
            assert_eq!(ask(question, no)?, 0, "{question}");
            ask(question, yes)
        })?;
        assert_eq!(answer(sys, 0), 0);
    }
    Ok(())
}

fn what_an_operation_refuses(sys: &dyn Sys) -> Outcome {
    let (first, second) = (sys.page() + WORD, sys.page() + WORD + 8);
    let call = |second: usize, encoded| sys.futex(first, FutexOp::FUTEX_WAKE_OP, 1, 1, second, encoded);
    assert_eq!(call(second, operation(7, 0, 0, 0)), Err(Errno::ENOSYS));
    assert_eq!(call(second, operation(0, 0, 9, 0)), Err(Errno::ENOSYS));
    assert_eq!(call(second + 1, 0), Err(Errno::EINVAL));
    assert_eq!(call(8, 0), Err(Errno::EFAULT));
    Ok(())
}

fn a_time_that_has_been_is_no_wait(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    let past = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1 });
    for op in [FutexOp::FUTEX_WAIT_BITSET, FutexOp::FUTEX_WAIT_BITSET_CLOCK_REALTIME, FutexOp::FUTEX_WAIT] {
        let waited = sys.futex(word, op, 0, past, 0, FUTEX_BITSET_MATCH_ANY);
        assert_eq!(waited, Err(Errno::ETIMEDOUT));
    }
    let zero = sys.store(sys.page() + 64, &Timespec::default());
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAIT, 0, zero, 0, 0), Err(Errno::ETIMEDOUT));
    // What is in the word counts first.
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAIT, 1, zero, 0, 0), Err(Errno::EAGAIN));
    Ok(())
}

fn waiting_until_a_time(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    let until = now(sys)? + 3_000_000;
    let at = sys.store(sys.page() + 64, &Timespec::from_ns(until));
    let waited = sys.futex(word, FutexOp::FUTEX_WAIT_BITSET_PRIVATE, 0, at, 0, FUTEX_BITSET_MATCH_ANY);
    assert_eq!(waited, Err(Errno::ETIMEDOUT));
    assert!(now(sys)? >= until);
    let before = now(sys)?;
    let span = sys.store(sys.page() + 64, &Timespec::from_ns(3_000_000));
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAIT_PRIVATE, 0, span, 0, 0), Err(Errno::ETIMEDOUT));
    assert!(now(sys)? >= before + 3_000_000);
    sys.clock_gettime(kernel_abi::flags::ClockId::CLOCK_REALTIME, sys.page() + 64)?;
    let day = sys.load::<Timespec>(sys.page() + 64).to_ns().expect("after 1970");
    let at = sys.store(sys.page() + 64, &Timespec::from_ns(day + 3_000_000));
    let waited = sys.futex(word, FutexOp::FUTEX_WAIT_BITSET_CLOCK_REALTIME, 0, at, 0, FUTEX_BITSET_MATCH_ANY);
    assert_eq!(waited, Err(Errno::ETIMEDOUT));
    Ok(())
}

fn what_a_wait_refuses(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    let wait = FutexOp::FUTEX_WAIT;
    // The time is looked at before the word.
    assert_eq!(sys.futex(8, wait, 0, bad, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(word, wait, 5, 8, 0, 0), Err(Errno::EFAULT));
    let negative = sys.store(sys.page() + 64, &Timespec { tv_sec: -1, tv_nsec: 0 });
    assert_eq!(sys.futex(word, wait, 0, negative, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(word + 2, wait, 0, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(usize::MAX - 3, wait, 0, 0, 0, 0), Err(Errno::EFAULT));
    assert_eq!(wake(sys, word + 2, 1), Err(Errno::EINVAL));
    // Nobody waits where there is nothing; for others to see there must be memory.
    assert_eq!(sys.futex(8, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?, 0);
    assert_eq!(wake(sys, 8, 1), Err(Errno::EFAULT));
    Ok(())
}

fn unknown_operations(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    for op in [FutexOp::FUTEX_FD, FutexOp(77), FutexOp(FutexOp::FUTEX_WAKE.0 | FutexOp::FUTEX_CLOCK_REALTIME.0)] {
        assert_eq!(sys.futex(word, op, 1, 0, 0, 0), Err(Errno::ENOSYS));
    }
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAIT_CLOCK_REALTIME, 1, 0, 0, 0), Err(Errno::ENOSYS));
    Ok(())
}

fn private_and_shared_waiters_do_not_meet(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    waiter(sys, 0, word, FutexOp::FUTEX_WAIT, 0)?;
    until(sys, 1, || {
        assert_eq!(sys.futex(word, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?, 0);
        wake(sys, word, 1)
    })?;
    assert_eq!(answer(sys, 0), 0);
    Ok(())
}

fn one_file_at_two_addresses_is_one_futex(sys: &dyn Sys) -> Outcome {
    let file = create(sys, "file")?;
    sys.ftruncate(file, 2 * PAGE)?;
    let here = sys.mmap(0, PAGE, RW, MapFlags::MAP_SHARED, file, PAGE)?;
    let there = sys.mmap(0, 2 * PAGE, RW, MapFlags::MAP_SHARED, file, 0)? + PAGE;
    let child = |sys: &dyn Sys, word| i32::from(sys.futex(word, FutexOp::FUTEX_WAIT, 0, 0, 0, 0) != Ok(0));
    let pid = sys.fork_with(child, here)?;
    until(sys, 1, || {
        assert_eq!(wake(sys, there + 4, 1)?, 0);
        wake(sys, there, 1)
    })?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

/// A list of one lock at `at + 64`, whose word is 16 behind it.
fn registers(sys: &dyn Sys, at: usize, pending: bool, owner: u32) -> Result<()> {
    let entry = at + 64;
    let (list, list_op_pending) = if pending { (at, entry) } else { (entry, 0) };
    sys.store(at, &RobustListHead { list, futex_offset: 16, list_op_pending });
    sys.store(entry, &at);
    sys.store(entry + 16, &(owner | FUTEX_WAITERS));
    sys.set_robust_list(at, size_of::<RobustListHead>())?;
    Ok(())
}

fn dies_with_a_lock(sys: &dyn Sys, at: usize, pending: bool) -> i32 {
    let me = sys.gettid().unwrap_or(0) as u32;
    i32::from(registers(sys, at, pending, me).is_err())
}

fn the_dead_let_go_of_their_locks(sys: &dyn Sys) -> Outcome {
    let at = map_shared(sys)?;
    let pid = sys.fork_with(|sys, at| dies_with_a_lock(sys, at, false), at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.load::<u32>(at + 80), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    Ok(())
}

fn the_dead_let_go_of_what_they_were_taking(sys: &dyn Sys) -> Outcome {
    let at = map_shared(sys)?;
    let pid = sys.fork_with(|sys, at| dies_with_a_lock(sys, at, true), at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.load::<u32>(at + 80), FUTEX_OWNER_DIED | FUTEX_WAITERS);
    Ok(())
}

fn a_live_owners_locks_are_left_alone(sys: &dyn Sys) -> Outcome {
    let at = map_shared(sys)?;
    let child = |sys: &dyn Sys, at| i32::from(registers(sys, at, false, 1).is_err());
    let pid = sys.fork_with(child, at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.load::<u32>(at + 80), 1 | FUTEX_WAITERS);
    // A wild list does no harm.
    let pid = sys.fork_with(|sys, _| i32::from(sys.set_robust_list(8, 24).is_err()), 0)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    Ok(())
}

fn a_list_has_a_length(sys: &dyn Sys) -> Outcome {
    assert_eq!(sys.set_robust_list(sys.page(), 23), Err(Errno::EINVAL));
    assert_eq!(sys.set_robust_list(8, 0), Err(Errno::EINVAL));
    sys.set_robust_list(0, 24)?;
    Ok(())
}

fn the_word_may_be_anything_but_what_it_was(sys: &dyn Sys) -> Outcome {
    // Memory that was never touched holds zero, also for a wait.
    let at = sys.mmap(0, PAGE, RW, super::memory::PRIVATE, Fd(-1), 0)?;
    assert_eq!(sys.futex(at + 8, FutexOp::FUTEX_WAIT, 1, 0, 0, 0), Err(Errno::EAGAIN));
    sys.store(at + 8, &u32::MAX);
    assert_eq!(sys.futex(at + 8, FutexOp::FUTEX_WAIT_PRIVATE, 0, 0, 0, 0), Err(Errno::EAGAIN));
    sys.mprotect(at, PAGE, kernel_abi::flags::ProtFlags::PROT_READ)?;
    assert_eq!(sys.futex(at + 8, FutexOp::FUTEX_WAIT_PRIVATE, 0, 0, 0, 0), Err(Errno::EAGAIN));
    sys.mprotect(at, PAGE, kernel_abi::flags::ProtFlags::PROT_NONE)?;
    assert_eq!(sys.futex(at + 8, FutexOp::FUTEX_WAIT_PRIVATE, 0, 0, 0, 0), Err(Errno::EFAULT));
    Ok(())
}

fn what_is_private_works_alike(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    for wakes in [FutexOp::FUTEX_WAKE_PRIVATE, FutexOp::FUTEX_WAKE_BITSET_PRIVATE, FutexOp::FUTEX_WAKE_OP_PRIVATE] {
        waiter(sys, 0, word, FutexOp::FUTEX_WAIT_PRIVATE, 0)?;
        let operation = FUTEX_OP_ADD << 28 | 1 << 12;
        let value3 = if wakes == FutexOp::FUTEX_WAKE_OP_PRIVATE { operation } else { FUTEX_BITSET_MATCH_ANY };
        until(sys, 1, || sys.futex(word, wakes, 1, 0, word + 8, value3))?;
        assert_eq!(answer(sys, 0), 0, "{wakes:?}");
    }
    assert_ne!(sys.load::<u32>(word + 8), 0);
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?, 0);
    Ok(())
}

fn a_private_wait_has_its_bits_and_times(sys: &dyn Sys) -> Outcome {
    let word = sys.page() + WORD;
    waiter(sys, 0, word, FutexOp::FUTEX_WAIT_BITSET_PRIVATE, 2)?;
    until(sys, 1, || {
        assert_eq!(sys.futex(word, FutexOp::FUTEX_WAKE_BITSET_PRIVATE, 1, 0, 0, 4)?, 0);
        sys.futex(word, FutexOp::FUTEX_WAKE_BITSET_PRIVATE, 1, 0, 0, 2)
    })?;
    assert_eq!(answer(sys, 0), 0);
    for wait in [FutexOp::FUTEX_WAIT_BITSET_CLOCK_REALTIME, FutexOp::FUTEX_WAIT_BITSET_PRIVATE_CLOCK_REALTIME] {
        // Without a time it waits by no clock.
        waiter(sys, 0, word, wait, 1)?;
        until(sys, 1, || {
            let shared = sys.futex(word, FutexOp::FUTEX_WAKE, 1, 0, 0, 0)?;
            Ok(shared + sys.futex(word, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?)
        })?;
        assert_eq!(answer(sys, 0), 0, "{wait:?}");
    }
    for wait in [FutexOp::FUTEX_WAIT_PRIVATE, FutexOp::FUTEX_WAIT_BITSET_PRIVATE] {
        let long_ago = sys.store(sys.page(), &Timespec::from_ns(1));
        assert_eq!(sys.futex(word, wait, 0, long_ago, 0, 1), Err(Errno::ETIMEDOUT), "{wait:?}");
    }
    Ok(())
}

fn private_waiters_are_moved(sys: &dyn Sys) -> Outcome {
    let (from, to) = (sys.page() + WORD, sys.page() + WORD + 8);
    for moves in [FutexOp::FUTEX_REQUEUE_PRIVATE, FutexOp::FUTEX_CMP_REQUEUE_PRIVATE] {
        waiter(sys, 0, from, FutexOp::FUTEX_WAIT_PRIVATE, 0)?;
        // Linux may wake a waiter for no reason, which waits where it began, then: seen once, on a busy host.
        until(sys, 1, || {
            let moved = sys.futex(from, moves, 0, 1, to, 0)?;
            let woken = sys.futex(to, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?;
            assert!(woken <= moved, "{moves:?}");
            Ok(woken)
        })?;
        assert_eq!(sys.futex(from, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?, 0);
        assert_eq!(answer(sys, 0), 0, "{moves:?}");
    }
    Ok(())
}

/// The program can read it, where the machine cannot tell; but nobody can for it, before it is there.
fn a_word_that_is_only_run_is_no_shared_futex(sys: &dyn Sys) -> Outcome {
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_ANONYMOUS;
    let word = sys.mmap(0, PAGE, ProtFlags::PROT_EXEC, flags, Fd(-1), 0)?;
    assert_eq!(wake(sys, word, 1), Err(Errno::EFAULT));
    assert_eq!(sys.futex(word, FutexOp::FUTEX_REQUEUE, 0, 0, sys.page(), 0), Err(Errno::EFAULT));
    assert_eq!(sys.futex(word, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)?, 0);
    Ok(())
}
