//! One address space: a page-table tree and the frames it maps.
#![expect(unsafe_code, reason = "reads and frees the nodes of a page-table tree")]

use alloc::sync::Arc;
use core::ops::Range;

use ostd_hal::paging::{ENTRIES, PageEntry as _, index, span};
use ostd_hal::{Hal, PAGE_SIZE, Paddr, SafePoint, Vaddr};

use crate::cpu::CurrentCpu;
use crate::frame::{Frame, TableFrame};
use crate::machine::Core;
use crate::sync::{SpinLock, SpinLockGuard};
use crate::vm::{Cursor, Flush, PageFlags};
use crate::{Backend, Error, Machine};

pub(super) type Entry = <Backend as Hal>::Entry;

/// An address space. Its frames are freed when it is dropped.
pub struct VmSpace {
    machine: Machine,
    root: Paddr,
    tree: SpinLock<()>,
}

impl VmSpace {
    /// An empty address space.
    #[track_caller]
    pub fn new(machine: &Machine) -> Result<Self, Error> {
        let root = machine.0.alloc_table()?.into_paddr();
        machine.0.backend.space_made(root);
        Ok(Self { machine: machine.clone(), root, tree: SpinLock::new(()) })
    }

    /// A cursor over `range`, standing at its start. No other cursor of this space exists meanwhile: others wait,
    /// spinning.
    ///
    /// Panics if the range is not page-aligned or leaves user space.
    pub fn cursor(&self, range: Range<Vaddr>) -> Cursor<'_> {
        assert!(range.start.is_page_aligned() && range.end.is_page_aligned(), "{range:?} is not page-aligned");
        assert!(
            range.start <= range.end && range.end <= self.machine.0.backend.user_end(),
            "{range:?} is not user space"
        );
        Cursor::new(self, range)
    }

    /// The frame and flags at `at`'s page, if it is mapped.
    pub fn query(&self, at: Vaddr) -> Option<crate::vm::Mapped> {
        let page = at.page_floor();
        if at >= self.machine.0.backend.user_end() {
            return None;
        }
        self.cursor(page..page + PAGE_SIZE).query()
    }

    /// The machine it belongs to.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// A number that no other living address space of this machine has.
    pub fn id(&self) -> u64 {
        self.root.as_usize() as u64
    }

    pub(crate) fn root(&self) -> Paddr {
        self.root
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.machine.0
    }

    pub(super) fn lock(&self) -> SpinLockGuard<'_, ()> {
        CurrentCpu::safe_point(SafePoint::PageTable);
        self.tree.lock()
    }

    /// The address of the leaf entry for `at`, with the nodes above it made if `make`.
    #[track_caller]
    pub(super) fn leaf(&self, at: Vaddr, make: bool) -> Result<Option<Paddr>, Error> {
        let mut node = self.root;
        for level in (1..self.core().backend.levels()).rev() {
            let slot = node + index(at, level) * 8;
            let entry = self.load(slot);
            node = if entry.is_present() {
                entry.paddr()
            } else if make {
                let below = self.core().alloc_table()?.into_paddr();
                self.store(slot, Entry::table(below));
                below
            } else {
                return Ok(None);
            };
        }
        Ok(Some(node + index(at, 0) * 8))
    }

    /// The first address at or after `from` and before `end` whose leaf entry is present, and that entry's address.
    pub(super) fn next_present(&self, mut from: Vaddr, end: Vaddr) -> Option<(Vaddr, Paddr)> {
        'restart: while from < end {
            let mut node = self.root;
            for level in (1..self.core().backend.levels()).rev() {
                let entry = self.load(node + index(from, level) * 8);
                if !entry.is_present() {
                    // Nothing under this entry: go on behind what it covers.
                    let behind = (from.as_usize() | (span(level) - 1)).checked_add(1)?;
                    from = Vaddr::new(behind);
                    continue 'restart;
                }
                node = entry.paddr();
            }
            for i in index(from, 0)..ENTRIES {
                if from >= end {
                    return None;
                }
                if self.load(node + i * 8).is_present() {
                    return Some((from, node + i * 8));
                }
                from = from + PAGE_SIZE;
            }
        }
        None
    }

    pub(super) fn load(&self, slot: Paddr) -> Entry {
        Entry::from_bits(self.core().backend.word_load(slot))
    }

    pub(super) fn store(&self, slot: Paddr, entry: Entry) {
        self.core().about_to_write_table(slot);
        // SAFETY: `slot` is in a node of this tree, which the tree owns and whose lock the caller holds (or nobody else
        // can reach the space, in `drop`).
        unsafe { self.core().backend.word_store(slot, entry.bits()) };
    }

    /// The count that a leaf entry holds, taken back.
    ///
    /// The entry must already be gone from the tree, and this called once for it.
    pub(super) fn unmapped(&self, entry: Entry) -> Frame {
        if self.core().checks && entry.flags().contains(PageFlags::WRITE) {
            self.mapped(entry).taken_from(self.root);
        }
        self.frame_of(entry)
    }

    fn frame_of(&self, entry: Entry) -> Frame {
        // SAFETY: `Cursor::map` put the frame's count there by `into_raw`; removed entries are handed to `unmapped` once,
        // and `mapped` gives the count back.
        unsafe { Frame::from_raw(self.core(), entry.paddr()) }
    }

    /// What a leaf entry becomes, or came to be: checkers see whether the frame may be mapped so.
    #[track_caller]
    pub(super) fn note(&self, old: Entry, new: Entry) {
        if self.core().checks {
            let frame = self.mapped(new);
            let writable = new.flags().contains(PageFlags::WRITE);
            if old.is_present() && old.flags().contains(PageFlags::WRITE) && !writable {
                frame.taken_from(self.root);
            }
            frame.given_to(self.root, writable);
        }
    }

    /// Another count of the frame that a leaf entry maps.
    pub(super) fn mapped(&self, entry: Entry) -> Frame {
        let held = core::mem::ManuallyDrop::new(self.frame_of(entry));
        Frame::clone(&held)
    }

    fn free_node(&self, node: Paddr, level: usize) {
        // SAFETY: the node came from `into_paddr` in `new` or `leaf`, and its tree is being taken apart once.
        let table = unsafe { TableFrame::from_paddr(self.core(), node) };
        table.take_words(|word| {
            let entry = Entry::from_bits(word);
            if !entry.is_present() {
                return;
            }
            if level == 0 {
                drop(self.unmapped(entry));
            } else {
                self.free_node(entry.paddr(), level - 1);
            }
        });
    }

    /// Unmaps everything.
    #[track_caller]
    pub fn clear(&self) -> Flush<'_> {
        let end = self.machine.0.backend.user_end();
        let mut cursor = self.cursor(Vaddr::new(0)..end.page_floor());
        cursor.unmap(end.page_floor().as_usize())
    }
}

impl Drop for VmSpace {
    fn drop(&mut self) {
        // First what machines remember of it, then the frames.
        self.machine.0.backend.space_retired(self.root);
        self.free_node(self.root, self.core().backend.levels() - 1);
    }
}

impl core::fmt::Debug for VmSpace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "VmSpace({})", self.root)
    }
}

/// What `flags` are to a page that users may touch. Accessed and dirty from the start: nobody asks for them, and hardware
/// that leaves them to the kernel (RISC-V's Svade) would fault.
pub(super) fn user_page(frame: Paddr, flags: PageFlags) -> Entry {
    Entry::page(frame, flags | PageFlags::USER | PageFlags::ACCESSED | PageFlags::DIRTY)
}
