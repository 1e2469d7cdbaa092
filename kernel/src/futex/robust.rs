//! The futexes a dying thread held: get_robust_list(2).

use kernel_abi::flags::{FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS};
use kernel_abi::structs::RobustListHead;

use super::{ANY, FutexTable, Scope};
use crate::error::Result;
use crate::mm::AddressSpace;

/// Entries followed, because the list may be a circle.
pub const ROBUST_LIST_MAX: usize = 2048;

/// Gives up every futex on the list at `head` that thread `tid` holds, and wakes a waiter of each. What cannot be read
/// ends the walk: the program has spoilt its own list.
pub fn exit_robust_list(table: &FutexTable, space: &AddressSpace, head: usize, tid: u32) {
    // Nobody is left to be told of a failure.
    let _ = walk(table, space, head, tid);
}

fn walk(table: &FutexTable, space: &AddressSpace, head: usize, tid: u32) -> Result<()> {
    let list: RobustListHead = space.read_value(head)?;
    let word = |entry: usize| (entry & !1).wrapping_add_signed(list.futex_offset);
    let mut entry = list.list;
    for _ in 0..ROBUST_LIST_MAX {
        if entry & !1 == head {
            break;
        }
        // The next is read first: a woken thread may free the entry.
        let next = space.read_value::<usize>(entry & !1);
        if entry & !1 != list.list_op_pending & !1 {
            give_up(table, space, word(entry), tid, Entry { is_lock: entry & 1 != 0, is_pending: false })?;
        }
        entry = next?;
    }
    let pending = list.list_op_pending;
    if pending & !1 != 0 {
        give_up(table, space, word(pending), tid, Entry { is_lock: pending & 1 != 0, is_pending: true })?;
    }
    Ok(())
}

/// What is known of a futex on the list.
#[derive(Clone, Copy)]
struct Entry {
    /// Whether the kernel hands it on (`FUTEX_LOCK_PI`): then nobody is woken here.
    is_lock: bool,
    /// Whether the thread died between taking or releasing it and saying so on its list.
    is_pending: bool,
}

fn give_up(table: &FutexTable, space: &AddressSpace, at: usize, tid: u32, entry: Entry) -> Result<()> {
    // Who waits for a lock is not woken; the walk goes on all the same.
    let wake = || {
        let _ = table.wake(space, at, Scope::Shared, 1, ANY);
    };
    let mut old = space.load32(at)?;
    loop {
        let owner = old & FUTEX_TID_MASK;
        if entry.is_pending && !entry.is_lock && owner == 0 {
            // Released, but perhaps nobody woken.
            wake();
            return Ok(());
        }
        if owner != tid {
            return Ok(());
        }
        let seen = space.cmpxchg32(at, old, (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED)?;
        if seen == old {
            break;
        }
        old = seen;
    }
    if !entry.is_lock && old & FUTEX_WAITERS != 0 {
        wake();
    }
    Ok(())
}
