//! Directories: names, whiteouts, and names that have only been seen below.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::mem;

use ostd::device::FolderAttributes;

use super::lower::Lower;
use super::node::{Body, Node};
use crate::error::{Errno, Result};
use crate::vfs::{Entry, FileKind, Location};

/// A directory's names.
pub(super) struct Directory {
    slots: BTreeMap<Vec<u8>, Slot>,
    /// Names by their place in a listing, which they keep.
    order: BTreeMap<u64, Vec<u8>>,
    next_place: u64,
    /// The directory above; the root has none.
    pub(super) parent: Weak<Node>,
    pub(super) name: Vec<u8>,
    pub(super) is_removed: bool,
    /// Whether names here are no longer what is below, for good.
    pub(super) is_changed: bool,
    /// What the directory below looked like when its names were read.
    listed: Option<Listed>,
}

impl Drop for Directory {
    /// One after the other: a tree may be deeper than the stack is for each directory to end within the one above.
    fn drop(&mut self) {
        let mut left = Vec::new();
        let later = |left: &mut Vec<_>, slots: &mut BTreeMap<Vec<u8>, Slot>| {
            if !slots.is_empty() {
                left.push(mem::take(slots));
            }
        };
        later(&mut left, &mut self.slots);
        while let Some(slots) = left.pop() {
            let gone = slots.into_values().filter_map(|slot| match slot {
                Slot::Node(node, ..) => Arc::into_inner(node),
                Slot::Below { .. } | Slot::Whiteout => None,
            });
            for mut node in gone {
                if let Body::Directory(directory) = &mut node.body {
                    later(&mut left, &mut directory.get_mut().slots);
                }
            }
        }
    }
}

type Listed = ((i64, u32), (i64, u32), u64);

/// What stands behind a name.
enum Slot {
    /// A node, and its place in the listing.
    Node(Arc<Node>, u64, Origin),
    /// Seen in a listing below.
    Below { ino: u64, kind: u8, place: u64 },
    /// Removed here, though it may be there below.
    Whiteout,
}

/// Where a name's node comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It was found below by this name.
    Below,
    /// It was made or moved here.
    Here,
}

/// What a directory knows of a name.
pub(super) enum Known {
    Node(Arc<Node>, Origin),
    /// It is below, and would have this inode number.
    Below(Option<u64>),
    Removed,
}

/// Places of `.` and `..` in a listing; names follow.
const FIRST_PLACE: u64 = 2;

impl Directory {
    pub(super) fn new(parent: Weak<Node>, name: &[u8]) -> Self {
        Self {
            slots: BTreeMap::new(),
            order: BTreeMap::new(),
            next_place: FIRST_PLACE,
            parent,
            name: name.to_vec(),
            is_removed: false,
            is_changed: false,
            listed: None,
        }
    }

    /// Names that are known.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn location(&self) -> Location {
        if self.is_removed {
            return Location::Removed;
        }
        match self.parent.upgrade() {
            Some(parent) => Location::In(parent, self.name.clone()),
            None => Location::AsFound,
        }
    }

    pub(super) fn known(&self, name: &[u8]) -> Known {
        match self.slots.get(name) {
            Some(Slot::Node(node, _, origin)) => Known::Node(Arc::clone(node), *origin),
            Some(Slot::Below { ino, .. }) => Known::Below(Some(*ino)),
            Some(Slot::Whiteout) => Known::Removed,
            None => Known::Below(None),
        }
    }

    /// Nodes that are known.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let node = |slot: &Slot| if let Slot::Node(node, ..) = slot { Some(Arc::clone(node)) } else { None };
        self.slots.values().filter_map(node).collect()
    }

    pub(super) fn insert(&mut self, name: &[u8], node: Arc<Node>, origin: Origin) {
        let place = match self.slots.get(name) {
            Some(Slot::Node(_, place, _) | Slot::Below { place, .. }) => *place,
            _ => self.new_place(name),
        };
        self.slots.insert(name.to_vec(), Slot::Node(node, place, origin));
    }

    fn new_place(&mut self, name: &[u8]) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.order.insert(place, name.to_vec());
        place
    }

    /// Forgets a name: if it is below, it is found there again.
    pub(super) fn forget(&mut self, name: &[u8]) -> Option<Arc<Node>> {
        match self.slots.remove(name)? {
            Slot::Node(node, place, _) => {
                self.order.remove(&place);
                Some(node)
            }
            Slot::Below { place, .. } => {
                self.order.remove(&place);
                None
            }
            Slot::Whiteout => None,
        }
    }

    /// Forgets a name for good, whatever is below.
    pub(super) fn cover(&mut self, name: &[u8]) {
        self.forget(name);
        self.slots.insert(name.to_vec(), Slot::Whiteout);
    }

    /// Learns the names below, again if they have changed there. Gives the nodes whose names are not there any more.
    fn list(&mut self, node: &Node) -> Result<Vec<(Vec<u8>, Arc<Node>)>> {
        let mut left = Vec::new();
        let Some(lower) = node.lower.as_ref().filter(|_| !self.is_removed) else { return Ok(left) };
        let version = |found: &FolderAttributes| (found.mtime, found.ctime, found.size);
        let now = match lower.attributes() {
            Ok(found) => version(&found),
            // What was listed stays when the directory below is gone.
            Err(_) if self.listed.is_some() => return Ok(left),
            Err(errno) => return Err(errno),
        };
        if self.listed == Some(now) {
            return Ok(left);
        }
        let entries = lower.entries()?;
        if self.listed.is_some() {
            let names: BTreeSet<&[u8]> = entries.iter().map(|entry| entry.name.as_slice()).collect();
            let mut gone = Vec::new();
            for (name, slot) in self.slots.iter().filter(|(name, _)| !names.contains(name.as_slice())) {
                match slot {
                    Slot::Node(node, _, Origin::Below) => left.push((name.clone(), Arc::clone(node))),
                    Slot::Below { .. } => gone.push(name.clone()),
                    _ => {}
                }
            }
            for name in gone {
                self.forget(&name);
            }
        }
        for entry in entries {
            if !self.slots.contains_key(&entry.name) {
                let place = self.new_place(&entry.name);
                let slot = Slot::Below { ino: node.tree.new_ino(), kind: entry.kind, place };
                self.slots.insert(entry.name, slot);
            }
        }
        self.listed = Some(now);
        Ok(left)
    }

    /// Forgets a name if it still means this node.
    pub(super) fn forget_node(&mut self, name: &[u8], node: &Arc<Node>) {
        if let Known::Node(current, Origin::Below) = self.known(name)
            && Arc::ptr_eq(&current, node)
        {
            self.forget(name);
        }
    }
}

impl Node {
    /// Whether anybody may read the names: EACCES where the folder below does not let us.
    pub(super) fn open_listing(&self) -> Result<()> {
        let is_known = self.lower.is_none() || self.directory()?.lock().listed.is_some();
        if is_known { Ok(()) } else { self.learn_names() }
    }

    /// Learns the names below. A node whose name went there stays while it differs from what was below.
    fn learn_names(&self) -> Result<()> {
        let directory = self.directory()?;
        if self.lower.is_none() {
            return Ok(());
        }
        let left = directory.lock().list(self)?;
        // One node's lock at a time.
        for (name, node) in left.iter().filter(|(_, node)| node.is_as_below()) {
            directory.lock().forget_node(name, node);
        }
        Ok(())
    }

    /// ENOTEMPTY for a directory with names.
    pub(super) fn expect_unused(&self) -> Result<()> {
        let Ok(directory) = self.directory() else { return Ok(()) };
        self.learn_names()?;
        if directory.lock().order.is_empty() { Ok(()) } else { Err(Errno::ENOTEMPTY) }
    }

    /// Up to `count_max` lines of the listing, from a place.
    pub(super) fn list_from(&self, from: u64, count_max: usize) -> Result<Vec<Entry>> {
        if from == 0 {
            self.learn_names()?;
        }
        let directory = self.directory()?.lock();
        if directory.is_removed {
            return Err(Errno::ENOENT);
        }
        let mut lines = Vec::new();
        let dots =
            [(b".".as_slice(), self.ino), (b"..".as_slice(), directory.parent.upgrade().map_or(self.ino, |up| up.ino))];
        for (place, (name, ino)) in (0..).zip(dots) {
            if place >= from {
                let kind = FileKind::Directory.entry_type();
                lines.push(Entry { name: name.to_vec(), ino, kind, next: place + 1 });
            }
        }
        for (place, name) in directory.order.range(from..).take(count_max) {
            let (ino, kind) = match directory.slots.get(name) {
                Some(Slot::Node(node, ..)) => (node.ino, node.kind.entry_type()),
                Some(Slot::Below { ino, kind, .. }) => (*ino, *kind),
                _ => continue,
            };
            lines.push(Entry { name: name.clone(), ino, kind, next: place + 1 });
        }
        Ok(lines)
    }
}

/// A name's node below, found anew.
pub(super) fn found_below(lower: &Lower, name: &[u8]) -> Result<Option<(Lower, FolderAttributes)>> {
    match lower.lookup(name) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}
