//! A regular file's contents: pages in frames, holes, and pages that still lie below.

use alloc::collections::BTreeMap;
use alloc::vec;

use kernel_abi::structs::Timespec;
use ostd::frame::Frame;
use ostd::{Machine, PAGE_SIZE};

use super::lower::Lower;
use crate::error::{Errno, OrErrno as _, Result};

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
    /// What is below, until something was written here.
    version: Option<Version>,
}

impl Pages {
    pub(super) fn empty() -> Self {
        Self { size: 0, frames: BTreeMap::new(), below: 0, version: None }
    }

    pub(super) fn of_lower(version: Version) -> Self {
        Self { size: version.size, frames: BTreeMap::new(), below: version.size, version: Some(version) }
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
    pub(super) fn revalidate(&mut self, now: Version) -> bool {
        if self.version.is_none_or(|then| then == now) {
            return false;
        }
        *self = Self::of_lower(now);
        true
    }

    /// The frame of a page, if it is in memory or below; `None` is a hole.
    pub(super) fn find(&mut self, index: u64, lower: Option<&Lower>, machine: &Machine) -> Result<Option<Frame>> {
        if let Some(frame) = self.frames.get(&index) {
            return Ok(Some(frame.clone()));
        }
        let start = index * PAGE_SIZE as u64;
        let Some(lower) = lower.filter(|_| start < self.below) else { return Ok(None) };
        let mut bytes = vec![0; (self.below - start).min(PAGE_SIZE as u64) as usize];
        lower.read(start, &mut bytes)?;
        let frame = machine.frame().or_errno()?;
        frame.write(0, &bytes);
        self.frames.insert(index, frame.clone());
        Ok(Some(frame))
    }

    /// As [`find`](Self::find), but a hole becomes a page of zeros.
    pub(super) fn find_or_fill(&mut self, index: u64, lower: Option<&Lower>, machine: &Machine) -> Result<Frame> {
        if let Some(frame) = self.find(index, lower, machine)? {
            return Ok(frame);
        }
        let frame = machine.frame().or_errno()?;
        self.frames.insert(index, frame.clone());
        Ok(frame)
    }

    /// A frame that is in memory already.
    pub(super) fn at_hand(&self, index: u64) -> Option<Frame> {
        self.frames.get(&index).cloned()
    }

    /// Sets the size; what was behind a smaller one is zeros should it grow again.
    pub(super) fn truncate(&mut self, len: u64, lower: Option<&Lower>, machine: &Machine) -> Result<()> {
        if len < self.size {
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
        let end = from.saturating_add(len).min(self.size);
        self.note_write();
        let mut at = from;
        while at < end {
            let (index, offset) = (at / PAGE_SIZE as u64, (at % PAGE_SIZE as u64) as usize);
            let count = (end - at).min((PAGE_SIZE - offset) as u64) as usize;
            let is_below = index * (PAGE_SIZE as u64) < self.below;
            if count == PAGE_SIZE && !is_below {
                self.frames.remove(&index);
            } else if let Some(frame) = self.find(index, lower, machine)? {
                frame.fill(offset..offset + count, 0);
            }
            at += count as u64;
        }
        Ok(())
    }

    /// 512-byte blocks in use.
    pub(super) fn blocks(&self) -> u64 {
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
