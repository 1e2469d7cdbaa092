//! The tree and the folder below: what changes there is seen here, and where the folder is writable, what changes here
//! is done there first.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use kernel_abi::flags::OpenFlags;
use ostd::PAGE_SIZE;
use ostd::device::FolderAttributes;

use super::lower::Lower;
use super::node::{Body, Node};
use super::pages::{Version, time};
use crate::error::Result;
use crate::vfs::{Change, FileKind, Make};

pub(super) fn version(found: &FolderAttributes) -> Version {
    Version { size: found.size, mtime: found.mtime, ctime: found.ctime }
}

impl Node {
    /// The node below, where changes are done to it.
    pub(super) fn through(&self) -> Option<&Lower> {
        self.lower.as_ref().filter(|_| self.tree.writes_through)
    }

    /// Whether there is nothing here that is not below: neither contents, nor attributes, nor anything in a directory.
    pub(super) fn is_as_below(&self) -> bool {
        if self.lower.is_none() || self.meta.lock().is_own {
            return false;
        }
        match &self.body {
            Body::Regular { pages, .. } => pages.lock().is_clean(),
            Body::Directory(directory) => {
                let nodes = {
                    let directory = directory.lock();
                    if directory.is_changed {
                        return false;
                    }
                    directory.nodes()
                };
                nodes.iter().all(|node| node.is_as_below())
            }
            _ => true,
        }
    }

    /// Takes over what is below now, as far as it was not changed here.
    pub(super) fn follow_below(&self, found: &FolderAttributes) {
        if let Body::Regular { pages, .. } = &self.body {
            pages.lock().revalidate(version(found), found.blocks);
        }
        let mut meta = self.meta.lock();
        if !meta.is_own {
            meta.mode = found.mode & 0o7777;
            meta.uid = found.uid;
            meta.gid = found.gid;
            meta.nlink = found.nlink;
            meta.size_below = found.size;
            meta.blocks_below = found.blocks;
            meta.atime = time(found.atime);
            meta.mtime = time(found.mtime);
            meta.ctime = time(found.ctime);
        }
    }

    /// EACCES and the like where the folder does not let us read what is only there, or write what goes there.
    pub(super) fn permit_below(&self, flags: OpenFlags) -> Result<()> {
        let (Some(lower), Body::Regular { pages, .. }) = (&self.lower, &self.body) else { return Ok(()) };
        if self.tree.writes_through && flags.intersects(OpenFlags::O_WRONLY | OpenFlags::O_RDWR) {
            lower.write_probe()?;
        }
        let is_needed = !flags.contains(OpenFlags::O_WRONLY) && pages.lock().is_clean();
        if is_needed { lower.read_probe() } else { Ok(()) }
    }

    /// Looks at what is below.
    pub(super) fn revalidate(&self) {
        if let Some(found) = self.lower.as_ref().and_then(|lower| lower.attributes().ok()) {
            self.follow_below(&found);
        }
    }

    /// Contents or attributes were changed here and below alike: what is there now is ours.
    pub(super) fn settle(&self) {
        let Some(found) = self.through().and_then(|lower| lower.attributes().ok()) else { return };
        if let Body::Regular { pages, .. } = &self.body {
            pages.lock().settle(version(&found));
        }
        self.follow_below(&found);
    }

    /// Makes a file below, and a node of it.
    pub(super) fn make_below(&self, lower: &Lower, name: &[u8], make: &Make<'_>) -> Result<Arc<Self>> {
        let above = lower.attributes()?;
        let hands_down = above.mode & 0o2000 != 0;
        let is_directory = make.new == crate::vfs::New::Directory;
        let mode = if hands_down && is_directory { make.mode | 0o2000 } else { make.mode };
        let gid = if hands_down { above.gid } else { make.gid };
        let (below, found) = lower.make(name, make.new, mode)?;
        // A guest's root is whoever runs the machine; only a real root can give files away.
        let (uid, gid) = ((make.uid != found.uid).then_some(make.uid), (gid != found.gid).then_some(gid));
        if uid.is_some() || gid.is_some() {
            // Giving away takes set-ID bits: they come last.
            let given = below.change(&Change { uid, gid, ..Change::default() });
            if given.is_ok() && FileKind::of_mode(found.mode) != Some(FileKind::Symlink) {
                below.change(&Change { mode: Some(mode), ..Change::default() })?;
            }
        }
        let found = below.attributes()?;
        Self::adopt(&self.tree, self.tree.new_ino(), below, &found, Some((self.this.clone(), name)))
    }

    /// Brings what mappers may have stored below.
    pub(super) fn write_back(&self) -> Result<()> {
        let (Some(lower), Body::Regular { pages, turn }) = (self.through(), &self.body) else { return Ok(()) };
        if !pages.lock().is_mapped_for_writing() {
            return Ok(());
        }
        let _turn = turn.lock();
        let stored: Vec<(u64, Vec<u8>)> = {
            let pages = pages.lock();
            let len = |start: u64| pages.size.saturating_sub(start).min(PAGE_SIZE as u64) as usize;
            let copy = |(index, frame): (u64, &ostd::frame::Frame)| {
                let start = index * PAGE_SIZE as u64;
                let mut bytes = vec![0; len(start)];
                frame.read(0, &mut bytes);
                (start, bytes)
            };
            pages.mapped_for_writing().map(copy).collect()
        };
        for (start, bytes) in &stored {
            lower.write(*start, bytes)?;
        }
        self.settle();
        Ok(())
    }
}
