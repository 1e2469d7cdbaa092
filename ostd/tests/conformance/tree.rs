//! Page-table trees made by hand, in the machine's own memory.
#![expect(unsafe_code, reason = "writes page-table words")]

use core::cell::Cell;

use ostd::hal::paging::{PageEntry, index};
use ostd::hal::user::{Registers, UserState};
use ostd::hal::{Hal, PAGE_SIZE, Paddr, PageFlags, Vaddr};

use super::super::programs::{Code, Program};
use super::Subject;

pub(super) use super::super::programs::DATA;

/// Where programs' stacks end.
const STACK: Vaddr = Vaddr::new(0x50_0000);

pub(super) const READ: PageFlags = PageFlags::USER;
pub(super) const WRITE: PageFlags = PageFlags::USER.union(PageFlags::WRITE);
pub(super) const EXECUTE: PageFlags = PageFlags::USER.union(PageFlags::EXECUTE);

/// Frames of a machine, handed out one after the other and never given back.
pub(super) struct Frames<'a, H: Hal> {
    pub(super) hal: &'a H,
    next: Cell<Paddr>,
}

impl<'a, H: Hal> Frames<'a, H> {
    pub(super) fn of(hal: &'a H) -> Self {
        Self { hal, next: Cell::new(hal.memory().start) }
    }

    /// A frame of zeros.
    pub(super) fn take(&self) -> Paddr {
        let next = self.next.get();
        let hole = self.hal.memory_holes().into_iter().find(|hole| hole.contains(&next));
        let frame = hole.map_or(next, |hole| hole.end);
        assert!(frame + PAGE_SIZE <= self.hal.memory().end, "the suite needs more memory");
        self.next.set(frame + PAGE_SIZE);
        self.fill(frame, 0);
        frame
    }

    /// An empty tree, as programs run under.
    pub(super) fn root(&self) -> Paddr {
        let root = self.take();
        self.hal.space_made(root);
        root
    }

    /// A frame that begins with `bytes`.
    pub(super) fn with(&self, bytes: &[u8]) -> Paddr {
        let frame = self.take();
        for (at, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.store(frame + at * 8, u64::from_ne_bytes(word));
        }
        frame
    }

    /// Every byte of a frame.
    pub(super) fn fill(&self, frame: Paddr, byte: u8) {
        (0..PAGE_SIZE).step_by(8).for_each(|at| self.store(frame + at, u64::from_ne_bytes([byte; 8])));
    }

    /// The byte at a physical address.
    pub(super) fn byte(&self, at: Paddr) -> u8 {
        let word = Paddr::new(at.as_usize() & !7);
        self.hal.word_load(word).to_ne_bytes()[at.as_usize() & 7]
    }

    fn store(&self, at: Paddr, value: u64) {
        // SAFETY: the suite owns all frames of its machine, and any word is valid in each of them.
        unsafe { self.hal.word_store(at, value) };
    }

    /// Sets the entry for `at` in the tree of `levels` under `root`, in a format of the caller's choice.
    pub(super) fn set_entry<E: PageEntry>(&self, levels: usize, root: Paddr, at: Vaddr, entry: E) {
        let mut node = root;
        for level in (1..levels).rev() {
            let slot = node + index(at, level) * 8;
            if !E::from_bits(self.hal.word_load(slot)).is_present() {
                self.store(slot, E::table(self.take()).bits());
            }
            node = E::from_bits(self.hal.word_load(slot)).paddr();
        }
        self.store(node + index(at, 0) * 8, entry.bits());
    }

    /// Maps a page in the machine's own format.
    pub(super) fn map(&self, root: Paddr, at: Vaddr, frame: Paddr, flags: PageFlags) {
        // As generic code does: accessed and dirty are never left to hardware.
        let noticed = PageFlags::ACCESSED | PageFlags::DIRTY;
        self.set_entry(self.hal.levels(), root, at, <H::Entry as PageEntry>::page(frame, flags | noticed));
    }

    /// Unmaps a page, and forgets it on the first CPU.
    pub(super) fn unmap(&self, root: Paddr, at: Vaddr) {
        self.set_entry(self.hal.levels(), root, at, H::Entry::ABSENT);
        self.flush(root, at);
    }

    /// Forgets a page on the first CPU.
    pub(super) fn flush(&self, root: Paddr, at: Vaddr) {
        self.hal.tlb_flush(super::CPU, root, at..at + PAGE_SIZE);
    }
}

/// A program in an address space of its own: its root and what it starts with. `None` if the machine has no such code.
pub(super) fn start<S: Subject>(
    subject: &S,
    frames: &Frames<'_, S::Machine>,
    program: Program,
) -> Option<(Paddr, UserState<<S::Machine as Hal>::Registers>)> {
    let Code { at, bytes, entry } = subject.program(program)?;
    let root = frames.root();
    frames.map(root, at, frames.with(&bytes), EXECUTE);
    frames.map(root, STACK - PAGE_SIZE, frames.take(), WRITE);
    let mut regs = <S::Machine as Hal>::Registers::default();
    regs.set_ip(entry.as_usize());
    regs.set_sp(STACK.as_usize());
    Some((root, UserState::new(regs)))
}
