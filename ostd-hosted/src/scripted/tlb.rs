//! A software TLB per CPU: what a scripted program's loads and stores remember of the page tables.

use std::cell::RefCell;
use std::ops::Range;

use ostd_hal::walk::Translation;
use ostd_hal::{PAGE_SHIFT, PAGE_SIZE, Paddr, Vaddr};

/// Entries; direct-mapped by page number.
const ENTRIES: usize = 64;

#[derive(Clone, Copy)]
struct Entry {
    root: Paddr,
    page: Vaddr,
    to: Translation,
}

/// One CPU's TLB. It forgets only when it is told to, or when two pages share an entry.
pub(crate) struct Tlb(RefCell<[Option<Entry>; ENTRIES]>);

impl Tlb {
    pub(crate) fn new() -> Self {
        Self(RefCell::new([None; ENTRIES]))
    }

    pub(crate) fn lookup(&self, root: Paddr, at: Vaddr) -> Option<Translation> {
        let page = at.page_floor();
        self.0.borrow()[slot(page)].filter(|entry| entry.root == root && entry.page == page).map(|entry| entry.to)
    }

    pub(crate) fn fill(&self, root: Paddr, at: Vaddr, to: Translation) {
        let page = at.page_floor();
        self.0.borrow_mut()[slot(page)] = Some(Entry { root, page, to });
    }

    pub(crate) fn flush(&self, root: Paddr, range: &Range<Vaddr>) {
        let mut entries = self.0.borrow_mut();
        let forget = |entry: &mut Option<Entry>| {
            if entry.is_some_and(|entry| entry.root == root && range.contains(&entry.page)) {
                *entry = None;
            }
        };
        let pages = (range.end - range.start) / PAGE_SIZE;
        if pages < ENTRIES {
            (0..pages).for_each(|i| forget(&mut entries[slot(range.start + i * PAGE_SIZE)]));
        } else {
            entries.iter_mut().for_each(forget);
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
        let (tlb, root, page) = (Tlb::new(), Paddr::new(0x1000), Vaddr::new(0x5000));
        let to = Translation { page: Paddr::new(0x9000), flags: PageFlags::USER };
        tlb.fill(root, page, to);
        tlb.flush(root, &(Vaddr::new(0x6000)..Vaddr::new(0x8000)));
        tlb.flush(Paddr::new(0x2000), &(page..page + 0x1000));
        assert_eq!(tlb.lookup(root, page + 8), Some(to));
        tlb.flush(root, &(Vaddr::new(0)..Vaddr::new(0x7fff_f000)));
        assert_eq!(tlb.lookup(root, page), None);
    }
}
