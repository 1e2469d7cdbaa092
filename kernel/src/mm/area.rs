//! One area: a range of pages that a program may use in one way.

use alloc::sync::Arc;
use alloc::vec::Vec;

use ostd::PAGE_SIZE;
use ostd::vm::PageFlags;

use crate::mm::{Backing, Lock};

bitflags::bitflags! {
    /// What a program may do with memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Prot: u8 {
        /// Load.
        const READ = 1;
        /// Store.
        const WRITE = 2;
        /// Run.
        const EXECUTE = 4;
    }
}

impl Prot {
    /// The flags of a page that may be stored to if the area says so. A present page is always readable.
    pub(super) fn page_flags(self) -> PageFlags {
        let mut flags = PageFlags::empty();
        flags.set(PageFlags::WRITE, self.contains(Self::WRITE));
        flags.set(PageFlags::EXECUTE, self.contains(Self::EXECUTE));
        flags
    }
}

/// Who sees stores to an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// This address space alone: pages are copied before they are written.
    Private,
    /// Everybody who maps the same thing.
    Shared,
}

/// Where a mapping is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There if that is free, else anywhere; zero is no wish.
    Hint(usize),
    /// Where addresses have 31 bits (`MAP_32BIT`).
    Low,
    /// There, in the place of whatever is there.
    Fixed(usize),
    /// There, or EEXIST.
    FixedNoReplace(usize),
}

/// What an area is filled from.
#[derive(Clone)]
pub enum Source {
    /// Zeros.
    Anonymous,
    /// A file or shared memory, from a byte offset of whole pages.
    Backed(Arc<dyn Backing>, u64),
}

/// What `/proc/PID/maps` calls an area without a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Label {
    /// Nothing.
    #[default]
    None,
    /// `[heap]`: what brk(2) made.
    Heap,
    /// `[stack]`: the first thread's.
    Stack,
}

bitflags::bitflags! {
    /// What madvise(2) was told that changes no byte. Areas of which other things were said are two.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Hints: u8 {
        /// `MADV_RANDOM`.
        const RANDOM = 1;
        /// `MADV_SEQUENTIAL`.
        const SEQUENTIAL = 2;
        /// `MADV_DONTDUMP`.
        const NOT_DUMPED = 4;
        /// `MADV_HUGEPAGE`.
        const HUGE = 8;
        /// `MADV_NOHUGEPAGE`.
        const NOT_HUGE = 16;
        /// `MADV_MERGEABLE`.
        const MERGEABLE = 32;
    }
}

/// A range of whole pages with one way of use.
#[derive(Clone)]
pub struct Area {
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// What is allowed now.
    pub prot: Prot,
    /// What mprotect(2) may allow.
    pub allowed: Prot,
    /// Who sees stores.
    pub sharing: Sharing,
    /// What fills it; the offset is that of `start`.
    pub source: Source,
    /// Whether a fault below extends it.
    pub grows_down: bool,
    /// Its name in maps.
    pub label: Label,
    /// `MADV_DONTFORK`: a child does not get it.
    pub dont_fork: bool,
    /// `MADV_WIPEONFORK`: a child gets zeros.
    pub wipe_on_fork: bool,
    /// What else was said about it.
    pub hints: Hints,
    /// Whether its pages may go at any time (`MAP_DROPPABLE`), which none does.
    pub droppable: bool,
    /// Whether its pages stay in memory: mlock(2).
    pub lock: Lock,
}

impl Area {
    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has no page: never so in a tree.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether stores stay here.
    pub fn is_private(&self) -> bool {
        self.sharing == Sharing::Private
    }

    /// The index of the source's page that `at` shows.
    pub fn page_index(&self, at: usize) -> u64 {
        match &self.source {
            Source::Anonymous => 0,
            Source::Backed(_, offset) => (offset + (at - self.start) as u64) / PAGE_SIZE as u64,
        }
    }

    /// The part of it inside `[start, end)`, which it overlaps.
    pub(super) fn clipped(&self, start: usize, end: usize) -> Self {
        let mut part = self.clone();
        part.start = self.start.max(start);
        part.end = self.end.min(end);
        assert!(part.start < part.end, "the ranges overlap");
        if let Source::Backed(_, offset) = &mut part.source {
            *offset += (part.start - self.start) as u64;
        }
        part
    }

    /// Whether `next` could be the same area, continued.
    pub(super) fn continues_as(&self, next: &Self) -> bool {
        let same_source = match (&self.source, &next.source) {
            (Source::Anonymous, Source::Anonymous) => true,
            (Source::Backed(a, at), Source::Backed(b, then)) => Arc::ptr_eq(a, b) && at + self.len() as u64 == *then,
            _ => false,
        };
        same_source
            && self.end == next.start
            && (self.prot, self.allowed, self.sharing, self.grows_down, self.label)
                == (next.prot, next.allowed, next.sharing, next.grows_down, next.label)
            && (self.dont_fork, self.wipe_on_fork, self.lock) == (next.dont_fork, next.wipe_on_fork, next.lock)
            && (self.hints, self.droppable) == (next.hints, next.droppable)
    }

    pub(super) fn info(&self) -> AreaInfo {
        let (offset, identity, name) = match &self.source {
            Source::Anonymous => (0, None, Vec::new()),
            Source::Backed(backing, offset) => (*offset, Some(backing.identity()), backing.name()),
        };
        let name = match self.label {
            Label::None => name,
            Label::Heap => b"[heap]".to_vec(),
            Label::Stack => b"[stack]".to_vec(),
        };
        AreaInfo {
            start: self.start,
            end: self.end,
            prot: self.prot,
            shared: !self.is_private(),
            offset,
            identity,
            name,
        }
    }
}

/// An area as `/proc/PID/maps` tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AreaInfo {
    /// Its first byte.
    pub start: usize,
    /// The byte behind its last.
    pub end: usize,
    /// What is allowed.
    pub prot: Prot,
    /// Whether others see stores.
    pub shared: bool,
    /// The offset in what fills it.
    pub offset: u64,
    /// Device and inode of what fills it.
    pub identity: Option<(u64, u64)>,
    /// A path, a label in brackets, or nothing.
    pub name: Vec<u8>,
}
