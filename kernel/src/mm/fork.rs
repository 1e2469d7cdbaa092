//! A copy of an address space, made when somebody writes.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::Vaddr;
use ostd::vm::PageFlags;

use crate::error::{Errno, OrErrno, Result};
use crate::mm::{AddressSpace, Area, Lock};

impl AddressSpace {
    /// A copy for a child: shared areas are shared, private pages are copied by whoever writes them first.
    pub fn fork(&self) -> Result<Arc<Self>> {
        let child = Self::new(self.machine())?;
        child.relief.lock().clone_from(&self.relief.lock());
        let state = self.state.lock();
        {
            // Two of one rank: nobody knows of the child yet, so this waits for nobody.
            let mut theirs = child.state.try_lock().ok_or(Errno::EAGAIN)?;
            theirs.inherit(&state);
            for area in state.areas.iter().filter(|area| !area.dont_fork) {
                // What is locked is the parent's.
                theirs.areas.insert(Area { lock: Lock::None, ..area.clone() });
                if area.wipe_on_fork {
                    continue;
                }
                theirs.parked.extend(state.parked.range(area.start..area.end).map(|(at, frame)| (*at, frame.clone())));
                // Pages of shared areas are found again by faults.
                if area.is_private() {
                    self.share_pages(area, &child)?;
                }
            }
        }
        Ok(child)
    }

    fn share_pages(&self, area: &Area, child: &Self) -> Result<()> {
        let range = Vaddr::new(area.start)..Vaddr::new(area.end);
        let mut pages = Vec::new();
        let mut cursor = self.vm.cursor(range.clone());
        while let Some((at, mapped)) = cursor.next_mapped() {
            pages.push((at, mapped));
            cursor.advance();
        }
        cursor.jump(range.start);
        let flush = cursor.protect(area.len(), |flags| flags - PageFlags::WRITE);
        drop(cursor);
        flush.now();
        let mut cursor = child.vm.cursor(range);
        for (at, mapped) in pages {
            cursor.jump(at);
            cursor.map(mapped.frame, mapped.flags - PageFlags::WRITE).or_errno()?;
        }
        Ok(())
    }
}
