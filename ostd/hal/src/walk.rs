//! The software walker: from a root and a virtual address to a page.

use crate::paging::{LEVELS, PageEntry, PageFlags, index};
use crate::{Paddr, Vaddr};

/// Where a walk ended well: the page's start and what it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The first byte of the page.
    pub page: Paddr,
    /// What the leaf allows.
    pub flags: PageFlags,
}

/// Reads the tree of [`LEVELS`] under `root` the way hardware does. `load` reads the 64-bit word at a physical address, atomically:
/// the tree may be changing under the walk, and a walk that loses the race is a legal, stale answer.
pub fn translate<E: PageEntry>(load: impl Fn(Paddr) -> u64, root: Paddr, vaddr: Vaddr) -> Option<Translation> {
    translate_levels::<E>(load, LEVELS, root, vaddr)
}

/// The same for a tree of `levels`.
pub fn translate_levels<E: PageEntry>(
    load: impl Fn(Paddr) -> u64,
    levels: usize,
    root: Paddr,
    vaddr: Vaddr,
) -> Option<Translation> {
    let mut node = root;
    for level in (0..levels).rev() {
        let entry = E::from_bits(load(node + index(vaddr, level) * 8));
        if !entry.is_present() {
            return None;
        }
        if entry.is_leaf(level) {
            // Only level 0 is used for pages; a larger leaf would need its offset added here.
            return (level == 0).then(|| Translation { page: entry.paddr(), flags: entry.flags() });
        }
        node = entry.paddr();
    }
    None
}
