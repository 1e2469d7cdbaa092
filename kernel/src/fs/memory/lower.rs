//! What shows through from below: nodes of a folder outside, counted.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use kernel_abi::structs::Timespec;
use ostd::device::{FolderAttributes, FolderEntry, FolderError, FolderNode, SharedFolder};
use ostd::sync::Mutex;

use super::node::Node;
use crate::error::{Errno, Result};
use crate::vfs::{Change, FileKind, New};

/// A node of the folder, forgotten when dropped.
pub(super) struct Lower {
    folder: Arc<dyn SharedFolder>,
    node: FolderNode,
    /// Device and inode number below: what makes a file the same under all its names.
    identity: (u64, u64),
    is_root: bool,
}

impl Drop for Lower {
    fn drop(&mut self) {
        if !self.is_root {
            self.folder.forget(self.node);
        }
    }
}

impl Lower {
    pub(super) fn root(folder: &Arc<dyn SharedFolder>) -> Result<(Self, FolderAttributes)> {
        let found = folder.attributes(folder.root()).map_err(errno)?;
        let identity = (found.dev, found.ino);
        Ok((Self { folder: Arc::clone(folder), node: folder.root(), identity, is_root: true }, found))
    }

    pub(super) fn lookup(&self, name: &[u8]) -> Result<(Self, FolderAttributes)> {
        let (node, found) = self.folder.lookup(self.node, name).map_err(errno)?;
        Ok((self.sibling(node, &found), found))
    }

    fn sibling(&self, node: FolderNode, found: &FolderAttributes) -> Self {
        let identity = (found.dev, found.ino);
        Self { folder: Arc::clone(&self.folder), node, identity, is_root: false }
    }

    /// Whether this is the file that was found.
    pub(super) fn is(&self, found: &FolderAttributes) -> bool {
        self.identity == (found.dev, found.ino)
    }

    pub(super) fn attributes(&self) -> Result<FolderAttributes> {
        self.folder.attributes(self.node).map_err(errno)
    }

    pub(super) fn entries(&self) -> Result<Vec<FolderEntry>> {
        self.folder.entries(self.node).map_err(errno)
    }

    pub(super) fn link_target(&self) -> Result<Vec<u8>> {
        self.folder.link_target(self.node).map_err(errno)
    }

    /// Whether reading would be allowed.
    pub(super) fn read_probe(&self) -> Result<()> {
        self.folder.read(self.node, 0, &mut []).map_err(errno).map(drop)
    }

    /// Fills `into` as far as the file goes.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        while done < into.len() {
            match self.folder.read(self.node, offset + done as u64, &mut into[done..]).map_err(errno)? {
                0 => break,
                count => done += count,
            }
        }
        Ok(done)
    }
}

/// Changes below; EROFS where there can be none.
impl Lower {
    /// Makes a file in this directory, with exactly the permission bits of `mode`.
    pub(super) fn make(&self, name: &[u8], new: New<'_>, mode: u32) -> Result<(Self, FolderAttributes)> {
        let made = match new {
            New::Symlink(target) => self.folder.symlink(self.node, name, target),
            New::Regular => self.folder.create(self.node, name, FileKind::Regular.mode() | mode),
            New::Directory => self.folder.create(self.node, name, FileKind::Directory.mode() | mode),
            New::Special(kind, _) => self.folder.create(self.node, name, kind.mode() | mode),
        };
        let (node, found) = made.map_err(errno)?;
        Ok((self.sibling(node, &found), found))
    }

    /// Another name for `target`.
    pub(super) fn link(&self, target: &Self, name: &[u8]) -> Result<()> {
        self.folder.link(target.node, self.node, name).map_err(errno)
    }

    pub(super) fn remove(&self, name: &[u8], kind: FileKind) -> Result<()> {
        self.folder.remove(self.node, name, kind == FileKind::Directory).map_err(errno)
    }

    pub(super) fn rename(&self, name: &[u8], to: &Self, new_name: &[u8]) -> Result<()> {
        self.folder.rename(self.node, name, to.node, new_name).map_err(errno)
    }

    /// Whether writing would be allowed.
    pub(super) fn write_probe(&self) -> Result<()> {
        self.folder.write(self.node, 0, &[]).map_err(errno).map(drop)
    }

    /// Writes all of `from`.
    pub(super) fn write(&self, offset: u64, from: &[u8]) -> Result<()> {
        let mut done = 0;
        while done < from.len() {
            match self.folder.write(self.node, offset + done as u64, &from[done..]).map_err(errno)? {
                0 => return Err(Errno::EIO),
                count => done += count,
            }
        }
        Ok(())
    }

    pub(super) fn truncate(&self, size: u64) -> Result<()> {
        self.folder.truncate(self.node, size).map_err(errno)
    }

    pub(super) fn punch(&self, offset: u64, len: u64) -> Result<()> {
        self.folder.punch(self.node, offset, len).map_err(errno)
    }

    /// Owner first, for changing it takes set-user-ID away.
    pub(super) fn change(&self, change: &Change) -> Result<()> {
        if change.uid.is_some() || change.gid.is_some() {
            self.folder.set_owner(self.node, change.uid, change.gid).map_err(errno)?;
        }
        if let Some(mode) = change.mode {
            self.folder.set_mode(self.node, mode).map_err(errno)?;
        }
        if change.atime.is_some() || change.mtime.is_some() {
            let now = self.attributes()?;
            let time = |wanted: Option<Timespec>, now| {
                wanted.map_or(now, |time| (time.tv_sec, u32::try_from(time.tv_nsec).unwrap_or(0)))
            };
            let (atime, mtime) = (time(change.atime, now.atime), time(change.mtime, now.mtime));
            self.folder.set_times(self.node, atime, mtime).map_err(errno)?;
        }
        Ok(())
    }
}

fn errno(FolderError(number): FolderError) -> Errno {
    Errno::from_number(number).unwrap_or(Errno::EIO)
}

/// Files below that have several names, by their identity there: each is one node here.
#[derive(Default)]
pub(super) struct SeenLinks(Mutex<BTreeMap<(u64, u64), Weak<Node>>>);

impl SeenLinks {
    pub(super) fn get(&self, found: &FolderAttributes) -> Option<Arc<Node>> {
        self.0.lock().get(&(found.dev, found.ino)).and_then(Weak::upgrade)
    }

    pub(super) fn note(&self, found: &FolderAttributes, node: &Arc<Node>) {
        self.0.lock().insert((found.dev, found.ino), Arc::downgrade(node));
    }
}
