//! Page faults: absent, copy-on-write, grow-down, refused.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::frame::Frame;
use ostd::sync::MutexGuard;
use ostd::user::{Access, PageFault};
use ostd::vm::{Mapped, PageFlags};
use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, OrErrno, Result};
use crate::mm::areas::GUARD_GAP;
use crate::mm::space::{FLOOR, State};
use crate::mm::{AddressSpace, Area, Backing, Prot, Source};

/// Pages of a file that one fault maps at most, if they are at hand.
const AROUND: usize = 16;

/// Why a fault is the program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is mapped there: SIGSEGV, `SEGV_MAPERR`.
    NotMapped,
    /// It is, but not for this: SIGSEGV, `SEGV_ACCERR`.
    NotAllowed,
    /// The file ends before, or cannot be read: SIGBUS.
    BeyondEnd,
    /// No frame is left.
    NoMemory,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        if errno == Errno::ENOMEM { Self::NoMemory } else { Self::BeyondEnd }
    }
}

impl AddressSpace {
    /// Makes the access possible, or says why not. It may sleep. The entry is read again: a fault that somebody else
    /// has resolved meanwhile, or that never was one, is no harm.
    pub fn fault(&self, fault: PageFault) -> core::result::Result<(), Refusal> {
        let page = fault.addr.page_floor();
        if page.as_usize() >= self.end() {
            return Err(Refusal::NotMapped);
        }
        loop {
            let mut state = self.state.lock();
            let area = self.area_for(&mut state, page.as_usize())?;
            let needed = match fault.access {
                Access::Write => Prot::WRITE,
                Access::Execute => Prot::EXECUTE,
                // Whatever is there at all can be read.
                Access::Read => Prot::empty(),
            };
            if !area.prot.contains(needed) || area.prot.is_empty() {
                return Err(Refusal::NotAllowed);
            }
            let write = fault.access == Access::Write;
            let mapped = self.vm.cursor(page..page + PAGE_SIZE).query();
            if let Some(mapped) = mapped {
                return self.fault_present(&area, page, write, &mapped);
            }
            if let Some(frame) = state.parked.remove(&page.as_usize()) {
                let sole = frame.reference_count() == 1;
                self.put(page, frame, area.prot, sole)?;
                // A store to a page of others comes again, and finds it present.
                continue;
            }
            match area.source.clone() {
                Source::Anonymous => {
                    let frame = self.machine().frame().or_errno()?;
                    return self.put(page, frame, area.prot, true);
                }
                Source::Backed(backing, _) => {
                    if self.fault_backed(state, &area, page, write, &backing)? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// A page is there but did not allow the access, or allows it now.
    fn fault_present(
        &self,
        area: &Area,
        page: Vaddr,
        write: bool,
        mapped: &Mapped,
    ) -> core::result::Result<(), Refusal> {
        let mut wanted = mapped.flags;
        wanted.set(PageFlags::EXECUTE, area.prot.contains(Prot::EXECUTE));
        if write && !mapped.flags.contains(PageFlags::WRITE) {
            wanted |= PageFlags::WRITE;
            // The mapping holds one count and we another; nobody can take a third while we hold the areas.
            let sole = mapped.frame.reference_count() == 2;
            match &area.source {
                Source::Backed(backing, _) if !area.is_private() => {
                    backing.note_write(area.page_index(page.as_usize()));
                    mapped.frame.share();
                }
                _ if !sole => {
                    let copy = self.copy_of(&mapped.frame)?;
                    self.vm.cursor(page..page + PAGE_SIZE).replace(copy, wanted).now();
                    return Ok(());
                }
                _ => {}
            }
        }
        let flush = self.vm.cursor(page..page + PAGE_SIZE).protect(PAGE_SIZE, |_| wanted);
        flush.now();
        Ok(())
    }

    /// An absent page of a file or of shared memory. Says whether it is there now; if not, everything is looked at
    /// again.
    fn fault_backed(
        &self,
        state: MutexGuard<'_, State>,
        area: &Area,
        page: Vaddr,
        write: bool,
        backing: &Arc<dyn Backing>,
    ) -> core::result::Result<bool, Refusal> {
        let index = area.page_index(page.as_usize());
        let generation = state.generation;
        drop(state);
        if index >= backing.len().div_ceil(PAGE_SIZE as u64) {
            return Err(Refusal::BeyondEnd);
        }
        let frame = backing.page(index)?;
        let frame = if write && area.is_private() { self.copy_of(&frame)? } else { frame };
        if write && !area.is_private() {
            backing.note_write(index);
        }
        let writable = write || is_writable_at_once(area, backing);
        if writable && !area.is_private() {
            frame.share();
        }
        let state = self.state.lock();
        if state.generation != generation || self.vm.cursor(page..page + PAGE_SIZE).query().is_some() {
            return Ok(false);
        }
        self.put(page, frame, area.prot, writable)?;
        if !write {
            self.map_around(&state, area, page, backing);
        }
        Ok(true)
    }

    /// Maps absent neighbours of `page` that the file has at hand, read-only if stores are to be noted.
    fn map_around(&self, state: &State, area: &Area, page: Vaddr, backing: &Arc<dyn Backing>) {
        let window = AROUND * PAGE_SIZE;
        let first = page.as_usize() / window * window;
        let (start, end) = (first.max(area.start), (first + window).min(area.end));
        let pages = backing.len().div_ceil(PAGE_SIZE as u64);
        let others = (start..end).step_by(PAGE_SIZE).filter(|at| *at != page.as_usize());
        let wanted = others
            .map(|at| (at, area.page_index(at)))
            .filter(|(at, index)| *index < pages && !state.parked.contains_key(at));
        // The cursor spins, so the file is asked before.
        let at_hand: Vec<_> = wanted.filter_map(|(at, index)| Some((at, backing.page_at_hand(index)?))).collect();
        let mut flags = area.prot.page_flags();
        if is_writable_at_once(area, backing) {
            at_hand.iter().for_each(|(_, frame)| frame.share());
        } else {
            flags -= PageFlags::WRITE;
        }
        let mut cursor = self.vm.cursor(Vaddr::new(start)..Vaddr::new(end));
        for (at, frame) in at_hand {
            cursor.jump(Vaddr::new(at));
            if cursor.query().is_none() && cursor.map(frame, flags).is_err() {
                return;
            }
        }
    }

    /// Maps a frame where nothing is, writable if the area is and `writable` says that nobody else would see it.
    fn put(&self, page: Vaddr, frame: Frame, prot: Prot, writable: bool) -> core::result::Result<(), Refusal> {
        let mut flags = prot.page_flags();
        flags.set(PageFlags::WRITE, writable && prot.contains(Prot::WRITE));
        self.vm.cursor(page..page + PAGE_SIZE).map(frame, flags).or_errno()?;
        Ok(())
    }

    fn copy_of(&self, frame: &Frame) -> Result<Frame> {
        let copy = self.machine().frames().alloc_dirty().or_errno()?;
        copy.copy_from(frame);
        Ok(copy)
    }

    /// The area that holds `page`, after a stack above has grown to it if it may.
    fn area_for(&self, state: &mut State, page: usize) -> core::result::Result<Area, Refusal> {
        let area = state.areas.find_from(page).ok_or(Refusal::NotMapped)?;
        if area.start <= page {
            return Ok(area.clone());
        }
        let (start, end) = (area.start, area.end);
        if !area.grows_down || end - page > state.limits.stack || page < FLOOR {
            return Err(Refusal::NotMapped);
        }
        // Another mapping stays a gap away; a stack that grows alike, or one that allows nothing, need not.
        let too_near = state.areas.below(page).is_some_and(|below| {
            !below.grows_down && !below.prot.is_empty() && below.end.saturating_add(GUARD_GAP) > page
        });
        if too_near {
            return Err(Refusal::NotMapped);
        }
        state.areas.grow_down(start, page);
        state.generation += 1;
        state.areas.find(page).cloned().ok_or(Refusal::NotMapped)
    }
}

/// Whether pages of an area can be stored to without a second fault.
fn is_writable_at_once(area: &Area, backing: &Arc<dyn Backing>) -> bool {
    !area.is_private() && backing.is_plain()
}
