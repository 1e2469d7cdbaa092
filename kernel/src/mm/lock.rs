//! Memory that stays: mlock(2) and its kin. Nothing is ever swapped here, so that to lock is to fetch and to count.

use alloc::vec::Vec;

use ostd::PAGE_SIZE;
use ostd::user::Access;

use crate::error::{Errno, Result};
use crate::mm::space::State;
use crate::mm::{AddressSpace, Area, Prot};

/// Whether an area's pages stay in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lock {
    /// They need not.
    #[default]
    None,
    /// Those that were touched do (`MLOCK_ONFAULT`).
    OnFault,
    /// All do.
    Whole,
}

impl AddressSpace {
    /// Locks or unlocks whole pages of a range. EPERM for who may lock nothing; ENOMEM beyond the limit, at a hole after
    /// what comes before it was locked, and where pages cannot be fetched; EINVAL for a range that ends before it begins.
    pub fn lock(&self, at: usize, len: usize, how: Lock) -> Result<()> {
        let start = at / PAGE_SIZE * PAGE_SIZE;
        // As Linux counts: what runs over is nothing.
        let len = len.wrapping_add(at - start).wrapping_add(PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
        let end = start.wrapping_add(len);
        let mut state = self.state.lock();
        if how != Lock::None {
            let limit = state.limits.locked;
            if limit == 0 {
                return Err(Errno::EPERM);
            }
            let there = if start < end { locked_bytes(&state, start, end) } else { 0 };
            if (locked_bytes(&state, 0, self.end()) - there).saturating_add(len) > limit {
                return Err(Errno::ENOMEM);
            }
        }
        if end < start {
            return Err(Errno::EINVAL);
        }
        if end == start {
            return Ok(());
        }
        if !self.has_room(&state, state.areas.splits(start, end)) {
            return Err(Errno::ENOMEM);
        }
        let reached = set(&mut state, start, end, how);
        drop(state);
        if reached < end {
            return Err(Errno::ENOMEM);
        }
        if how == Lock::Whole { self.fetch(start, end) } else { Ok(()) }
    }

    /// Locks what is there as `now` says, and from now on whatever is mapped as `future` says: mlockall(2), munlockall(2).
    pub fn lock_all(&self, now: Option<Lock>, future: Lock) -> Result<()> {
        let mut state = self.state.lock();
        if now != Some(Lock::None) {
            let limit = state.limits.locked;
            if limit == 0 {
                return Err(Errno::EPERM);
            }
            if now.is_some() && state.areas.iter().map(Area::len).sum::<usize>() > limit {
                return Err(Errno::ENOMEM);
            }
        }
        state.lock_future = future;
        let ranges: Vec<_> = state.areas.iter().map(|area| (area.start, area.end)).collect();
        if let Some(how) = now {
            for (start, end) in &ranges {
                set(&mut state, *start, *end, how);
            }
        }
        drop(state);
        if now == Some(Lock::Whole) {
            for (start, end) in ranges {
                self.populate_as_allowed(start, end);
            }
        }
        Ok(())
    }

    /// Whether anything in `[at, end)` is locked.
    pub fn has_locked(&self, at: usize, end: usize) -> bool {
        self.state.lock().areas.overlapping(at, end).any(|area| area.lock != Lock::None)
    }

    /// Refuses with EAGAIN to lock `more` bytes beyond the limit.
    pub(super) fn allow_locked(&self, state: &State, more: usize) -> Result<()> {
        let all = locked_bytes(state, 0, self.end()).saturating_add(more);
        if all > state.limits.locked { Err(Errno::EAGAIN) } else { Ok(()) }
    }

    /// Has every page of `[start, end)` in memory.
    fn fetch(&self, start: usize, end: usize) -> Result<()> {
        let parts: Vec<Area> = {
            let state = self.state.lock();
            state.areas.overlapping(start, end).map(|area| area.clipped(start, end)).collect()
        };
        for part in parts {
            let write = part.is_private() && part.prot.contains(Prot::WRITE);
            let access = if write { Access::Write } else { Access::Read };
            self.populate(part.start, part.end, access).map_err(|_| Errno::ENOMEM)?;
        }
        Ok(())
    }
}

/// Locked bytes of `[start, end)`.
pub(super) fn locked_bytes(state: &State, start: usize, end: usize) -> usize {
    let locked = |area: &&Area| area.lock != Lock::None;
    state.areas.overlapping(start, end).filter(locked).map(|area| area.end.min(end) - area.start.max(start)).sum()
}

/// Says of `[start, end)` up to its first hole how it is locked; returns where that is.
pub(super) fn set(state: &mut State, start: usize, end: usize, how: Lock) -> usize {
    let parts: Vec<Area> = state.areas.overlapping(start, end).map(|area| area.clipped(start, end)).collect();
    let mut next = start;
    for mut part in parts {
        if part.start > next {
            break;
        }
        next = part.end;
        // What may go at any time is not kept.
        if part.lock != how && (how == Lock::None || !part.droppable) {
            state.generation += 1;
            state.areas.remove(part.start, part.end);
            part.lock = how;
            state.areas.insert(part);
        }
    }
    next
}
