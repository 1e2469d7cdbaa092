//! Waiting on words of memory, and what a thread leaves behind.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Context;
use crate::abi::Pid;
use crate::abi::flags::{CAP_SYS_PTRACE, ClockId, FutexOp};
use crate::abi::types::{RobustListHead, Timespec, UserMut, UserPtr};
use crate::error::{Errno, Result};
use crate::futex::{ANY, FutexTable, Locker, Operation, Scope};
use crate::process::Thread;

pub(super) fn futex(
    cx: &mut Context<'_>,
    addr: UserMut<u32>,
    op: FutexOp,
    value: u32,
    timeout: UserPtr<Timespec>,
    addr2: UserMut<u32>,
    value3: u32,
) -> Result {
    let options = FutexOp::FUTEX_PRIVATE_FLAG.0 | FutexOp::FUTEX_CLOCK_REALTIME.0;
    let scope = if op.0 & FutexOp::FUTEX_PRIVATE_FLAG.0 != 0 { Scope::Private } else { Scope::Shared };
    let command = FutexOp(op.0 & !options);
    let waits = matches!(
        command,
        FutexOp::FUTEX_WAIT
            | FutexOp::FUTEX_WAIT_BITSET
            | FutexOp::FUTEX_WAIT_REQUEUE_PI
            | FutexOp::FUTEX_LOCK_PI
            | FutexOp::FUTEX_LOCK_PI2
    );
    let has_clocks =
        matches!(command, FutexOp::FUTEX_WAIT_BITSET | FutexOp::FUTEX_WAIT_REQUEUE_PI | FutexOp::FUTEX_LOCK_PI2);
    let time = if waits && !timeout.is_null() {
        Some(cx.space().read_value::<Timespec>(timeout.addr)?.to_ns().ok_or(Errno::EINVAL)?)
    } else {
        None
    };
    let clock = if op.0 & FutexOp::FUTEX_CLOCK_REALTIME.0 == 0 {
        ClockId::CLOCK_MONOTONIC
    } else if has_clocks {
        ClockId::CLOCK_REALTIME
    } else {
        return Err(Errno::ENOSYS);
    };
    let space = cx.space();
    let table = cx.kernel.futexes();
    let clocks = cx.kernel.clock();
    let lives = |tid| cx.kernel.processes().find_thread(tid).is_some_and(|thread| thread.may_own());
    let locker = Locker { space, tid: cx.thread.tid(), may_own: &lives };
    let deadline_by = |clock| time.map(|at| clocks.monotonic_deadline(clock, at));
    // What is a timeout for waiters is a second count for the others.
    let count_second = timeout.addr as u32;
    match command {
        FutexOp::FUTEX_WAIT => {
            let deadline = time.map(|span| clocks.monotonic_ns().saturating_add(span));
            wait(table, cx.thread, Wait { at: addr.addr, scope, value, bits: ANY, deadline })
        }
        FutexOp::FUTEX_WAIT_BITSET | FutexOp::FUTEX_WAKE_BITSET if value3 == 0 => Err(Errno::EINVAL),
        FutexOp::FUTEX_WAIT_BITSET => {
            let deadline = deadline_by(clock);
            wait(table, cx.thread, Wait { at: addr.addr, scope, value, bits: value3, deadline })
        }
        FutexOp::FUTEX_WAKE => table.wake(space, addr.addr, scope, at_least_one(value), ANY),
        FutexOp::FUTEX_WAKE_BITSET => table.wake(space, addr.addr, scope, at_least_one(value), value3),
        FutexOp::FUTEX_REQUEUE | FutexOp::FUTEX_CMP_REQUEUE => {
            let counts = (no_less_than_none(value)?, no_less_than_none(count_second)?);
            let expected = (command == FutexOp::FUTEX_CMP_REQUEUE).then_some(value3);
            table.requeue(space, (addr.addr, addr2.addr), scope, counts, expected)
        }
        FutexOp::FUTEX_WAKE_OP => {
            let counts = (at_least_one(value), at_least_one(count_second));
            table.wake_op(space, (addr.addr, addr2.addr), scope, counts, Operation(value3))
        }
        FutexOp::FUTEX_LOCK_PI => again(table.lock(locker, addr.addr, scope, deadline_by(ClockId::CLOCK_REALTIME))),
        FutexOp::FUTEX_LOCK_PI2 => again(table.lock(locker, addr.addr, scope, deadline_by(clock))),
        FutexOp::FUTEX_TRYLOCK_PI => table.try_lock(locker, addr.addr, scope).map(|()| 0),
        FutexOp::FUTEX_UNLOCK_PI => table.unlock(space, locker.tid, addr.addr, scope).map(|()| 0),
        FutexOp::FUTEX_WAIT_REQUEUE_PI => {
            again(table.wait_for_lock(locker, (addr.addr, addr2.addr), scope, value, deadline_by(clock)))
        }
        FutexOp::FUTEX_CMP_REQUEUE_PI => {
            let requeue = no_less_than_none(count_second)?;
            // One is woken at most, for one can have the lock.
            if addr.addr == addr2.addr || value != 1 {
                return Err(Errno::EINVAL);
            }
            table.requeue_for_lock(locker, (addr.addr, addr2.addr), scope, requeue, value3)
        }
        _ => Err(Errno::ENOSYS),
    }
}

/// What is waited for until a moment is waited for again after any signal.
fn again(waited: Result<()>) -> Result {
    match waited {
        Err(Errno::EINTR) => Err(Errno::ERESTARTNOINTR),
        other => other.map(|()| 0),
    }
}

/// What a thread waits for.
#[derive(Clone, Copy)]
struct Wait {
    at: usize,
    scope: Scope,
    value: u32,
    bits: u32,
    deadline: Option<u64>,
}

/// Waits; after a signal without a handler it goes on until the same moment, after a handler only without a deadline.
fn wait(table: &Arc<FutexTable>, thread: &Arc<Thread>, what: Wait) -> Result {
    let waited = table.wait(&thread.space(), what.at, what.scope, what.value, what.bits, what.deadline);
    match waited {
        Err(Errno::EINTR) if what.deadline.is_none() => Err(Errno::ERESTARTSYS),
        Err(Errno::EINTR) => {
            let table = Arc::clone(table);
            thread.set_restart(Box::new(move |thread| wait(&table, thread, what)));
            Err(Errno::ERESTART_RESTARTBLOCK)
        }
        other => other.map(|()| 0),
    }
}

/// How many a wake-up wakes: Linux looks at the count after the first.
fn at_least_one(count: u32) -> usize {
    usize::try_from(count.cast_signed()).unwrap_or(0).max(1)
}

fn no_less_than_none(count: u32) -> Result {
    usize::try_from(count.cast_signed()).or(Err(Errno::EINVAL))
}

pub(super) fn get_robust_list(cx: &mut Context<'_>, who: Pid, head: UserMut<usize>, len: UserMut<usize>) -> Result {
    let other = match who.0 {
        0 => Arc::clone(cx.thread),
        tid => cx.kernel.processes().find_thread(tid).ok_or(Errno::ESRCH)?,
    };
    let (ours, theirs) = (cx.credentials(), other.credentials());
    let is_own = ours.user.real == theirs.user.real && ours.user.real == theirs.user.saved;
    if !is_own && !ours.can(CAP_SYS_PTRACE) {
        return Err(Errno::EPERM);
    }
    cx.space().write_value(len.addr, &size_of::<RobustListHead>())?;
    cx.space().write_value(head.addr, &other.robust_list())?;
    Ok(0)
}

pub(super) fn set_robust_list(cx: &mut Context<'_>, head: UserPtr<RobustListHead>, len: usize) -> Result {
    if len != size_of::<RobustListHead>() {
        return Err(Errno::EINVAL);
    }
    cx.thread.set_robust_list(head.addr);
    Ok(0)
}
