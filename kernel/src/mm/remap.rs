//! Moving and resizing: mremap(2).

use alloc::vec::Vec;

use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, OrErrno, Result};
use crate::mm::space::{FLOOR, State};
use crate::mm::{AddressSpace, Area, Lock, Place, Source};

/// Where a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Nowhere: ENOMEM if it cannot be resized where it is.
    Never,
    /// If it must, wherever there is room (`MREMAP_MAYMOVE`).
    Anywhere,
    /// Wherever there is room in any case, there if possible (`MREMAP_DONTUNMAP`).
    Near(usize),
    /// There in any case, in the place of whatever is there (`MREMAP_FIXED`).
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

/// What is to become of `old_len` bytes at `old`.
#[derive(Clone, Copy)]
struct Wish {
    old: usize,
    old_len: usize,
    new_len: usize,
    how: Move,
    leave: Leave,
}

impl AddressSpace {
    /// Resizes the mapping at `old` from `old_len` to `new_len` bytes and moves it if it must; returns where it is.
    pub fn remap(&self, old: usize, old_len: usize, new_len: usize, how: Move, leave: Leave) -> Result<usize> {
        // A length that wraps when it is rounded is none.
        let pages = |len: usize| len.checked_next_multiple_of(PAGE_SIZE).unwrap_or(0);
        let wish = Wish { old, old_len: pages(old_len), new_len: pages(new_len), how, leave };
        let Wish { old_len, new_len, .. } = wish;
        if !old.is_multiple_of(PAGE_SIZE) || new_len == 0 || new_len > self.end() {
            return Err(Errno::EINVAL);
        }
        if let Move::To(new) | Move::Near(new) = how {
            let is_place = new.is_multiple_of(PAGE_SIZE) && new <= self.end() - new_len;
            let resizes = leave == Leave::Area && old_len != new_len;
            if !is_place || resizes || (old.wrapping_add(old_len) > new && new + new_len > old) {
                return Err(Errno::EINVAL);
            }
        }
        // What was there is dropped after the lock.
        let mut removed = Vec::new();
        let mut state = self.state.lock();
        match how {
            Move::To(_) | Move::Near(_) if !self.has_room(&state, 6) => Err(Errno::ENOMEM),
            Move::To(new) if old_len == new_len => self.move_all(&mut state, &mut removed, &wish, new),
            Move::To(_) | Move::Near(_) => self.move_one(&mut state, &mut removed, &wish),
            Move::Never | Move::Anywhere => self.resize(&mut state, &mut removed, &wish),
        }
    }

    /// The area at the beginning, if it may become what is wished.
    fn resizable(&self, state: &State, wish: &Wish) -> Result<Area> {
        let Wish { old, old_len, new_len, how, .. } = *wish;
        let area = state.areas.find(old).cloned().ok_or(Errno::EFAULT)?;
        // What only becomes shorter where it is may have holes, and be many.
        if new_len <= old_len && matches!(how, Move::Never | Move::Anywhere) {
            return Ok(area);
        }
        // Nothing of it is all of it once more, which private memory is not.
        if old_len == 0 && area.is_private() {
            return Err(Errno::EINVAL);
        }
        if old_len.min(new_len) > area.end - old {
            return Err(Errno::EFAULT);
        }
        if new_len > old_len {
            if area.lock != Lock::None {
                self.allow_locked(state, new_len - old_len)?;
            }
            self.allow_more(state, &area, new_len - old_len)?;
        }
        Ok(area)
    }

    /// Where it is, if that can be.
    fn resize(&self, state: &mut State, removed: &mut Vec<Area>, wish: &Wish) -> Result<usize> {
        let Wish { old, old_len, new_len, how, .. } = *wish;
        let area = self.resizable(state, wish)?;
        if new_len < old_len {
            let end = self.range(old + new_len, old_len - new_len)?;
            removed.extend(self.cut(state, old + new_len, end));
        }
        if new_len <= old_len {
            return Ok(old);
        }
        let (old_end, new_end) = (old + old_len, old.checked_add(new_len).filter(|end| *end <= self.end()));
        if let Some(new_end) = new_end.filter(|_| old_len != 0 && area.end == old_end)
            && !state.areas.overlaps(old_end, new_end)
        {
            self.promise(new_len - old_len)?;
            state.generation += 1;
            state.areas.insert(beginning_at(&area, old_end, old_end, new_end - old_end));
            return Ok(old);
        }
        if how == Move::Never || !self.has_room(state, 4) {
            return Err(Errno::ENOMEM);
        }
        let new = self.place(state, Place::Hint(0), new_len)?;
        self.move_area(state, removed, &area, wish, new)
    }

    /// Elsewhere, longer or shorter. What is in its way there, and what it is to lose, is gone even if it cannot move.
    fn move_one(&self, state: &mut State, removed: &mut Vec<Area>, wish: &Wish) -> Result<usize> {
        let area = self.resizable(state, wish)?;
        let mut wish = *wish;
        if let Move::To(new) = wish.how {
            removed.extend(self.cut(state, new, new + wish.new_len));
            // A length that wraps may have hidden that this was it.
            state.areas.find(wish.old).ok_or(Errno::EFAULT)?;
        }
        if wish.new_len < wish.old_len {
            let end = self.range(wish.old + wish.new_len, wish.old_len - wish.new_len)?;
            removed.extend(self.cut(state, wish.old + wish.new_len, end));
            wish.old_len = wish.new_len;
        }
        if wish.leave == Leave::Area {
            self.allow_more(state, &area, wish.old_len)?;
        }
        let new = match wish.how {
            Move::To(new) | Move::Near(new) if new < FLOOR && (new, wish.how) != (0, Move::Near(0)) => {
                return Err(Errno::EPERM);
            }
            Move::To(new) => new,
            Move::Near(new) => self.place(state, Place::Hint(new), wish.new_len)?,
            Move::Never | Move::Anywhere => return Err(Errno::EINVAL),
        };
        self.move_area(state, removed, &area, &wish, new)
    }

    /// Elsewhere, and be it many areas: the holes between them stay. So since Linux 6.17; before, there was one.
    fn move_all(&self, state: &mut State, removed: &mut Vec<Area>, wish: &Wish, new: usize) -> Result<usize> {
        let end = wish.old.checked_add(wish.old_len).ok_or(Errno::EFAULT)?;
        let parts: Vec<(usize, usize)> =
            state.areas.overlapping(wish.old, end).map(|area| (area.start.max(wish.old), area.end.min(end))).collect();
        if parts.first().is_none_or(|first| first.0 > wish.old) {
            return Err(Errno::EFAULT);
        }
        for (start, end) in parts {
            let (len, to) = (end - start, new + (start - wish.old));
            self.move_one(
                state,
                removed,
                &Wish { old: start, old_len: len, new_len: len, how: Move::To(to), ..*wish },
            )?;
        }
        Ok(new)
    }

    /// What `area` shows from a place on is shown at `new`, where nothing is.
    fn move_area(
        &self,
        state: &mut State,
        removed: &mut Vec<Area>,
        area: &Area,
        wish: &Wish,
        new: usize,
    ) -> Result<usize> {
        let Wish { old, old_len, new_len, leave, .. } = *wish;
        if new_len > old_len {
            self.promise(new_len - old_len)?;
        }
        state.generation += 1;
        state.areas.insert(beginning_at(area, old, new, new_len));
        if old_len == 0 {
            return Ok(new);
        }
        if let Err(errno) = self.move_pages(state, old, new, old_len.min(new_len)) {
            // Private memory in two places would be shared.
            removed.extend(self.cut(state, new, new + new_len));
            return Err(errno);
        }
        match leave {
            Leave::Nothing => removed.extend(self.cut(state, old, old + old_len)),
            Leave::Area => {
                self.forget_pages(state, old, old + old_len);
                super::lock::set(state, old, old + old_len, Lock::None);
            }
        }
        Ok(new)
    }

    /// Maps at `new` what is at `old` too; the old mapping is taken away afterwards, so that nothing is lost when
    /// memory for the page table is.
    fn move_pages(&self, state: &mut State, old: usize, new: usize, len: usize) -> Result<()> {
        let mut pages = Vec::new();
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
        let parked: Vec<usize> = state.parked.range(old..old + len).map(|(at, _)| *at).collect();
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
