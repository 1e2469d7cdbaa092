//! What shows through from below: nodes of a folder outside, counted.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use ostd::device::{FolderAttributes, FolderEntry, FolderError, FolderNode, SharedFolder};
use ostd::sync::Mutex;

use super::node::Node;
use crate::error::{Errno, Result};

/// A node of the folder, forgotten when dropped.
pub(super) struct Lower {
    folder: Arc<dyn SharedFolder>,
    node: FolderNode,
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
        let lower = Self { folder: Arc::clone(folder), node: folder.root(), is_root: true };
        let found = lower.attributes()?;
        Ok((lower, found))
    }

    pub(super) fn lookup(&self, name: &[u8]) -> Result<(Self, FolderAttributes)> {
        let (node, found) = self.folder.lookup(self.node, name).map_err(errno)?;
        Ok((Self { folder: Arc::clone(&self.folder), node, is_root: false }, found))
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
