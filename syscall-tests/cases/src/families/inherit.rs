//! Futexes that are locks: who owns them, who is next, and what the dead hand on.

use kernel_abi::flags::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS, FutexOp, MapFlags, ProtFlags};
use kernel_abi::structs::{RobustListHead, Timespec, status_exited};
use kernel_abi::{Calls, Errno, Result, Sys};

use super::Outcome;
use super::file::create;
use super::futex::{WORD, until, wake};
use super::memory::{PAGE, map_shared};
use super::process::wait;
use super::thread::{join, start};
use super::time::now;

cases! { "inherit":
    a_free_lock_is_taken_and_let_go, only_its_owner_lets_go, a_lock_of_nobody, a_lock_is_handed_on,
    who_waits_longest_is_next, a_try_is_no_wait, a_time_that_has_been_takes_no_lock, what_a_lock_refuses,
    locks_and_other_words_do_not_mix, a_circle_of_locks, a_dead_owner_hands_on, a_dead_owners_list_frees_its_locks,
    a_condition_gives_a_free_lock, a_condition_waits_for_a_lock, what_a_condition_refuses,
    a_condition_is_for_one_lock, a_time_ends_waiting_for_a_condition, a_word_that_does_not_fit_its_waiters,
}

/// Private threads' numbers and answers, in turn.
const SEEN: usize = 0x600;
/// Where threads wait to be told to go on.
const GATE: usize = 0x700;
/// The second lock.
const OTHER: usize = WORD + 64;

fn lock(sys: &dyn Sys, word: usize) -> Result {
    sys.futex(word, FutexOp::FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0)
}

fn unlock(sys: &dyn Sys, word: usize) -> Result {
    sys.futex(word, FutexOp::FUTEX_UNLOCK_PI_PRIVATE, 0, 0, 0, 0)
}

fn me(sys: &dyn Sys) -> Result<u32> {
    Ok(sys.gettid()? as u32)
}

fn word(sys: &dyn Sys, at: usize) -> u32 {
    sys.load(at)
}

/// What a thread saw: what the call answered, and the word then.
fn seen(sys: &dyn Sys, number: usize) -> (isize, u32) {
    join(sys, number);
    let at = sys.page() + SEEN + 16 * number;
    (sys.load(at), sys.load(at + 8))
}

fn leave(sys: &dyn Sys, number: usize, answer: Result, word: usize) {
    let answer = answer.map_or_else(|errno| -(errno.number() as isize), |value| value as isize);
    let at = sys.page() + SEEN + 16 * number;
    sys.store(at + 8, &sys.load::<u32>(word));
    sys.store(at, &answer);
}

/// Waits until the first thread opens the gate of a number.
fn at_gate(sys: &dyn Sys, number: usize) {
    let gate = sys.page() + GATE + 4 * number;
    while sys.load::<u32>(gate) == 0 {
        let _ = sys.futex(gate, FutexOp::FUTEX_WAIT_PRIVATE, 0, 0, 0, 0);
    }
}

fn open_gate(sys: &dyn Sys, number: usize) -> Result {
    let gate = sys.page() + GATE + 4 * number;
    sys.store(gate, &1_u32);
    sys.futex(gate, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0)
}

fn until_word(sys: &dyn Sys, at: usize, is_it: impl Fn(u32) -> bool) -> Result<()> {
    while !is_it(word(sys, at)) {
        sys.sched_yield()?;
    }
    Ok(())
}

/// Takes the lock, says so, and lets go.
fn takes(sys: &dyn Sys, number: usize) -> i32 {
    let at = sys.page() + WORD;
    let answer = lock(sys, at);
    leave(sys, number, answer, at);
    let _ = unlock(sys, at);
    0
}

/// Takes the lock, and lets go when the gate opens.
fn holds(sys: &dyn Sys, number: usize) -> i32 {
    let at = sys.page() + WORD;
    let answer = lock(sys, at);
    leave(sys, number, answer, at);
    at_gate(sys, number);
    i32::from(unlock(sys, at).is_err())
}

/// Takes the lock, and is gone when the gate opens.
fn dies_holding(sys: &dyn Sys, number: usize) -> i32 {
    let at = sys.page() + WORD;
    let answer = lock(sys, at);
    leave(sys, number, answer, at);
    at_gate(sys, number);
    0
}

fn a_free_lock_is_taken_and_let_go(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    let ways = [
        (FutexOp::FUTEX_LOCK_PI, FutexOp::FUTEX_UNLOCK_PI),
        (FutexOp::FUTEX_LOCK_PI2, FutexOp::FUTEX_UNLOCK_PI),
        (FutexOp::FUTEX_TRYLOCK_PI, FutexOp::FUTEX_UNLOCK_PI),
        (FutexOp::FUTEX_LOCK_PI_PRIVATE, FutexOp::FUTEX_UNLOCK_PI_PRIVATE),
        (FutexOp::FUTEX_LOCK_PI2_PRIVATE, FutexOp::FUTEX_UNLOCK_PI_PRIVATE),
        (FutexOp::FUTEX_TRYLOCK_PI_PRIVATE, FutexOp::FUTEX_UNLOCK_PI_PRIVATE),
    ];
    for (takes, lets_go) in ways {
        assert_eq!(sys.futex(at, takes, 0, 0, 0, 0)?, 0);
        assert_eq!(word(sys, at), me);
        assert_eq!(sys.futex(at, takes, 0, 0, 0, 0), Err(Errno::EDEADLK), "{takes:?}");
        assert_eq!(word(sys, at), me);
        assert_eq!(sys.futex(at, lets_go, 0, 0, 0, 0)?, 0);
        assert_eq!(word(sys, at), 0);
        // What is left of waiters is forgotten, that somebody died is not.
        sys.store(at, &(FUTEX_WAITERS | FUTEX_OWNER_DIED));
        assert_eq!(sys.futex(at, takes, 0, 0, 0, 0)?, 0);
        assert_eq!(word(sys, at), FUTEX_OWNER_DIED | me);
        assert_eq!(sys.futex(at, lets_go, 0, 0, 0, 0)?, 0);
        assert_eq!(word(sys, at), 0);
    }
    Ok(())
}

fn only_its_owner_lets_go(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    assert_eq!(unlock(sys, at), Err(Errno::EPERM));
    sys.store(at, &(me(sys)? + 1));
    assert_eq!(unlock(sys, at), Err(Errno::EPERM));
    sys.store(at, &(me(sys)? | FUTEX_WAITERS));
    assert_eq!(unlock(sys, at)?, 0);
    assert_eq!(word(sys, at), 0);
    assert_eq!(unlock(sys, 8), Err(Errno::EFAULT));
    // Whose it is counts before where it is.
    assert_eq!(unlock(sys, at + 4), Err(Errno::EPERM));
    Ok(())
}

fn a_lock_of_nobody(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    let nobody = FUTEX_TID_MASK - 1;
    for takes in [FutexOp::FUTEX_LOCK_PI, FutexOp::FUTEX_LOCK_PI2_PRIVATE, FutexOp::FUTEX_TRYLOCK_PI] {
        sys.store(at, &nobody);
        assert_eq!(sys.futex(at, takes, 0, 0, 0, 0), Err(Errno::ESRCH));
        assert_eq!(word(sys, at), nobody | FUTEX_WAITERS);
    }
    Ok(())
}

fn a_lock_is_handed_on(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    lock(sys, at)?;
    let tid = start(sys, 0, takes, 0)? as u32;
    until_word(sys, at, |word| word == me | FUTEX_WAITERS)?;
    assert_eq!(unlock(sys, at)?, 0);
    // There may be more who wait, so that the next owner has to ask.
    assert_eq!(seen(sys, 0), (0, tid | FUTEX_WAITERS));
    assert_eq!(word(sys, at), 0);
    Ok(())
}

fn who_waits_longest_is_next(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    lock(sys, at)?;
    let first = start(sys, 0, holds, 0)? as u32;
    until_word(sys, at, |word| word == me | FUTEX_WAITERS)?;
    let second = start(sys, 1, takes, 1)? as u32;
    assert_eq!(unlock(sys, at)?, 0);
    assert_eq!(word(sys, at), first | FUTEX_WAITERS);
    assert_eq!(unlock(sys, at), Err(Errno::EPERM));
    open_gate(sys, 0)?;
    assert_eq!(seen(sys, 0), (0, first | FUTEX_WAITERS));
    let (answer, then) = seen(sys, 1);
    assert_eq!((answer, then & FUTEX_TID_MASK), (0, second));
    assert_eq!(word(sys, at), 0);
    Ok(())
}

fn a_try_is_no_wait(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    let tid = start(sys, 0, holds, 0)? as u32;
    until_word(sys, at, |word| word == tid)?;
    assert_eq!(sys.futex(at, FutexOp::FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0), Err(Errno::EAGAIN));
    assert_eq!(word(sys, at), tid | FUTEX_WAITERS);
    open_gate(sys, 0)?;
    assert_eq!(seen(sys, 0).0, 0);
    assert_eq!(word(sys, at), 0);
    Ok(())
}

fn a_time_that_has_been_takes_no_lock(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    let tid = start(sys, 0, holds, 0)? as u32;
    until_word(sys, at, |word| word == tid)?;
    let past = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1 });
    let by_day = FutexOp(FutexOp::FUTEX_LOCK_PI2_PRIVATE.0 | FutexOp::FUTEX_CLOCK_REALTIME.0);
    for takes in [FutexOp::FUTEX_LOCK_PI_PRIVATE, FutexOp::FUTEX_LOCK_PI2_PRIVATE, by_day] {
        assert_eq!(sys.futex(at, takes, 0, past, 0, 0), Err(Errno::ETIMEDOUT), "{takes:?}");
        assert_eq!(word(sys, at), tid | FUTEX_WAITERS);
    }
    let soon = now(sys)? + 3_000_000;
    let soon_at = sys.store(sys.page() + 64, &Timespec::from_ns(soon));
    assert_eq!(sys.futex(at, FutexOp::FUTEX_LOCK_PI2_PRIVATE, 0, soon_at, 0, 0), Err(Errno::ETIMEDOUT));
    assert!(now(sys)? >= soon);
    open_gate(sys, 0)?;
    assert_eq!(seen(sys, 0).0, 0);
    assert_eq!(word(sys, at), 0);
    // What is free is taken however late it is.
    let past = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1 });
    assert_eq!(sys.futex(at, FutexOp::FUTEX_LOCK_PI_PRIVATE, 0, past, 0, 0)?, 0);
    Ok(())
}

fn what_a_lock_refuses(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1_000_000_000 });
    for takes in [FutexOp::FUTEX_LOCK_PI, FutexOp::FUTEX_LOCK_PI2] {
        assert_eq!(sys.futex(at + 1, takes, 0, bad, 0, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(at, takes, 0, 8, 0, 0), Err(Errno::EFAULT));
        assert_eq!(sys.futex(at + 1, takes, 0, 0, 0, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(8, takes, 0, 0, 0, 0), Err(Errno::EFAULT));
    }
    // A try does not look at the time.
    assert_eq!(sys.futex(at, FutexOp::FUTEX_TRYLOCK_PI, 0, 8, 0, 0)?, 0);
    for op in [FutexOp::FUTEX_LOCK_PI, FutexOp::FUTEX_TRYLOCK_PI, FutexOp::FUTEX_UNLOCK_PI] {
        let by_day = FutexOp(op.0 | FutexOp::FUTEX_CLOCK_REALTIME.0);
        assert_eq!(sys.futex(at, by_day, 0, 0, 0, 0), Err(Errno::ENOSYS));
    }
    let file = create(sys, "file")?;
    sys.ftruncate(file, PAGE)?;
    let only_read = sys.mmap(0, PAGE, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0)?;
    assert_eq!(sys.futex(only_read, FutexOp::FUTEX_LOCK_PI, 0, 0, 0, 0), Err(Errno::EFAULT));
    assert_eq!(sys.futex(only_read, FutexOp::FUTEX_LOCK_PI_PRIVATE, 0, 0, 0, 0), Err(Errno::EFAULT));
    Ok(())
}

fn waits_plainly(sys: &dyn Sys, number: usize) -> i32 {
    let at = sys.page() + WORD;
    let value = sys.load::<u32>(at);
    let answer = sys.futex(at, FutexOp::FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
    leave(sys, number, answer, at);
    0
}

fn locks_and_other_words_do_not_mix(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    lock(sys, at)?;
    start(sys, 0, takes, 0)?;
    until_word(sys, at, |word| word == me | FUTEX_WAITERS)?;
    let word_wakes = |op| sys.futex(at, op, 1, 1, sys.page() + OTHER, me | FUTEX_WAITERS);
    // The word tells of the thread just before it waits.
    loop {
        match word_wakes(FutexOp::FUTEX_WAKE_PRIVATE) {
            Ok(0) => sys.sched_yield()?,
            answer => break assert_eq!(answer, Err(Errno::EINVAL)),
        };
    }
    assert_eq!(word_wakes(FutexOp::FUTEX_REQUEUE_PRIVATE), Err(Errno::EINVAL));
    assert_eq!(word_wakes(FutexOp::FUTEX_CMP_REQUEUE_PRIVATE), Err(Errno::EINVAL));
    assert_eq!(word_wakes(FutexOp::FUTEX_CMP_REQUEUE_PI_PRIVATE), Err(Errno::EINVAL));
    unlock(sys, at)?;
    assert_eq!(seen(sys, 0).0, 0);

    // A thread that only waits, and may not have come yet: a try says when it has.
    let owner = start(sys, 1, holds, 1)? as u32;
    until_word(sys, at, |word| word == owner)?;
    sys.store(at, &(owner | FUTEX_WAITERS));
    start(sys, 0, waits_plainly, 0)?;
    loop {
        match sys.futex(at, FutexOp::FUTEX_TRYLOCK_PI_PRIVATE, 0, 0, 0, 0) {
            Err(Errno::EAGAIN) => sys.sched_yield()?,
            answer => break assert_eq!(answer, Err(Errno::EINVAL)),
        };
    }
    assert_eq!(lock(sys, at), Err(Errno::EINVAL));
    until(sys, 1, || sys.futex(at, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0))?;
    assert_eq!(seen(sys, 0).0, 0);
    open_gate(sys, 1)?;
    assert_eq!(seen(sys, 1).0, 0);
    Ok(())
}

/// Takes the first lock, and when the gate opens the other.
fn takes_both(sys: &dyn Sys, number: usize) -> i32 {
    let (at, other) = (sys.page() + WORD, sys.page() + OTHER);
    if lock(sys, at).is_err() {
        return 1;
    }
    at_gate(sys, number);
    let answer = lock(sys, other);
    leave(sys, number, answer, other);
    let _ = unlock(sys, other);
    let _ = unlock(sys, at);
    0
}

fn a_circle_of_locks(sys: &dyn Sys) -> Outcome {
    let (at, other, me) = (sys.page() + WORD, sys.page() + OTHER, me(sys)?);
    let told = -(Errno::EDEADLK.number() as isize);
    loop {
        lock(sys, other)?;
        sys.store(sys.page() + GATE, &0_u32);
        let tid = start(sys, 0, takes_both, 0)? as u32;
        until_word(sys, at, |word| word == tid)?;
        open_gate(sys, 0)?;
        until_word(sys, other, |word| word == me | FUTEX_WAITERS)?;
        // Whoever closes the circle is told. A word is marked before its reader waits: that may be the other one still, and
        // is both when they meet.
        let answer = lock(sys, at);
        unlock(sys, other)?;
        match (answer, seen(sys, 0)) {
            (Err(Errno::EDEADLK), (0, word)) => break assert_eq!(word, tid | FUTEX_WAITERS),
            (Err(Errno::EDEADLK), (theirs, _)) => assert_eq!(theirs, told),
            (answer, (theirs, _)) => {
                assert_eq!((answer, theirs), (Ok(0), told));
                unlock(sys, at)?;
            }
        }
    }
    assert_eq!([word(sys, at), word(sys, other)], [0, 0]);
    Ok(())
}

fn a_dead_owner_hands_on(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    let dead = start(sys, 0, dies_holding, 0)? as u32;
    until_word(sys, at, |word| word == dead)?;
    let tid = start(sys, 1, takes, 1)? as u32;
    until_word(sys, at, |word| word == dead | FUTEX_WAITERS)?;
    open_gate(sys, 0)?;
    // It had no list; who waited learns of its death all the same.
    assert_eq!(seen(sys, 1), (0, tid | FUTEX_WAITERS | FUTEX_OWNER_DIED));
    assert_eq!(word(sys, at), 0);
    assert_eq!(lock(sys, at)?, 0);
    assert_eq!(word(sys, at), me);
    Ok(())
}

/// Registers the lock at `at + 80` as one that the kernel hands on, and takes it; the parent then waits for it, or not.
fn dies_with_a_list(sys: &dyn Sys, at: usize) -> i32 {
    let entry = at + 64;
    sys.store(at, &RobustListHead { list: entry | 1, futex_offset: 16, list_op_pending: 0 });
    sys.store(entry, &at);
    if sys.set_robust_list(at, size_of::<RobustListHead>()).is_err() {
        return 1;
    }
    if sys.futex(entry + 16, FutexOp::FUTEX_LOCK_PI, 0, 0, 0, 0).is_err() {
        return 2;
    }
    // Whether the parent is to wait before this one is gone.
    while sys.load::<u32>(at + 128) == 1 && sys.load::<u32>(entry + 16) & FUTEX_WAITERS == 0 {
        let _ = sys.sched_yield();
    }
    0
}

fn a_dead_owners_list_frees_its_locks(sys: &dyn Sys) -> Outcome {
    let (at, me) = (map_shared(sys)?, me(sys)?);
    let lock = at + 80;
    let pid = sys.fork_with(dies_with_a_list, at)?;
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(word(sys, lock), FUTEX_OWNER_DIED);
    assert_eq!(sys.futex(lock, FutexOp::FUTEX_LOCK_PI, 0, 0, 0, 0)?, 0);
    assert_eq!(word(sys, lock), FUTEX_OWNER_DIED | me);
    assert_eq!(sys.futex(lock, FutexOp::FUTEX_UNLOCK_PI, 0, 0, 0, 0)?, 0);

    sys.store(at + 128, &1_u32);
    let pid = sys.fork_with(dies_with_a_list, at)?;
    until_word(sys, lock, |word| word == pid as u32)?;
    assert_eq!(sys.futex(lock, FutexOp::FUTEX_LOCK_PI, 0, 0, 0, 0)?, 0);
    assert_eq!(word(sys, lock), FUTEX_WAITERS | FUTEX_OWNER_DIED | me);
    assert_eq!(wait(sys, pid)?, status_exited(0));
    assert_eq!(sys.futex(lock, FutexOp::FUTEX_UNLOCK_PI, 0, 0, 0, 0)?, 0);
    assert_eq!(word(sys, lock), 0);
    Ok(())
}

/// Waits for the condition, which is the other word, to own the lock then.
fn waits_for_condition(sys: &dyn Sys, number: usize) -> i32 {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    let answer = sys.futex(condition, FutexOp::FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, at, 0);
    leave(sys, number, answer, at);
    let _ = unlock(sys, at);
    0
}

/// The same for a lock of others.
fn waits_for_shared_condition(sys: &dyn Sys, number: usize) -> i32 {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    let answer = sys.futex(condition, FutexOp::FUTEX_WAIT_REQUEUE_PI, 0, 0, at, 0);
    leave(sys, number, answer, at);
    let _ = sys.futex(at, FutexOp::FUTEX_UNLOCK_PI, 0, 0, 0, 0);
    0
}

fn requeue(sys: &dyn Sys, count: i64) -> Result {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    sys.futex(condition, FutexOp::FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, count, at, 0)
}

fn a_condition_gives_a_free_lock(sys: &dyn Sys) -> Outcome {
    let at = sys.page() + WORD;
    let tid = start(sys, 0, waits_for_condition, 0)? as u32;
    until(sys, 1, || requeue(sys, 0))?;
    assert_eq!(seen(sys, 0), (0, tid));
    assert_eq!(word(sys, at), 0);
    // Where more could be moved, the lock says that they wait.
    let tid = start(sys, 0, waits_for_condition, 0)? as u32;
    until(sys, 1, || requeue(sys, 5))?;
    assert_eq!(seen(sys, 0), (0, tid | FUTEX_WAITERS));
    assert_eq!(word(sys, at), 0);
    let tid = start(sys, 0, waits_for_shared_condition, 0)? as u32;
    until(sys, 1, || sys.futex(sys.page() + OTHER, FutexOp::FUTEX_CMP_REQUEUE_PI, 1, 0, at, 0))?;
    assert_eq!(seen(sys, 0), (0, tid));
    Ok(())
}

fn a_condition_waits_for_a_lock(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    lock(sys, at)?;
    let mut tids = [0; 3];
    for (number, tid) in tids.iter_mut().enumerate() {
        *tid = start(sys, number, waits_for_condition, number)? as u32;
    }
    // One more than asked for: the one who would have been given the lock.
    until(sys, 3, || requeue(sys, 0))?;
    assert_eq!(word(sys, at), me | FUTEX_WAITERS);
    assert_eq!(sys.futex(sys.page() + OTHER, FutexOp::FUTEX_WAKE_PRIVATE, 9, 0, 0, 0)?, 0);
    unlock(sys, at)?;
    for (number, tid) in tids.into_iter().enumerate() {
        let (answer, then) = seen(sys, number);
        assert_eq!((answer, then & FUTEX_TID_MASK), (0, tid));
    }
    assert_eq!(word(sys, at), 0);
    Ok(())
}

fn what_a_condition_refuses(sys: &dyn Sys) -> Outcome {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    for (waits, moves) in [
        (FutexOp::FUTEX_WAIT_REQUEUE_PI, FutexOp::FUTEX_CMP_REQUEUE_PI),
        (FutexOp::FUTEX_WAIT_REQUEUE_PI_PRIVATE, FutexOp::FUTEX_CMP_REQUEUE_PI_PRIVATE),
    ] {
        assert_eq!(sys.futex(at, waits, 7, 0, at, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, waits, 7, 0, at, 0), Err(Errno::EAGAIN));
        assert_eq!(sys.futex(condition, waits, 0, 0, at + 1, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, moves, 1, 1, condition, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, moves, 2, 1, at, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, moves, 0, 1, at, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, moves, 1, -1_i64, at, 0), Err(Errno::EINVAL));
        assert_eq!(sys.futex(condition, moves, 1, 1, at, 7), Err(Errno::EAGAIN));
        assert_eq!(sys.futex(condition, moves, 1, 1, at, 0)?, 0);
    }
    Ok(())
}

fn a_condition_is_for_one_lock(sys: &dyn Sys) -> Outcome {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    start(sys, 0, waits_for_condition, 0)?;
    let elsewhere = || sys.futex(condition, FutexOp::FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0, at + 8, 0);
    while elsewhere() == Ok(0) {
        sys.sched_yield()?;
    }
    assert_eq!(elsewhere(), Err(Errno::EINVAL));
    // Nobody but who moves it may wake it.
    assert_eq!(sys.futex(condition, FutexOp::FUTEX_WAKE_PRIVATE, 1, 0, 0, 0), Err(Errno::EINVAL));
    assert_eq!(sys.futex(condition, FutexOp::FUTEX_REQUEUE_PRIVATE, 1, 0, at, 0), Err(Errno::EINVAL));
    // A lock that is its own already, and one that is nobody's.
    let tid = sys.load::<u32>(sys.page() + super::thread::TIDS);
    sys.store(at, &tid);
    assert_eq!(requeue(sys, 0), Err(Errno::EDEADLK));
    sys.store(at, &(FUTEX_TID_MASK - 1));
    assert_eq!(requeue(sys, 0), Err(Errno::ESRCH));
    sys.store(at, &0_u32);
    assert_eq!(requeue(sys, 0)?, 1);
    assert_eq!(seen(sys, 0), (0, tid));
    Ok(())
}

fn a_time_ends_waiting_for_a_condition(sys: &dyn Sys) -> Outcome {
    let (at, condition) = (sys.page() + WORD, sys.page() + OTHER);
    let waits = FutexOp::FUTEX_WAIT_REQUEUE_PI_PRIVATE;
    let by_day = FutexOp(waits.0 | FutexOp::FUTEX_CLOCK_REALTIME.0);
    let past = sys.store(sys.page() + 64, &Timespec { tv_sec: 0, tv_nsec: 1 });
    for op in [waits, by_day] {
        assert_eq!(sys.futex(condition, op, 0, past, at, 0), Err(Errno::ETIMEDOUT));
    }
    let bad = sys.store(sys.page() + 64, &Timespec { tv_sec: -1, tv_nsec: 0 });
    assert_eq!(sys.futex(condition, waits, 7, bad, at, 0), Err(Errno::EINVAL));
    assert_eq!(requeue(sys, 1)?, 0);
    assert_eq!(word(sys, at), 0);
    Ok(())
}

fn a_word_that_does_not_fit_its_waiters(sys: &dyn Sys) -> Outcome {
    let (at, me) = (sys.page() + WORD, me(sys)?);
    let owner = start(sys, 0, holds, 0)? as u32;
    until_word(sys, at, |word| word == owner)?;
    start(sys, 1, takes, 1)?;
    until_word(sys, at, |word| word == owner | FUTEX_WAITERS)?;
    // Another's number, or none.
    sys.store(at, &(me | FUTEX_WAITERS));
    assert_eq!(unlock(sys, at), Err(Errno::EINVAL));
    sys.store(at, &0_u32);
    assert_eq!(lock(sys, at), Err(Errno::EINVAL));
    sys.store(at, &(owner | FUTEX_WAITERS));
    assert_eq!(wake(sys, at, 1)?, 0);
    open_gate(sys, 0)?;
    assert_eq!([seen(sys, 0).0, seen(sys, 1).0], [0, 0]);
    Ok(())
}
