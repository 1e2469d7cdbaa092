//! A software TLB per CPU: what a scripted program's loads and stores remember of the page tables.

use std::ops::Range;

use ostd_hal::walk::Translation;
use ostd_hal::{PAGE_SHIFT, PAGE_SIZE, Paddr, PageFlags, Vaddr};

/// Entries; direct-mapped by page number.
const ENTRIES: usize = 64;

#[derive(Clone, Copy)]
struct Entry {
    root: Paddr,
    page: Vaddr,
    to: Translation,
}

/// Its page is none.
const NOTHING: Entry = Entry {
    root: Paddr::new(0),
    page: Vaddr::new(usize::MAX),
    to: Translation { page: Paddr::new(0), flags: PageFlags::empty() },
};

/// One CPU's TLB. It forgets only when it is told to, or when two pages share an entry.
pub(crate) struct Tlb([Entry; ENTRIES]);

impl Tlb {
    pub(crate) fn new() -> Self {
        Self([NOTHING; ENTRIES])
    }

    #[inline]
    pub(crate) fn lookup(&self, root: Paddr, at: Vaddr) -> Option<Translation> {
        let page = at.page_floor();
        let entry = &self.0[slot(page)];
        (entry.root == root && entry.page == page).then_some(entry.to)
    }

    pub(crate) fn fill(&mut self, root: Paddr, at: Vaddr, to: Translation) {
        let page = at.page_floor();
        self.0[slot(page)] = Entry { root, page, to };
    }

    pub(crate) fn flush(&mut self, root: Paddr, range: &Range<Vaddr>) {
        let forget = |entry: &mut Entry| {
            if entry.root == root && range.contains(&entry.page) {
                *entry = NOTHING;
            }
        };
        let pages = (range.end - range.start) / PAGE_SIZE;
        if pages < ENTRIES {
            (0..pages).for_each(|i| forget(&mut self.0[slot(range.start + i * PAGE_SIZE)]));
        } else {
            self.0.iter_mut().for_each(forget);
        }
    }
}

fn slot(page: Vaddr) -> usize {
    (page.as_usize() >> PAGE_SHIFT) % ENTRIES
}

#[cfg(test)]
mod tests {
    use ostd_hal::walk::Translation;
    use ostd_hal::{Paddr, PageFlags, Vaddr};

    use super::Tlb;

    #[test]
    fn an_entry_is_remembered_until_its_own_range_is_flushed() {
        let (mut tlb, root, page) = (Tlb::new(), Paddr::new(0x1000), Vaddr::new(0x5000));
        let to = Translation { page: Paddr::new(0x9000), flags: PageFlags::USER };
        tlb.fill(root, page, to);
        tlb.flush(root, &(Vaddr::new(0x6000)..Vaddr::new(0x8000)));
        tlb.flush(Paddr::new(0x2000), &(page..page + 0x1000));
        assert_eq!(tlb.lookup(root, page + 8), Some(to));
        tlb.flush(root, &(Vaddr::new(0)..Vaddr::new(0x7fff_f000)));
        assert_eq!(tlb.lookup(root, page), None);
    }
}
