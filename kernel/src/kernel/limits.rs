//! How many of each kind of object a machine may have, by its memory.

use alloc::sync::Arc;

use ostd::{Machine, PAGE_SIZE};

use super::Kernel;
use crate::vfs::Quota;

/// Open files: on Linux one for each ten KiB of memory, and never less than `NR_FILE`.
pub(super) fn open_files(machine: &Machine) -> Arc<Quota> {
    const NR_FILE: u64 = 8192;
    Quota::on_heap_of(machine, (machine.frames().total() as u64 * 4 / 10).max(NR_FILE), 0)
}

/// Counts of what no other room has a root for.
pub(super) struct Limits {
    inodes: Arc<Quota>,
    watches: Arc<Quota>,
}

impl Limits {
    /// For a machine with this much memory.
    pub(super) fn of(machine: &Machine) -> Self {
        /// What Linux thinks a watch takes.
        const WATCH_LEN: usize = 160;
        let frames = machine.frames().total();
        let watches = frames * PAGE_SIZE / 25 / WATCH_LEN;
        Self {
            // Where they fill the heap, they can be removed: that takes open files, and programs.
            inodes: Quota::on_heap_of(machine, frames as u64 / 2, machine.heap_room() / 8),
            watches: Quota::on_heap_of(machine, watches as u64, 0),
        }
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
