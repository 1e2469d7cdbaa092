//! Directories: names, whiteouts, and names that have only been seen below.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use kernel_abi::flags::RenameFlags;

use super::lower::Lower;
use super::node::Node;
use crate::error::{Errno, Result};
use crate::vfs::{Entry, FileKind, Location, Make};

/// A directory's names.
pub(super) struct Directory {
    slots: BTreeMap<Vec<u8>, Slot>,
    /// Names by their place in a listing, which they keep.
    order: BTreeMap<u64, Vec<u8>>,
    next_place: u64,
    /// The directory above; the root has none.
    parent: Weak<Node>,
    name: Vec<u8>,
    pub(super) is_removed: bool,
    /// Whether names below are still to be listed.
    is_unlisted: bool,
}

/// What stands behind a name.
enum Slot {
    /// A node, and its place in the listing.
    Node(Arc<Node>, u64),
    /// Seen in a listing below.
    Below { ino: u64, kind: u8, place: u64 },
    /// Removed here, though it may be there below.
    Whiteout,
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
            is_unlisted: false,
        }
    }

    /// One that has names below.
    pub(super) fn over(parent: Weak<Node>, name: &[u8]) -> Self {
        Self { is_unlisted: true, ..Self::new(parent, name) }
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

    fn insert(&mut self, name: &[u8], node: Arc<Node>) {
        let place = match self.slots.get(name) {
            Some(Slot::Node(_, place) | Slot::Below { place, .. }) => *place,
            _ => self.new_place(name),
        };
        self.slots.insert(name.to_vec(), Slot::Node(node, place));
    }

    fn new_place(&mut self, name: &[u8]) -> u64 {
        let place = self.next_place;
        self.next_place += 1;
        self.order.insert(place, name.to_vec());
        place
    }

    fn take(&mut self, name: &[u8], lower: Option<&Lower>) {
        if let Some(Slot::Node(_, place) | Slot::Below { place, .. }) = self.slots.remove(name) {
            self.order.remove(&place);
        }
        if lower.is_some() {
            self.slots.insert(name.to_vec(), Slot::Whiteout);
        }
    }

    /// Learns all names below, once.
    fn list(&mut self, node: &Node) -> Result<()> {
        let Some(lower) = node.lower.as_ref().filter(|_| self.is_unlisted) else { return Ok(()) };
        for entry in lower.entries()? {
            if !self.slots.contains_key(&entry.name) {
                let place = self.new_place(&entry.name);
                let slot = Slot::Below { ino: node.tree.new_ino(), kind: entry.kind, place };
                self.slots.insert(entry.name, slot);
            }
        }
        self.is_unlisted = false;
        Ok(())
    }
}

/// Which call removes a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// unlink(2).
    File,
    /// rmdir(2).
    Directory,
}

impl Node {
    /// What `name` is, found below if need be.
    pub(super) fn find(&self, name: &[u8]) -> Result<Arc<Self>> {
        let mut directory = self.directory()?.lock();
        let ino = match directory.slots.get(name) {
            Some(Slot::Node(node, _)) => return Ok(Arc::clone(node)),
            Some(Slot::Whiteout) => return Err(Errno::ENOENT),
            Some(Slot::Below { ino, .. }) => Some(*ino),
            None => None,
        };
        let lower = self.lower.as_ref().filter(|_| !directory.is_removed).ok_or(Errno::ENOENT)?;
        let (below, found) = lower.lookup(name)?;
        let ino = ino.unwrap_or_else(|| self.tree.new_ino());
        let node = Self::adopt(&self.tree, ino, below, &found, Some((self.this.clone(), name)))?;
        directory.insert(name, Arc::clone(&node));
        Ok(node)
    }

    pub(super) fn make(&self, name: &[u8], make: &Make<'_>) -> Result<Arc<Self>> {
        let _names = self.tree.names.lock();
        self.expect_free(name)?;
        let node = Self::new_in(self, name, make);
        self.directory()?.lock().insert(name, Arc::clone(&node));
        if node.kind == FileKind::Directory {
            self.count_links(1);
        }
        self.touch();
        Ok(node)
    }

    pub(super) fn add_link(&self, name: &[u8], target: &Self) -> Result<()> {
        let _names = self.tree.names.lock();
        if target.tree.dev != self.tree.dev {
            return Err(Errno::EXDEV);
        }
        self.expect_free(name)?;
        // A file without any name stays without.
        let may = |node: &Arc<Node>| {
            let meta = node.meta.lock();
            meta.nlink > 0 || meta.may_be_named
        };
        let node = target.this.upgrade().filter(may).ok_or(Errno::ENOENT)?;
        node.count_links(1);
        self.directory()?.lock().insert(name, node);
        self.touch();
        Ok(())
    }

    pub(super) fn remove(&self, name: &[u8], removal: Removal) -> Result<()> {
        let _names = self.tree.names.lock();
        let node = self.find(name)?;
        match (removal, node.kind == FileKind::Directory) {
            (Removal::File, true) => return Err(Errno::EISDIR),
            (Removal::Directory, false) => return Err(Errno::ENOTDIR),
            _ => {}
        }
        node.retire()?;
        if node.kind == FileKind::Directory {
            self.count_links(-1);
        }
        self.directory()?.lock().take(name, self.lower.as_ref());
        self.touch();
        Ok(())
    }

    pub(super) fn move_name(&self, name: &[u8], to: &Self, new_name: &[u8], how: RenameFlags) -> Result<()> {
        if how.contains(RenameFlags::RENAME_WHITEOUT) {
            return Err(Errno::EINVAL);
        }
        let _names = self.tree.names.lock();
        if to.tree.dev != self.tree.dev {
            return Err(Errno::EXDEV);
        }
        let node = self.find(name)?;
        if to.directory()?.lock().is_removed {
            return Err(Errno::ENOENT);
        }
        let target = match to.find(new_name) {
            Ok(target) => Some(target),
            Err(Errno::ENOENT) => None,
            Err(errno) => return Err(errno),
        };
        if target.as_ref().is_some_and(|target| target.ino == node.ino) {
            return Ok(());
        }
        if let Some(target) = target.clone().filter(|_| how.contains(RenameFlags::RENAME_EXCHANGE)) {
            self.place(name, target)?;
            to.place(new_name, node)?;
            return Ok(());
        }
        if let Some(target) = target {
            match (node.kind == FileKind::Directory, target.kind == FileKind::Directory) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
            target.retire()?;
            if target.kind == FileKind::Directory {
                to.count_links(-1);
            }
        }
        to.place(new_name, Arc::clone(&node))?;
        self.directory()?.lock().take(name, self.lower.as_ref());
        if node.kind == FileKind::Directory {
            self.count_links(-1);
            to.count_links(1);
        }
        node.count_links(0);
        self.touch();
        to.touch();
        Ok(())
    }

    /// Puts a node behind a name, whatever was there, and tells a directory where it is now.
    fn place(&self, name: &[u8], node: Arc<Self>) -> Result<()> {
        if let Ok(moved) = node.directory() {
            let mut moved = moved.lock();
            moved.parent = self.this.clone();
            moved.name = name.to_vec();
        }
        self.directory()?.lock().insert(name, node);
        Ok(())
    }

    /// Takes one name away from a node; a directory must be empty, and is nowhere from then on.
    fn retire(&self) -> Result<()> {
        if let Ok(directory) = self.directory() {
            let mut directory = directory.lock();
            directory.list(self)?;
            if !directory.order.is_empty() {
                return Err(Errno::ENOTEMPTY);
            }
            directory.is_removed = true;
            drop(directory);
            self.count_links(i32::MIN);
        } else {
            self.count_links(-1);
        }
        Ok(())
    }

    fn expect_free(&self, name: &[u8]) -> Result<()> {
        if self.directory()?.lock().is_removed {
            return Err(Errno::ENOENT);
        }
        match self.find(name) {
            Ok(_) => Err(Errno::EEXIST),
            Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Up to `count_max` lines of the listing, from a place.
    pub(super) fn list_from(&self, from: u64, count_max: usize) -> Result<Vec<Entry>> {
        let mut directory = self.directory()?.lock();
        if directory.is_removed {
            return Err(Errno::ENOENT);
        }
        directory.list(self)?;
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
                Some(Slot::Node(node, _)) => (node.ino, node.kind.entry_type()),
                Some(Slot::Below { ino, kind, .. }) => (*ino, *kind),
                _ => continue,
            };
            lines.push(Entry { name: name.clone(), ino, kind, next: place + 1 });
        }
        Ok(lines)
    }
}
