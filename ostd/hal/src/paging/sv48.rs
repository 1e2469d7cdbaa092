//! RISC-V Sv48 entries (privileged architecture, chapter "Sv48: Page-Based 48-bit Virtual-Memory System").

use super::{PageEntry, PageFlags};
use crate::{PAGE_SHIFT, Paddr};

const VALID: u64 = 1;
const READ: u64 = 1 << 1;
const EXECUTE: u64 = 1 << 3;
const PPN_SHIFT: u32 = 10;
const PPN: u64 = (1 << 44) - 1;
const BITS: [(PageFlags, u64); 7] = [
    (PageFlags::WRITE, 1 << 2),
    (PageFlags::EXECUTE, EXECUTE),
    (PageFlags::USER, 1 << 4),
    (PageFlags::ACCESSED, 1 << 6),
    (PageFlags::DIRTY, 1 << 7),
    (PageFlags::SOFT0, 1 << 8),
    (PageFlags::SOFT1, 1 << 9),
];

/// A Sv48 page-table entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Entry(u64);

impl PageEntry for Entry {
    const ABSENT: Self = Self(0);

    fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    fn bits(self) -> u64 {
        self.0
    }

    fn table(node: Paddr) -> Self {
        // Neither read, write nor execute: "pointer to next level of page table".
        Self((node.as_usize() as u64 >> PAGE_SHIFT) << PPN_SHIFT | VALID)
    }

    fn page(frame: Paddr, flags: PageFlags) -> Self {
        let mut bits = (frame.as_usize() as u64 >> PAGE_SHIFT) << PPN_SHIFT | VALID | READ;
        for (flag, bit) in BITS {
            if flags.contains(flag) {
                bits |= bit;
            }
        }
        Self(bits)
    }

    fn is_present(self) -> bool {
        self.0 & VALID != 0
    }

    fn is_leaf(self, _level: usize) -> bool {
        self.0 & (READ | EXECUTE) != 0
    }

    fn paddr(self) -> Paddr {
        Paddr::new(((self.0 >> PPN_SHIFT & PPN) << PAGE_SHIFT) as usize)
    }

    fn flags(self) -> PageFlags {
        let mut flags = PageFlags::empty();
        for (flag, bit) in BITS {
            flags.set(flag, self.0 & bit != 0);
        }
        flags
    }
}
