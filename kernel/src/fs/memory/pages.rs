//! A regular file's contents: pages in frames, holes, and pages that still lie below.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::structs::Timespec;
use ostd::frame::Frame;
use ostd::{Machine, PAGE_SIZE};

use super::lower::Lower;
use crate::error::{Errno, OrErrno as _, Result};

/// One frame in so many is not for files.
const RESERVE: usize = 16;

/// What a file's contents below looked like when its pages were read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) size: u64,
    pub(super) mtime: (i64, u32),
    pub(super) ctime: (i64, u32),
}

/// The pages of one file.
pub(super) struct Pages {
    pub(super) size: u64,
    frames: BTreeMap<u64, Frame>,
    /// Bytes of the file below that still count.
    below: u64,
    /// What is below, until something was written here alone.
    version: Option<Version>,
    /// 512-byte blocks in use below.
    blocks_below: u64,
    /// Pages that mappers of a file that is written through may store to.
    mapped: BTreeSet<u64>,
    /// Open files of it.
    open: usize,
}

/// Pages that are read from below together, as many as one fault maps.
const READ_TOGETHER: u64 = 16;

impl Pages {
    pub(super) fn empty() -> Self {
        Self {
            size: 0,
            frames: BTreeMap::new(),
            below: 0,
            version: None,
            blocks_below: 0,
            mapped: BTreeSet::new(),
            open: 0,
        }
    }

    pub(super) fn of_lower(version: Version, blocks: u64) -> Self {
        let size = version.size;
        Self { size, below: size, version: Some(version), blocks_below: blocks, ..Self::empty() }
    }

    /// From now on the contents are our own.
    pub(super) fn note_write(&mut self) {
        self.version = None;
    }

    /// Whether the contents are still those below.
    pub(super) fn is_clean(&self) -> bool {
        self.version.is_some()
    }

    /// Forgets what was read if it has changed below. Frames that are mapped keep what they hold.
    pub(super) fn revalidate(&mut self, now: Version, blocks: u64) {
        if self.version.is_some() {
            self.blocks_below = blocks;
        }
        if self.version.is_none_or(|then| then == now) {
            return;
        }
        let mapped = core::mem::take(&mut self.mapped);
        self.frames.retain(|index, _| mapped.contains(index));
        (self.size, self.below, self.version, self.mapped) = (now.size, now.size, Some(now), mapped);
    }

    /// What is below now is what is here.
    pub(super) fn settle(&mut self, now: Version) {
        self.version = Some(now);
    }

    /// What is below is not known any more: [`revalidate`](Self::revalidate) will read it again.
    pub(super) fn distrust(&mut self) {
        let never = (i64::MIN, 0);
        self.version = Some(Version { size: u64::MAX, mtime: never, ctime: never });
    }

    /// A mapper may store to a page from now on, until nobody has the file open.
    pub(super) fn note_mapped(&mut self, index: u64) {
        self.mapped.insert(index);
    }

    pub(super) fn is_mapped_for_writing(&self) -> bool {
        !self.mapped.is_empty()
    }

    /// The pages that mappers may have stored to, below the end.
    pub(super) fn mapped_for_writing(&self) -> impl Iterator<Item = (u64, &Frame)> {
        let end = self.size.div_ceil(PAGE_SIZE as u64);
        self.mapped
            .range(..end)
            .filter_map(|index| self.frames.get_key_value(index))
            .map(|(index, frame)| (*index, frame))
    }

    pub(super) fn note_open(&mut self) {
        self.open += 1;
    }

    pub(super) fn note_closed(&mut self) {
        self.open -= 1;
        if self.open == 0 {
            self.mapped.clear();
        }
    }

    /// The frame of a page, if it is in memory or below; `None` is a hole.
    pub(super) fn find(&mut self, index: u64, lower: Option<&Lower>, machine: &Machine) -> Result<Option<Frame>> {
        if let Some(frame) = self.frames.get(&index) {
            return Ok(Some(frame.clone()));
        }
        let start = index * PAGE_SIZE as u64;
        let Some(lower) = lower.filter(|_| start < self.below) else { return Ok(None) };
        let first = index / READ_TOGETHER * READ_TOGETHER;
        let from = first * PAGE_SIZE as u64;
        let mut bytes = vec![0; (self.below - from).min(READ_TOGETHER * PAGE_SIZE as u64) as usize];
        lower.read(from, &mut bytes)?;
        let frame = machine.frame().or_errno()?;
        for (other, part) in (first..).zip(bytes.chunks(PAGE_SIZE)) {
            if other == index {
                frame.write(0, part);
            } else if let Entry::Vacant(vacant) = self.frames.entry(other)
                && let Ok(frame) = machine.frame()
            {
                frame.write(0, part);
                vacant.insert(frame);
            }
        }
        self.frames.insert(index, frame.clone());
        Ok(Some(frame))
    }

    /// As [`find`](Self::find), but a hole becomes a page of zeros.
    pub(super) fn find_or_fill(&mut self, index: u64, lower: Option<&Lower>, machine: &Machine) -> Result<Frame> {
        if let Some(frame) = self.find(index, lower, machine)? {
            return Ok(frame);
        }
        // Files do not take the last of the machine's memory: programs need some to remove files.
        if machine.frames().free() <= machine.frames().total() / RESERVE {
            return Err(Errno::ENOSPC);
        }
        let frame = machine.frame().or_errno()?;
        self.frames.insert(index, frame.clone());
        Ok(frame)
    }

    /// Gives every page of a range that is a hole a frame; ENOSPC, and then none.
    pub(super) fn reserve(&mut self, from: u64, end: u64, machine: &Machine) -> Result<()> {
        let page = PAGE_SIZE as u64;
        let (first, end) = ((from / page).max(self.below.div_ceil(page)), end.div_ceil(page));
        let wanted = end.saturating_sub(first);
        // Whoever asks for more than there is must not be made to wait for the answer.
        let had = if wanted == 0 { 0 } else { self.frames.range(first..end).count() as u64 };
        if wanted - had > machine.frames().free() as u64 {
            return Err(Errno::ENOSPC);
        }
        let mut new = Vec::new();
        for index in first..end {
            let Entry::Vacant(vacant) = self.frames.entry(index) else { continue };
            match machine.frame() {
                Ok(frame) => {
                    vacant.insert(frame);
                    new.push(index);
                }
                Err(_) => {
                    new.iter().for_each(|index| drop(self.frames.remove(index)));
                    return Err(Errno::ENOSPC);
                }
            }
        }
        if !new.is_empty() {
            self.note_write();
        }
        Ok(())
    }

    /// A frame that is in memory already.
    pub(super) fn at_hand(&self, index: u64) -> Option<Frame> {
        self.frames.get(&index).cloned()
    }

    /// Sets the size; what was behind a smaller one is zeros should it grow again. Room behind the end is given back unless
    /// the file grows.
    pub(super) fn truncate(&mut self, len: u64, lower: Option<&Lower>, machine: &Machine) -> Result<()> {
        if len <= self.size {
            let (index, tail) = (len / PAGE_SIZE as u64, (len % PAGE_SIZE as u64) as usize);
            if tail > 0
                && let Some(frame) = self.find(index, lower, machine)?
            {
                frame.fill(tail..PAGE_SIZE, 0);
            }
            drop(self.frames.split_off(&len.div_ceil(PAGE_SIZE as u64)));
            self.below = self.below.min(len);
        }
        self.size = len;
        self.note_write();
        Ok(())
    }

    /// Makes a range zeros.
    pub(super) fn punch(&mut self, from: u64, len: u64, lower: Option<&Lower>, machine: &Machine) -> Result<()> {
        const PAGE: u64 = PAGE_SIZE as u64;
        let end = from.saturating_add(len);
        self.note_write();
        let pages = from / PAGE..end.div_ceil(PAGE);
        // Only pages that there are: a hole may be of any size.
        let below = pages.start..pages.end.min(self.below.div_ceil(PAGE));
        let here = below.end.max(pages.start)..pages.end;
        let here: Vec<_> = self.frames.range(here).map(|(index, _)| *index).collect();
        for index in below.chain(here) {
            let start = index * PAGE;
            let part = from.saturating_sub(start) as usize..(end - start).min(PAGE) as usize;
            // Who has the page mapped is to see zeros too, and goes on sharing it.
            let is_mapped = self.frames.get(&index).is_some_and(|frame| frame.reference_count() > 1);
            if part.len() == PAGE_SIZE && start >= self.below && !is_mapped {
                self.frames.remove(&index);
            } else if let Some(frame) = self.find(index, lower, machine)? {
                frame.fill(part, 0);
            }
        }
        Ok(())
    }

    /// The first data (or hole) at or behind `from`, which is below the end. The end is a hole.
    pub(super) fn seek(&self, from: u64, data: bool) -> Option<u64> {
        let page = PAGE_SIZE as u64;
        let below = self.below.div_ceil(page);
        let is_data = |index: u64| index < below || self.frames.contains_key(&index);
        let first = from / page;
        let found = if data {
            if is_data(first) { Some(first) } else { self.frames.range(first..).next().map(|(index, _)| *index) }
        } else {
            (first.max(if first < below { below } else { first })..).find(|index| !is_data(*index))
        };
        let at = found.map(|index| from.max(index * page));
        if data { at.filter(|at| *at < self.size) } else { at.map(|at| at.min(self.size)) }
    }

    /// 512-byte blocks in use.
    pub(super) fn blocks(&self) -> u64 {
        if self.version.is_some() {
            return self.blocks_below;
        }
        let pages = (self.frames.len() as u64).max(self.below.div_ceil(PAGE_SIZE as u64));
        pages * (PAGE_SIZE as u64 / 512)
    }
}

/// ENOMEM is ENOSPC to whoever writes a file.
pub(super) fn full(errno: Errno) -> Errno {
    if errno == Errno::ENOMEM { Errno::ENOSPC } else { errno }
}

pub(super) fn time((sec, nsec): (i64, u32)) -> Timespec {
    Timespec { tv_sec: sec, tv_nsec: i64::from(nsec) }
}
