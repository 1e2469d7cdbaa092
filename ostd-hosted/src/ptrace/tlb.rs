//! The record of what a stub has mapped: the stub's host mappings are a TLB, and this says what is in it.

use std::collections::BTreeMap;
use std::ops::Range;

use ostd_hal::PAGE_SIZE;

use super::commands::Command;
use super::image;

/// Mappings after which everything is dropped and filled again: a host process may have 65 530.
pub(super) const RUNS_MAX: usize = 20_000;
/// Ranges waiting to be unmapped after which everything is dropped instead.
const PENDING_MAX: usize = 48;

/// Consecutive pages mapped to consecutive frames with one permission: one host mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) end: usize,
    pub(super) paddr: usize,
    pub(super) prot: i32,
}

/// What is mapped, by start address, and what must be unmapped before the guest runs again.
#[derive(Debug, Default)]
pub(super) struct Tlb {
    runs: BTreeMap<usize, Run>,
    pending: Vec<Range<usize>>,
}

impl Tlb {
    /// The permission with which the page that holds `addr` is mapped.
    pub(super) fn prot(&self, addr: usize) -> Option<i32> {
        let (_, run) = self.runs.range(..=addr).next_back()?;
        (addr < run.end).then_some(run.prot)
    }

    /// Host mappings there are.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Notes that `start..end` is now mapped to `paddr`, whatever was there.
    pub(super) fn insert(&mut self, mut start: usize, mut run: Run) {
        self.remove(start..run.end);
        let before = self.runs.range(..start).next_back().map(|(at, before)| (*at, *before));
        if let Some((at, before)) = before
            && before.end == start
            && before.prot == run.prot
            && before.paddr + (before.end - at) == run.paddr
        {
            (start, run.paddr) = (at, before.paddr);
        }
        if let Some(after) = self.runs.get(&run.end).copied()
            && after.prot == run.prot
            && run.paddr + (run.end - start) == after.paddr
        {
            self.runs.remove(&run.end);
            run.end = after.end;
        }
        self.runs.insert(start, run);
    }

    /// Takes `range` out of the record; returns the bounds of what was in it.
    fn remove(&mut self, range: Range<usize>) -> Option<Range<usize>> {
        let mut removed: Option<Range<usize>> = None;
        while let Some((at, run)) = self.runs.range(..range.end).next_back().map(|(at, run)| (*at, *run))
            && run.end > range.start
        {
            self.runs.remove(&at);
            if at < range.start {
                self.runs.insert(at, Run { end: range.start, ..run });
            }
            if run.end > range.end {
                self.runs.insert(range.end, Run { paddr: run.paddr + (range.end - at), ..run });
            }
            let (from, to) = (at.max(range.start), run.end.min(range.end));
            removed = Some(from..removed.map_or(to, |before| before.end));
        }
        removed
    }

    /// Forgets `range`: what of it is mapped will be unmapped before the guest runs again.
    pub(super) fn flush(&mut self, range: Range<usize>) {
        let Some(mapped) = self.remove(range) else { return };
        if let Some(last) = self.pending.last_mut()
            && last.end == mapped.start
        {
            last.end = mapped.end;
        } else {
            self.pending.push(mapped);
        }
        if self.pending.len() > PENDING_MAX {
            self.flush_all();
        }
    }

    /// Forgets everything.
    pub(super) fn flush_all(&mut self) {
        if !self.runs.is_empty() || !self.pending.is_empty() {
            self.forget_all();
        }
    }

    /// Forgets everything, even what the record does not know of.
    pub(super) fn forget_all(&mut self) {
        self.runs.clear();
        self.pending.clear();
        self.pending.push(0..image::STUB_START);
    }

    /// Whether something waits to be unmapped.
    pub(super) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The calls that unmap what waits, but for what `runs`, mapped right after, will cover anyway.
    pub(super) fn take_pending(&mut self, runs: &[(usize, Run)]) -> impl Iterator<Item = Command> {
        let covered = |range: &Range<usize>| runs.iter().any(|(at, run)| *at <= range.start && range.end <= run.end);
        self.pending
            .drain(..)
            .filter(move |range| !covered(range))
            .map(|range| Command { number: libc::SYS_munmap, args: [range.start, range.end - range.start, 0, 0, 0, 0] })
    }
}

/// The call that maps a run.
pub(super) fn map_command(start: usize, run: Run) -> Command {
    let flags = libc::MAP_SHARED | libc::MAP_FIXED | libc::MAP_POPULATE;
    Command {
        number: libc::SYS_mmap,
        args: [start, run.end - start, run.prot as usize, flags as usize, image::RAM_FD as usize, run.paddr],
    }
}

/// Appends a page to `runs`, growing the last run where page and frame follow it.
pub(super) fn append_page(runs: &mut Vec<(usize, Run)>, page: usize, paddr: usize, prot: i32) {
    if let Some((start, run)) = runs.last_mut()
        && run.end == page
        && run.prot == prot
        && run.paddr + (run.end - *start) == paddr
    {
        run.end += PAGE_SIZE;
    } else {
        runs.push((page, Run { end: page + PAGE_SIZE, paddr, prot }));
    }
}

#[cfg(test)]
mod tests {
    use super::{Run, Tlb, append_page};

    const READ: i32 = 1;
    const BOTH: i32 = 3;

    fn run(end: usize, paddr: usize, prot: i32) -> Run {
        Run { end, paddr, prot }
    }

    fn pending(tlb: &mut Tlb) -> Vec<(usize, usize)> {
        tlb.take_pending(&[]).map(|command| (command.args[0], command.args[1])).collect()
    }

    #[test]
    fn neighbours_with_consecutive_frames_become_one_mapping() {
        let mut tlb = Tlb::default();
        tlb.insert(0x1000, run(0x2000, 0x8000, BOTH));
        tlb.insert(0x3000, run(0x4000, 0xa000, BOTH));
        assert_eq!(tlb.runs(), 2);
        tlb.insert(0x2000, run(0x3000, 0x9000, BOTH));
        assert_eq!(tlb.runs(), 1);
        tlb.insert(0x4000, run(0x5000, 0xb000, READ));
        assert_eq!(tlb.runs(), 2);
        assert_eq!((tlb.prot(0x3fff), tlb.prot(0x4000), tlb.prot(0x5000)), (Some(BOTH), Some(READ), None));
    }

    #[test]
    fn a_new_mapping_replaces_the_middle_of_an_old_one() {
        let mut tlb = Tlb::default();
        tlb.insert(0x1000, run(0x5000, 0x8000, BOTH));
        tlb.insert(0x2000, run(0x3000, 0x20000, READ));
        assert_eq!(tlb.runs(), 3);
        assert_eq!((tlb.prot(0x1fff), tlb.prot(0x2000), tlb.prot(0x3000)), (Some(BOTH), Some(READ), Some(BOTH)));
        tlb.insert(0x2000, run(0x3000, 0x9000, BOTH));
        assert_eq!(tlb.runs(), 1);
    }

    #[test]
    fn a_flush_unmaps_once_and_only_what_is_mapped() {
        let mut tlb = Tlb::default();
        tlb.flush(0..usize::MAX);
        assert!(!tlb.is_pending());
        tlb.insert(0x1000, run(0x3000, 0x8000, BOTH));
        tlb.insert(0x7000, run(0x9000, 0x1000, BOTH));
        tlb.flush(0x2000..0x8000);
        assert_eq!(pending(&mut tlb), [(0x2000, 0x6000)]);
        assert_eq!(
            (tlb.prot(0x1000), tlb.prot(0x2000), tlb.prot(0x7000), tlb.prot(0x8000)),
            (Some(3), None, None, Some(3))
        );
        tlb.flush(0x2000..0x8000);
        assert!(!tlb.is_pending());
    }

    #[test]
    fn what_is_mapped_anew_is_not_unmapped_before() {
        let mut tlb = Tlb::default();
        tlb.insert(0x1000, run(0x9000, 0x8000, BOTH));
        tlb.flush(0x2000..0x3000);
        tlb.flush(0x5000..0x8000);
        let unmapped: Vec<_> = tlb.take_pending(&[(0x1000, run(0x6000, 0, READ))]).map(|call| call.args[0]).collect();
        assert_eq!(unmapped, [0x5000]);
    }

    #[test]
    fn many_small_flushes_become_one_that_drops_everything() {
        let mut tlb = Tlb::default();
        tlb.insert(0, run(0x100_0000, 0, BOTH));
        for page in (0..0x100).step_by(2) {
            tlb.flush(page * 0x1000..(page + 1) * 0x1000);
        }
        assert_eq!(pending(&mut tlb).first(), Some(&(0, super::image::STUB_START)));
        assert_eq!(tlb.runs(), 0);
    }

    #[test]
    fn pages_are_gathered_into_runs() {
        let mut runs = Vec::new();
        append_page(&mut runs, 0x1000, 0x8000, BOTH);
        append_page(&mut runs, 0x2000, 0x9000, BOTH);
        append_page(&mut runs, 0x3000, 0xb000, BOTH);
        append_page(&mut runs, 0x5000, 0xc000, BOTH);
        assert_eq!(runs.len(), 3);
    }
}
