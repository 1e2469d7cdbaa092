//! Advice and questions about ranges: madvise(2), msync(2), mincore(2).

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::user::{Access, PageFault};
use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, Result};
use crate::mm::{AddressSpace, Area, Hints, Lock, Prot, Refusal, Source};

/// Advice that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Forget the pages: what is private is zeros, or the file's, again (`MADV_DONTNEED`).
    Forget,
    /// Even of locked pages (`MADV_DONTNEED_LOCKED`).
    ForgetLocked,
    /// Have the pages' memory taken first (`MADV_COLD`, `MADV_PAGEOUT`), which happens to none.
    Chill,
    /// The same of private zeros alone, at leisure (`MADV_FREE`).
    Free,
    /// A child gets the range, or not (`MADV_DOFORK`, `MADV_DONTFORK`).
    Inherit(bool),
    /// A child gets zeros, or not (`MADV_WIPEONFORK`, `MADV_KEEPONFORK`).
    Wipe(bool),
    /// Have the pages ready to read (`MADV_POPULATE_READ`).
    PopulateRead,
    /// Have the pages ready to write (`MADV_POPULATE_WRITE`).
    PopulateWrite,
    /// Make a hole in what is shared (`MADV_REMOVE`).
    Remove,
    /// How the range will be used, and what was said of it and is true no more.
    Hint(Hints, Hints),
    /// Nothing that changes what a program sees.
    Nothing,
}

impl AddressSpace {
    /// Takes advice about a range. ENOMEM if it has holes, after what is there was treated.
    pub fn advise(&self, at: usize, len: usize, advice: Advice) -> Result<()> {
        let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        let end = at.checked_add(len).filter(|_| at.is_multiple_of(PAGE_SIZE)).ok_or(Errno::EINVAL)?;
        if at == end {
            return Ok(());
        }
        // Behind the program's half of memory is a hole like any other.
        if end > self.end() {
            return Err(Errno::ENOMEM);
        }
        if matches!(advice, Advice::PopulateRead | Advice::PopulateWrite) {
            let access = if advice == Advice::PopulateRead { Access::Read } else { Access::Write };
            return self.populate_strictly(at, end, access);
        }
        if advice == Advice::Remove {
            return self.make_hole(at, end);
        }
        let mut state = self.state.lock();
        let is_said = matches!(advice, Advice::Inherit(_) | Advice::Wipe(_) | Advice::Hint(..));
        if is_said && !self.has_room(&state, state.areas.splits(at, end)) {
            return Err(Errno::EAGAIN);
        }
        let whole = state.areas.covers(at, end);
        let parts: Vec<Area> = state.areas.overlapping(at, end).map(|area| area.clipped(at, end)).collect();
        for mut part in parts {
            let anonymous = part.is_private() && matches!(part.source, Source::Anonymous);
            match advice {
                Advice::Free | Advice::Wipe(true) if !anonymous => return Err(Errno::EINVAL),
                Advice::Forget | Advice::Free | Advice::Chill if part.lock != Lock::None => return Err(Errno::EINVAL),
                Advice::Forget | Advice::ForgetLocked | Advice::Free => {
                    self.forget_pages(&mut state, part.start, part.end)
                }
                Advice::Inherit(inherit) => part.dont_fork = !inherit,
                Advice::Wipe(false) if part.droppable => return Err(Errno::EINVAL),
                Advice::Wipe(wipe) => part.wipe_on_fork = wipe,
                Advice::Hint(_, gone) if part.droppable && gone.contains(Hints::NOT_DUMPED) => {
                    return Err(Errno::EINVAL);
                }
                // What is shared is merged with nothing.
                Advice::Hint(Hints::MERGEABLE, _) if !part.is_private() => continue,
                Advice::Hint(said, gone) => part.hints = part.hints.difference(gone).union(said),
                Advice::PopulateRead | Advice::PopulateWrite | Advice::Remove | Advice::Chill | Advice::Nothing => {}
            }
            if is_said {
                state.generation += 1;
                state.areas.remove(part.start, part.end);
                state.areas.insert(part);
            }
        }
        if whole { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Makes `[at, end)` zeros for all who share it. EINVAL where nothing is shared but private zeros, EACCES where it may
    /// never be written, ENOMEM if it has holes, after what is there was treated.
    fn make_hole(&self, at: usize, end: usize) -> Result<()> {
        let (covers, parts) = {
            let state = self.state.lock();
            let parts: Vec<Area> = state.areas.overlapping(at, end).map(|area| area.clipped(at, end)).collect();
            (state.areas.covers(at, end), parts)
        };
        for part in parts {
            let Source::Backed(backing, offset) = &part.source else { return Err(Errno::EINVAL) };
            if part.lock != Lock::None {
                return Err(Errno::EINVAL);
            }
            if part.is_private() || !part.allowed.contains(Prot::WRITE) {
                return Err(Errno::EACCES);
            }
            backing.punch(*offset, part.len() as u64)?;
        }
        if covers { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Brings what was stored in shared pages of a range to where their files keep it. ENOMEM if it has holes.
    pub fn sync(&self, at: usize, len: usize) -> Result<()> {
        if !at.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let len = len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::ENOMEM)?;
        let end = at.checked_add(len).filter(|end| *end <= self.end()).ok_or(Errno::ENOMEM)?;
        let (covers, shared) = {
            let state = self.state.lock();
            let source = |area: &Area| match &area.source {
                Source::Backed(backing, _) if !area.is_private() => Some(Arc::clone(backing)),
                _ => None,
            };
            let shared: Vec<_> = state.areas.overlapping(at, end).filter_map(source).collect();
            (state.areas.covers(at, end), shared)
        };
        for backing in shared {
            backing.sync()?;
        }
        if covers { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// One byte per page up to the first hole: 1 if it is in memory.
    pub fn mincore(&self, at: usize, len: usize) -> Vec<u8> {
        let state = self.state.lock();
        let (mut mapped, end) = (at, at.saturating_add(len).min(self.end()));
        for area in state.areas.overlapping(at, end) {
            if area.start > mapped {
                break;
            }
            mapped = area.end;
        }
        let mut pages = Vec::new();
        for page in (at..mapped.min(end)).step_by(PAGE_SIZE) {
            let there = self.vm.query(Vaddr::new(page)).is_some()
                || state.parked.contains_key(&page)
                || state.areas.find(page).is_some_and(|area| match &area.source {
                    Source::Anonymous => false,
                    Source::Backed(backing, _) => backing.page_at_hand(area.page_index(page)).is_some(),
                });
            pages.push(u8::from(there));
        }
        pages
    }

    /// Forgets the pages that show a file from page `first` on, because it has become shorter: whoever touches them
    /// finds out anew. Even what was changed privately is gone, as truncate(2) has it.
    pub fn forget_behind(&self, identity: (u64, u64), first: u64) {
        let of_file = |area: &Area| match &area.source {
            Source::Backed(backing, _) => Some(Arc::clone(backing)),
            Source::Anonymous => None,
        };
        // Files are asked who they are without the areas' lock.
        let areas = self.state.lock().areas.clone();
        for area in areas.iter() {
            let Some(backing) = of_file(area).filter(|backing| backing.identity() == identity) else { continue };
            let mut state = self.state.lock();
            let parts: Vec<Area> = state.areas.overlapping(area.start, area.end).cloned().collect();
            for part in parts {
                if !of_file(&part).is_some_and(|now| Arc::ptr_eq(&now, &backing)) {
                    continue;
                }
                let shown = first.saturating_sub(part.page_index(part.start)).saturating_mul(PAGE_SIZE as u64);
                let from = part.start.saturating_add(usize::try_from(shown).unwrap_or(usize::MAX));
                if from < part.end {
                    state.generation += 1;
                    self.forget_pages(&mut state, from, part.end);
                }
            }
        }
    }

    /// Makes every page of `[at, end)` present: ENOMEM at a hole, EINVAL where the area refuses, EFAULT where the file
    /// does.
    pub fn populate(&self, at: usize, end: usize, access: Access) -> Result<()> {
        for page in (at..end).step_by(PAGE_SIZE) {
            let page = Vaddr::new(page);
            match self.fault(PageFault { addr: page, access }) {
                Ok(()) => {}
                Err(Refusal::NotMapped | Refusal::NoMemory) => return Err(Errno::ENOMEM),
                Err(Refusal::NotAllowed) => return Err(Errno::EINVAL),
                Err(Refusal::BeyondEnd) => return Err(Errno::EFAULT),
            }
        }
        Ok(())
    }

    /// As [`populate`](Self::populate) where areas are readable or writable, whatever else lets them be touched.
    fn populate_strictly(&self, at: usize, end: usize, access: Access) -> Result<()> {
        let parts: Vec<Area> = {
            let state = self.state.lock();
            state.areas.overlapping(at, end).map(|area| area.clipped(at, end)).collect()
        };
        let wanted = if access == Access::Write { Prot::WRITE } else { Prot::READ };
        let mut next = at;
        for part in parts {
            if part.start > next {
                return Err(Errno::ENOMEM);
            }
            if !part.prot.contains(wanted) {
                return Err(Errno::EINVAL);
            }
            self.populate(part.start, part.end, access)?;
            next = part.end;
        }
        if next < end { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// As [`populate`](Self::populate) for each area of the range as it allows, silent about what cannot be
    /// (`MAP_POPULATE`, mlock(2)).
    pub fn populate_as_allowed(&self, at: usize, end: usize) {
        let parts: Vec<Area> = {
            let state = self.state.lock();
            state.areas.overlapping(at, end).map(|area| area.clipped(at, end)).collect()
        };
        for part in parts {
            let write = part.is_private() && part.prot.contains(Prot::WRITE);
            let _ = self.populate(part.start, part.end, if write { Access::Write } else { Access::Read });
        }
    }
}
