//! The duty to make CPUs forget what they remember of changed entries.

use alloc::vec::Vec;
use core::ops::Range;
use core::panic::Location;

use ostd_hal::{Hal, PAGE_SIZE, Vaddr};

use crate::check::Culprit;
use crate::frame::Frame;
use crate::vm::VmSpace;

/// Entries have changed, and CPUs may remember the old ones until [`now`](Self::now). It also keeps the frames that
/// were unmapped: they are freed only behind the flush.
///
/// Dropping it unflushed is a bug that the checker reports.
#[must_use = "CPUs remember the old entries until the token is flushed"]
pub struct Flush<'a> {
    space: &'a VmSpace,
    range: Option<Range<Vaddr>>,
    frames: Vec<Frame>,
    /// What made it due.
    due: &'static Location<'static>,
}

impl<'a> Flush<'a> {
    #[track_caller]
    pub(super) fn new(space: &'a VmSpace) -> Self {
        Self { space, range: None, frames: Vec::new(), due: Location::caller() }
    }

    pub(super) fn add(&mut self, at: Vaddr, frame: Option<Frame>) {
        let page = at..at + PAGE_SIZE;
        self.range = Some(match self.range.take() {
            Some(range) => range.start.min(page.start)..range.end.max(page.end),
            None => page,
        });
        self.frames.extend(frame);
    }

    /// Adds what another token of the same space has to flush.
    ///
    /// Panics if it is of another space.
    pub fn merge(&mut self, mut other: Self) {
        assert!(core::ptr::eq(self.space, other.space), "two spaces cannot be flushed as one");
        if let Some(theirs) = other.range.take() {
            self.range = Some(match self.range.take() {
                Some(range) => range.start.min(theirs.start)..range.end.max(theirs.end),
                None => theirs,
            });
        }
        self.frames.append(&mut other.frames);
    }

    /// Makes every CPU forget, then frees the frames. Must not be called while a cursor of the space lives.
    pub fn now(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        if let Some(range) = self.range.take() {
            let core = self.space.core();
            for cpu in &core.cpus {
                core.backend.tlb_flush(cpu.id, self.space.root(), range.clone());
            }
        }
        self.frames.clear();
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        if self.range.is_some() {
            let checks = self.space.core().checks_now();
            let range = self.range.clone();
            // Flushed even so: the report is about the caller, not a reason to corrupt memory.
            self.flush();
            assert!(!checks, "a flush of {range:?} was forgotten, due since {}, {Culprit}", self.due);
        }
    }
}
