//! How much memory a program may ask for: by its own limits, and by what the machine has.

use ostd::PAGE_SIZE;

use crate::error::{Errno, Result};
use crate::mm::space::State;
use crate::mm::{AREAS_MAX, AddressSpace, Area, Lock, Place, Prot};

/// A program's own limits; lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// All areas, `RLIMIT_AS`.
    pub total: usize,
    /// Private writable areas, `RLIMIT_DATA`.
    pub data: usize,
    /// How far a stack grows, `RLIMIT_STACK`.
    pub stack: usize,
    /// Areas that are locked; whoever may lock without limit has none (`RLIMIT_MEMLOCK`).
    pub locked: usize,
    /// Nothing becomes executable that was written or could have been (`PR_SET_MDWE`).
    pub no_exec_gain: bool,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { total: usize::MAX, data: usize::MAX, stack: 8 << 20, locked: usize::MAX, no_exec_gain: false }
    }
}

impl Area {
    /// Whether it counts as data: private, writable, no stack.
    fn is_data(&self) -> bool {
        self.is_private() && self.prot.contains(Prot::WRITE) && !self.grows_down
    }
}

impl AddressSpace {
    /// What mmap(2) refuses before it looks at what is to be mapped: a place, and more that is locked.
    pub fn foresee(&self, at: Place, len: usize, lock: Lock) -> Result<()> {
        let len = self.page_len(len)?;
        self.settle(&mut self.state.lock(), at, len, lock).map(drop)
    }

    /// Where `len` bytes go, if they may be locked so.
    pub(super) fn settle(&self, state: &mut State, at: Place, len: usize, lock: Lock) -> Result<usize> {
        let start = self.place(state, at, len)?;
        if lock != Lock::None && state.limits.locked == 0 {
            return Err(Errno::EPERM);
        }
        if lock != Lock::None || state.lock_future != Lock::None {
            self.allow_locked(state, len)?;
        }
        Ok(start)
    }

    /// Sets the limits; what is there already stays.
    pub fn set_limits(&self, limits: MemoryLimits) {
        self.state.lock().limits = limits;
    }

    /// Refuses with EACCES to make memory executable that is written, or was not executable.
    pub(super) fn allow_execution(&self, state: &State, old: Prot, new: Prot) -> Result<()> {
        let gains = new.contains(Prot::EXECUTE) && (new.contains(Prot::WRITE) || !old.contains(Prot::EXECUTE));
        if state.limits.no_exec_gain && gains { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// Whether there may be `more` areas.
    pub(super) fn has_room(&self, state: &State, more: usize) -> bool {
        more == 0 || (state.areas.len() + more <= AREAS_MAX && self.machine().heap_room() > 0)
    }

    /// Refuses with ENOMEM to promise memory that the machine does not have in all (`vm.overcommit_memory` 0).
    pub(super) fn promise(&self, len: usize) -> Result<()> {
        if len / PAGE_SIZE > self.machine().frames().total() { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Refuses with ENOMEM to put `area` where it says if that exceeds the program's limits.
    pub(super) fn allow(&self, state: &State, area: &Area) -> Result<()> {
        if (state.limits.total, state.limits.data) == (usize::MAX, usize::MAX) {
            return Ok(());
        }
        let replaced = state.areas.overlapping(area.start, area.end).map(|old| old.clipped(area.start, area.end).len());
        self.allow_more(state, area, area.len() - replaced.sum::<usize>())
    }

    /// Refuses with ENOMEM to make of an area what counts where it did not, and would not have had room there.
    pub(super) fn allow_change(&self, state: &State, area: &Area, prot: Prot) -> Result<()> {
        let changed = Area { prot, ..area.clone() };
        if !prot.contains(Prot::WRITE) || self.allow_more(state, area, area.len()).is_err() {
            return Ok(());
        }
        self.allow_more(state, &changed, area.len())
    }

    /// The same for `more` bytes of the kind of an area.
    pub(super) fn allow_more(&self, state: &State, like: &Area, more: usize) -> Result<()> {
        let MemoryLimits { total, data, .. } = state.limits;
        if (total, data) == (usize::MAX, usize::MAX) {
            return Ok(());
        }
        let whole: usize = state.areas.iter().map(Area::len).sum();
        let is_data = like.is_data();
        let data_now: usize = state.areas.iter().filter(|area| area.is_data()).map(Area::len).sum();
        if whole + more > total || (is_data && data_now + more > data) { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}
