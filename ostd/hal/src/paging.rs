//! What a page-table entry means, and its real encodings.
//!
//! Both formats have 512 entries of 64 bits per node and at most four levels: level 0 holds pages, the root is one below
//! what [`Hal::levels`](crate::Hal::levels) says.

use crate::Paddr;

pub mod sv48;
pub mod x86_64;

/// log2 of the entries in a node.
pub const INDEX_BITS: u32 = 9;
/// Entries in a node, both formats.
pub const ENTRIES: usize = 1 << INDEX_BITS;
/// The most levels a tree has, both formats: its root is level `LEVELS - 1`. RISC-V's Sv39 has one less.
pub const LEVELS: usize = 4;

bitflags::bitflags! {
    /// What a mapping allows and what the machine has noticed about it. A present page is always readable.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct PageFlags: u8 {
        /// User code may store to the page.
        const WRITE = 1;
        /// User code may run from the page.
        const EXECUTE = 1 << 1;
        /// User code may use the page at all.
        const USER = 1 << 2;
        /// The page has been used since this was cleared.
        const ACCESSED = 1 << 3;
        /// The page has been written since this was cleared.
        const DIRTY = 1 << 4;
        /// First of two bits that mean whatever the owner of the tree wants (copy-on-write, say).
        const SOFT0 = 1 << 5;
        /// Second of the two.
        const SOFT1 = 1 << 6;
    }
}

/// One entry as the hardware encodes it.
pub trait PageEntry: Copy + Eq + Send + Sync + 'static {
    /// The entry that maps nothing.
    const ABSENT: Self;
    /// The entry whose encoding is `bits`.
    fn from_bits(bits: u64) -> Self;
    /// The hardware's encoding.
    fn bits(self) -> u64;
    /// An entry for a node of the next level down.
    fn table(node: Paddr) -> Self;
    /// An entry for a page.
    fn page(frame: Paddr, flags: PageFlags) -> Self;
    /// Whether the entry leads anywhere.
    fn is_present(self) -> bool;
    /// Whether a present entry at `level` maps memory rather than naming a node.
    fn is_leaf(self, level: usize) -> bool;
    /// Where a present entry leads.
    fn paddr(self) -> Paddr;
    /// The flags of a leaf.
    fn flags(self) -> PageFlags;
}

/// The index of `vaddr` in a node of `level`.
pub const fn index(vaddr: crate::Vaddr, level: usize) -> usize {
    (vaddr.as_usize() >> (crate::PAGE_SHIFT + INDEX_BITS * level as u32)) & (ENTRIES - 1)
}

/// Bytes that one entry of a node of `level` covers.
pub const fn span(level: usize) -> usize {
    1 << (crate::PAGE_SHIFT + INDEX_BITS * level as u32)
}

#[cfg(test)]
mod tests {
    use super::{PageEntry, PageFlags, sv48, x86_64};
    use crate::Paddr;

    fn an_entry_gives_back_what_it_was_made_of<E: PageEntry + core::fmt::Debug>() {
        for bits in 0..=PageFlags::all().bits() {
            let Some(flags) = PageFlags::from_bits(bits) else { continue };
            let entry = E::page(Paddr::new(0x1234_5000), flags);
            assert!(entry.is_present() && entry.is_leaf(0));
            assert_eq!((entry.paddr(), entry.flags()), (Paddr::new(0x1234_5000), flags));
            assert_eq!(E::from_bits(entry.bits()), entry);
        }
        let node = E::table(Paddr::new(0x7000));
        assert!(node.is_present() && !node.is_leaf(3) && node.paddr() == Paddr::new(0x7000));
        assert!(!E::ABSENT.is_present());
    }

    #[test]
    fn both_formats_round_trip() {
        an_entry_gives_back_what_it_was_made_of::<x86_64::Entry>();
        an_entry_gives_back_what_it_was_made_of::<sv48::Entry>();
    }
}
