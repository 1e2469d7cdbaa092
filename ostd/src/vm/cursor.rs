//! A cursor over a range of an address space.

use core::ops::Range;

use ostd_hal::paging::PageEntry as _;
use ostd_hal::{PAGE_SIZE, Vaddr};

use crate::Error;
use crate::frame::Frame;
use crate::sync::SpinLockGuard;
use crate::vm::space::{Entry, VmSpace, user_page};
use crate::vm::{Flush, PageFlags};

/// A mapped page.
#[derive(Clone, Debug)]
pub struct Mapped {
    /// The frame, counted.
    pub frame: Frame,
    /// What the mapping allows ([`PageFlags::USER`] is always among it).
    pub flags: PageFlags,
}

/// Stands at a page of its range and holds the space's tree lock. It must be dropped before a flush token made by it is
/// flushed, before user memory is copied and before anything sleeps.
pub struct Cursor<'a> {
    space: &'a VmSpace,
    at: Vaddr,
    range: Range<Vaddr>,
    _tree: SpinLockGuard<'a, ()>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(space: &'a VmSpace, range: Range<Vaddr>) -> Self {
        let tree = space.lock();
        Self { space, at: range.start, range, _tree: tree }
    }

    /// Where it stands; the end of the range when it is through.
    pub fn at(&self) -> Vaddr {
        self.at
    }

    /// Goes to `at`.
    ///
    /// Panics if that is not a page of the range, nor its end.
    pub fn jump(&mut self, at: Vaddr) {
        assert!(
            at.is_page_aligned() && self.range.start <= at && at <= self.range.end,
            "{at} is not in {:?}",
            self.range
        );
        self.at = at;
    }

    /// The page it stands at, if mapped.
    pub fn query(&self) -> Option<Mapped> {
        if self.at >= self.range.end {
            return None;
        }
        let slot = self.space.leaf(self.at, false).ok().flatten()?;
        let entry = self.space.load(slot);
        entry.is_present().then(|| self.describe(entry))
    }

    /// Goes to the next mapped page at or after where it stands, and describes it; at the end of the range, `None`.
    /// Standing still between calls gives the same page again: step over it with [`advance`](Self::advance).
    pub fn next_mapped(&mut self) -> Option<(Vaddr, Mapped)> {
        self.next_mapped_before(self.range.end)
    }

    /// The same, looking no further than `end`.
    pub fn next_mapped_before(&mut self, end: Vaddr) -> Option<(Vaddr, Mapped)> {
        let end = end.min(self.range.end);
        match self.space.next_present(self.at, end) {
            Some((at, slot)) => {
                self.at = at;
                Some((at, self.describe(self.space.load(slot))))
            }
            None => {
                self.at = self.at.max(end);
                None
            }
        }
    }

    /// Goes one page on.
    pub fn advance(&mut self) {
        assert!(self.at < self.range.end, "the cursor is through its range");
        self.at = self.at + PAGE_SIZE;
    }

    /// Maps `frame` at the page it stands at and goes one page on. No flush is needed: nobody remembers an absent page.
    ///
    /// Panics if the page is mapped, or the frame belongs to another machine.
    #[track_caller]
    pub fn map(&mut self, frame: Frame, flags: PageFlags) -> Result<(), Error> {
        assert!(self.at < self.range.end, "the cursor is through its range");
        assert!(frame.belongs_to(self.space.core()), "a frame of another machine was mapped");
        let slot = self.space.leaf(self.at, true)?.expect("made on the way");
        assert!(!self.space.load(slot).is_present(), "{} is mapped already", self.at);
        let entry = user_page(frame.into_raw(), flags);
        self.space.store(slot, entry);
        self.space.note(Entry::ABSENT, entry);
        self.at = self.at + PAGE_SIZE;
        Ok(())
    }

    /// Puts `frame` in the place of whatever is mapped at the page it stands at, and goes one page on.
    ///
    /// Panics if nothing is mapped there.
    #[track_caller]
    pub fn replace(&mut self, frame: Frame, flags: PageFlags) -> Flush<'a> {
        assert!(frame.belongs_to(self.space.core()), "a frame of another machine was mapped");
        let slot = self.space.leaf(self.at, false).ok().flatten().expect("the page is mapped");
        let old = self.space.load(slot);
        assert!(old.is_present(), "{} is not mapped", self.at);
        let entry = user_page(frame.into_raw(), flags);
        self.space.store(slot, entry);
        self.space.note(Entry::ABSENT, entry);
        let mut flush = Flush::new(self.space);
        flush.add(self.at, Some(self.space.unmapped(old)));
        self.at = self.at + PAGE_SIZE;
        flush
    }

    /// Unmaps every page of the next `len` bytes and goes behind them. The frames live until the token is flushed.
    #[track_caller]
    pub fn unmap(&mut self, len: usize) -> Flush<'a> {
        let mut flush = Flush::new(self.space);
        let end = self.end_of(len);
        while let Some((at, slot)) = self.space.next_present(self.at, end) {
            let entry = self.space.load(slot);
            self.space.store(slot, Entry::ABSENT);
            flush.add(at, Some(self.space.unmapped(entry)));
            self.at = at + PAGE_SIZE;
        }
        self.at = end;
        flush
    }

    /// Gives every mapped page of the next `len` bytes the flags that `change` makes of its old ones, and goes behind
    /// them.
    #[track_caller]
    pub fn protect(&mut self, len: usize, mut change: impl FnMut(PageFlags) -> PageFlags) -> Flush<'a> {
        let mut flush = Flush::new(self.space);
        let end = self.end_of(len);
        while let Some((at, slot)) = self.space.next_present(self.at, end) {
            let entry = self.space.load(slot);
            let new = user_page(entry.paddr(), change(entry.flags()));
            if new != entry {
                self.space.store(slot, new);
                self.space.note(entry, new);
                flush.add(at, None);
            }
            self.at = at + PAGE_SIZE;
        }
        self.at = end;
        flush
    }

    fn end_of(&self, len: usize) -> Vaddr {
        let end = self.at.checked_add(len).filter(|end| end.is_page_aligned() && *end <= self.range.end);
        end.expect("the length stays in the cursor's range, in whole pages")
    }

    fn describe(&self, entry: Entry) -> Mapped {
        Mapped { frame: self.space.mapped(entry), flags: entry.flags() }
    }
}
