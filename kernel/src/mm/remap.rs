//! Moving and resizing: mremap(2).

use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, OrErrno, Result};
use crate::mm::space::{FLOOR, State};
use crate::mm::{AREAS_MAX, AddressSpace, Area, Lock, Place, Source};

/// What becomes of a mapping that cannot be resized where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// ENOMEM.
    Never,
    /// It goes wherever there is room (`MREMAP_MAYMOVE`).
    Anywhere,
    /// It goes there in any case, in the place of whatever is there (`MREMAP_FIXED`).
    To(usize),
}

/// What is left where a mapping was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Nothing.
    Nothing,
    /// The area, without its pages (`MREMAP_DONTUNMAP`).
    Area,
}

impl AddressSpace {
    /// Resizes the mapping at `old` from `old_len` to `new_len` bytes and moves it if it must; returns where it is.
    pub fn remap(&self, old: usize, old_len: usize, new_len: usize, how: Move, leave: Leave) -> Result<usize> {
        if !old.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let old_len = old_len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        let new_len = new_len.checked_next_multiple_of(PAGE_SIZE).ok_or(Errno::EINVAL)?;
        if new_len == 0 || (leave == Leave::Area && old_len != new_len) {
            return Err(Errno::EINVAL);
        }
        let old_end = old.checked_add(old_len).ok_or(Errno::EINVAL)?;
        if let Move::To(new) = how {
            let end = new.checked_add(new_len).filter(|end| new % PAGE_SIZE == 0 && *end <= self.end());
            let end = end.ok_or(Errno::EINVAL)?;
            if old < end && new < old_end {
                return Err(Errno::EINVAL);
            }
            if new < FLOOR {
                return Err(Errno::EPERM);
            }
        }
        let mut state = self.state.lock();
        let area = state.areas.find(old).cloned().ok_or(Errno::EFAULT)?;
        if old_len == 0 && area.is_private() {
            return Err(Errno::EINVAL);
        }
        if old_end > area.end && !(new_len <= old_len && state.areas.covers(old, old + new_len)) {
            return Err(Errno::EFAULT);
        }
        if area.lock != Lock::None && new_len > old_len {
            self.allow_locked(&state, new_len - old_len)?;
        }
        if state.areas.len() + 3 >= AREAS_MAX {
            return Err(Errno::ENOMEM);
        }
        let stays = !matches!(how, Move::To(_)) && leave == Leave::Nothing && old_len != 0;
        if stays && new_len <= old_len {
            let removed =
                if new_len < old_len { self.cut(&mut state, old + new_len, old_end) } else { Default::default() };
            drop(state);
            drop(removed);
            return Ok(old);
        }
        let new_end = old.checked_add(new_len).filter(|end| *end <= self.end());
        if let Some(new_end) = new_end.filter(|_| stays && area.end == old_end)
            && !state.areas.overlaps(old_end, new_end)
        {
            let more = beginning_at(&area, old_end, old_end, new_end - old_end);
            self.allow(&state, &more)?;
            self.promise(more.len())?;
            state.generation += 1;
            state.areas.insert(more);
            return Ok(old);
        }
        let new = match how {
            Move::Never => return Err(Errno::ENOMEM),
            Move::Anywhere => self.place(&mut state, Place::Hint(0), new_len)?,
            Move::To(new) => new,
        };
        let moved = beginning_at(&area, old, new, new_len);
        if new_len > old_len {
            self.promise(new_len - old_len)?;
        }
        // Both are there for a moment, as on Linux.
        self.allow(&state, &moved)?;
        let mut removed = self.cut(&mut state, new, new + new_len);
        state.areas.insert(moved);
        if old_len != 0 {
            self.move_pages(&mut state, old, new, old_len.min(new_len))?;
            match leave {
                Leave::Nothing => removed.extend(self.cut(&mut state, old, old_end)),
                Leave::Area => {
                    self.forget_pages(&mut state, old, old_end);
                    super::lock::set(&mut state, old, old_end, Lock::None);
                }
            }
        }
        drop(state);
        drop(removed);
        Ok(new)
    }

    /// Maps at `new` what is at `old` too; the old mapping is taken away afterwards, so that nothing is lost when
    /// memory for the page table is.
    fn move_pages(&self, state: &mut State, old: usize, new: usize, len: usize) -> Result<()> {
        let mut pages = alloc::vec::Vec::new();
        let mut cursor = self.vm.cursor(Vaddr::new(old)..Vaddr::new(old + len));
        while let Some((at, mapped)) = cursor.next_mapped() {
            pages.push((at.as_usize() - old, mapped));
            cursor.advance();
        }
        drop(cursor);
        let mut cursor = self.vm.cursor(Vaddr::new(new)..Vaddr::new(new + len));
        for (offset, mapped) in pages {
            cursor.jump(Vaddr::new(new + offset));
            cursor.map(mapped.frame, mapped.flags).or_errno()?;
        }
        drop(cursor);
        let parked: alloc::vec::Vec<usize> = state.parked.range(old..old + len).map(|(at, _)| *at).collect();
        for at in parked {
            if let Some(frame) = state.parked.remove(&at) {
                state.parked.insert(at - old + new, frame);
            }
        }
        Ok(())
    }
}

/// An area of `len` bytes at `at` that shows what `area` shows from `from` on.
fn beginning_at(area: &Area, from: usize, at: usize, len: usize) -> Area {
    let mut moved = area.clone();
    if let Source::Backed(_, offset) = &mut moved.source {
        *offset += (from - area.start) as u64;
    }
    moved.start = at;
    moved.end = at + len;
    moved
}
