//! A copy of an address space, made when somebody writes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::vm::PageFlags;
use ostd::{PAGE_SIZE, Vaddr};

use crate::error::{Errno, OrErrno, Result};
use crate::mm::{AddressSpace, Area};

impl AddressSpace {
    /// A copy for a child: shared areas are shared, private pages are copied by whoever writes them first.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let child = Self::new(self.machine())?;
        child.relief.lock().clone_from(&self.relief.lock());
        let state = self.state.lock();
        // As many nodes of a tree as areas, and none is full.
        if state.areas.len() * size_of::<Area>() * 2 > self.machine().heap_room() {
            return Err(Errno::ENOMEM);
        }
        {
            // Two of one rank: nobody knows of the child yet, so this waits for nobody.
            let mut theirs = child.state.try_lock().ok_or(Errno::EAGAIN)?;
            theirs.inherit(&state);
            theirs.areas = state.areas.for_child();
            if !state.parked.is_empty() {
                let stays = |at: &usize| theirs.areas.find(*at).is_some_and(|area| !area.wipe_on_fork);
                let parked: Vec<_> = state.parked.iter().filter(|(at, _)| stays(at)).collect();
                theirs.parked.extend(parked.into_iter().map(|(at, frame)| (*at, frame.clone())));
            }
            // Pages of shared areas are found again by faults.
            self.share_pages(theirs.areas.iter().filter(|area| area.is_private() && !area.wipe_on_fork), &child)?;
        }
        Ok(child)
    }

    /// Gives the child the pages of these areas.
    fn share_pages<'a>(&self, areas: impl Iterator<Item = &'a Area>, child: &Self) -> Result<()> {
        let all = Vaddr::new(0)..Vaddr::new(self.end());
        let mut pages = Vec::new();
        let mut cursor = self.vm.cursor(all.clone());
        let mut flush = cursor.protect(0, |flags| flags);
        for area in areas {
            cursor.jump(Vaddr::new(area.start));
            while let Some((at, mapped)) = cursor.next_mapped_before(Vaddr::new(area.end)) {
                // Most are as the last fork left them.
                if mapped.flags.contains(PageFlags::WRITE) {
                    flush.merge(cursor.protect(PAGE_SIZE, |flags| flags - PageFlags::WRITE));
                } else {
                    cursor.advance();
                }
                pages.push((at, mapped));
            }
        }
        drop(cursor);
        flush.now();
        let mut cursor = child.vm.cursor(all);
        for (at, mapped) in pages {
            cursor.jump(at);
            cursor.map(mapped.frame, mapped.flags - PageFlags::WRITE).or_errno()?;
        }
        Ok(())
    }
}
