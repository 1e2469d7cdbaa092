//! The futexes a dying thread held: get_robust_list(2).

use kernel_abi::structs::RobustListHead;

use super::{ANY, FutexTable, Scope};
use crate::error::Result;
use crate::mm::AddressSpace;

/// Entries followed, because the list may be a circle.
pub const ROBUST_LIST_MAX: usize = 2048;

const TID_MASK: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;

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
            give_up(table, space, word(entry), tid, false)?;
        }
        entry = next?;
    }
    if list.list_op_pending & !1 != 0 {
        give_up(table, space, word(list.list_op_pending), tid, true)?;
    }
    Ok(())
}

/// `pending`: the thread died between taking or releasing the futex and saying so on its list.
fn give_up(table: &FutexTable, space: &AddressSpace, at: usize, tid: u32, pending: bool) -> Result<()> {
    let mut old = space.load32(at)?;
    loop {
        if pending && old == 0 {
            // Released, but perhaps nobody woken.
            table.wake(space, at, Scope::Shared, 1, ANY)?;
            return Ok(());
        }
        if old & TID_MASK != tid {
            return Ok(());
        }
        let seen = space.cmpxchg32(at, old, (old & WAITERS) | OWNER_DIED)?;
        if seen == old {
            break;
        }
        old = seen;
    }
    if old & WAITERS != 0 {
        table.wake(space, at, Scope::Shared, 1, ANY)?;
    }
    Ok(())
}
