//! How many of each kind of object a machine may have, by its memory.

use alloc::sync::Arc;

use ostd::PAGE_SIZE;

use super::Kernel;
use crate::vfs::Quota;

/// Open files: on Linux one for each ten KiB of memory, and never less than `NR_FILE`.
pub(super) fn open_files_max(frames: usize) -> u64 {
    const NR_FILE: u64 = 8192;
    (frames as u64 * 4 / 10).max(NR_FILE)
}

/// Counts of what no other room has a root for.
pub(super) struct Limits {
    inodes: Arc<Quota>,
    watches: Arc<Quota>,
}

impl Limits {
    /// For a machine with this much memory.
    pub(super) fn of(frames: usize) -> Self {
        /// What Linux thinks a watch takes.
        const WATCH_LEN: u64 = 160;
        let frames = frames as u64;
        Self { inodes: Quota::new(frames / 2), watches: Quota::new(frames * PAGE_SIZE as u64 / 25 / WATCH_LEN) }
    }

    /// Files in memory: tmpfs's default of `nr_inodes`, here for all its mounts together.
    pub(super) fn inodes(&self) -> &Arc<Quota> {
        &self.inodes
    }
}

impl Kernel {
    /// How many files there are in memory, and may be.
    pub(crate) fn inodes(&self) -> &Arc<Quota> {
        self.limits.inodes()
    }

    /// How many files sets of epoll(7) watch, and may: on Linux what fits a twenty-fifth of memory.
    pub(crate) fn watches(&self) -> &Arc<Quota> {
        &self.limits.watches
    }
}
