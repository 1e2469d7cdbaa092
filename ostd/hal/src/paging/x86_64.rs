//! x86-64 four-level entries (Intel SDM volume 3, chapter 4.5).

use super::{PageEntry, PageFlags};
use crate::Paddr;

const PRESENT: u64 = 1;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Flag against hardware bit; execution is the inverse of `NO_EXECUTE` and handled apart.
const BITS: [(PageFlags, u64); 6] = [
    (PageFlags::WRITE, 1 << 1),
    (PageFlags::USER, 1 << 2),
    (PageFlags::ACCESSED, 1 << 5),
    (PageFlags::DIRTY, 1 << 6),
    (PageFlags::SOFT0, 1 << 9),
    (PageFlags::SOFT1, 1 << 10),
];

/// An x86-64 page-table entry.
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
        // Nodes allow everything; the leaf decides.
        Self(node.as_usize() as u64 | PRESENT | 1 << 1 | 1 << 2)
    }

    fn page(frame: Paddr, flags: PageFlags) -> Self {
        let mut bits = frame.as_usize() as u64 | PRESENT;
        for (flag, bit) in BITS {
            if flags.contains(flag) {
                bits |= bit;
            }
        }
        if !flags.contains(PageFlags::EXECUTE) {
            bits |= NO_EXECUTE;
        }
        Self(bits)
    }

    fn is_present(self) -> bool {
        self.0 & PRESENT != 0
    }

    fn is_leaf(self, level: usize) -> bool {
        level == 0 || self.0 & LARGE != 0
    }

    fn paddr(self) -> Paddr {
        Paddr::new((self.0 & ADDRESS) as usize)
    }

    fn flags(self) -> PageFlags {
        let mut flags = PageFlags::empty();
        for (flag, bit) in BITS {
            flags.set(flag, self.0 & bit != 0);
        }
        flags.set(PageFlags::EXECUTE, self.0 & NO_EXECUTE == 0);
        flags
    }
}
