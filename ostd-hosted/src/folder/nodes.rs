//! `Nodes`: which nodes a folder has, what they are called, and which of them have a descriptor.
//!
//! A plain structure; it makes no call to the host, but files close when what it returns is dropped.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use ostd_hal::device::FolderNode;

use super::host::{Failure, Result};

/// The top of the tree.
pub(super) const ROOT: FolderNode = FolderNode(1);
/// Descriptors that are kept, besides the root's and those of calls that are under way.
pub(super) const OPEN_MAX: usize = 255;

/// What makes a file the same file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    dev: u64,
    ino: u64,
    format: u32,
}

impl Identity {
    pub(super) fn of(stat: &libc::stat) -> Self {
        Self { dev: stat.st_dev, ino: stat.st_ino, format: stat.st_mode & libc::S_IFMT }
    }

    pub(super) fn dev(self) -> u64 {
        self.dev
    }

    pub(super) fn is_directory(self) -> bool {
        self.format == libc::S_IFDIR
    }

    pub(super) fn is_link(self) -> bool {
        self.format == libc::S_IFLNK
    }

    /// Refuses what has no contents to open.
    pub(super) fn check_is_file(self) -> Result<()> {
        match self.format {
            libc::S_IFREG => Ok(()),
            libc::S_IFDIR => Err(Failure(libc::EISDIR)),
            libc::S_IFLNK => Err(Failure(libc::ELOOP)),
            _ => Err(Failure(libc::ENXIO)),
        }
    }

    /// Refuses another file that has come to have the same name.
    pub(super) fn check(self, stat: &libc::stat) -> Result<()> {
        if self == Self::of(stat) { Ok(()) } else { Err(Failure(libc::ESTALE)) }
    }
}

/// What a kept descriptor can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To walk from, and to look at.
    Path,
    /// The same, and reading.
    Read,
    /// Looking and writing.
    Write,
    /// All of it.
    Both,
}

impl Access {
    fn allows(self, wanted: Self) -> bool {
        self == wanted || self == Self::Both || wanted == Self::Path
    }
}

/// A node's descriptor.
pub(super) struct Open {
    pub(super) fd: Arc<File>,
    pub(super) access: Access,
}

/// Where a node is and what must be there.
pub(super) struct Place {
    pub(super) node: FolderNode,
    pub(super) parent: FolderNode,
    pub(super) name: Vec<u8>,
    pub(super) identity: Identity,
}

struct Node {
    parent: FolderNode,
    name: Vec<u8>,
    identity: Identity,
    lookups: u64,
    /// Nodes whose parent this is, even if their names are now another's.
    below: usize,
    /// Which node a name means. A node that lost its name is not here.
    names: BTreeMap<Vec<u8>, FolderNode>,
    /// The descriptor, and when it was last used.
    open: Option<(Open, u64)>,
}

/// All nodes of a folder.
pub(super) struct Nodes {
    nodes: BTreeMap<FolderNode, Node>,
    /// Nodes with a descriptor by the time of its last use; the root is not among them.
    recent: BTreeMap<u64, FolderNode>,
    clock: u64,
    newest: u64,
    /// Of each device that was met, whether it is the host's kernel's view of itself. The root's never counts as one:
    /// somebody asked for it.
    devices: BTreeMap<u64, bool>,
}

impl Nodes {
    pub(super) fn new(root: Arc<File>, identity: Identity) -> Self {
        let devices = BTreeMap::from([(identity.dev, false)]);
        let mut this = Self { nodes: BTreeMap::new(), recent: BTreeMap::new(), clock: 0, newest: ROOT.0, devices };
        let mut node = Node::new(ROOT, b"", identity);
        node.open = Some((Open { fd: root, access: Access::Path }, 0));
        this.nodes.insert(ROOT, node);
        this
    }

    /// The node called `name`, counted once more; a new one if there is none or the name is now another file's.
    pub(super) fn look_up(&mut self, dir: FolderNode, name: &[u8], identity: Identity) -> Result<FolderNode> {
        if let Some(node) = self.find(dir, name)
            && let Some(known) = self.nodes.get_mut(&node)
            && known.identity == identity
        {
            known.lookups += 1;
            return Ok(node);
        }
        let node = FolderNode(self.newest + 1);
        let parent = self.nodes.get_mut(&dir).ok_or(Failure(libc::ESTALE))?;
        parent.names.insert(name.to_vec(), node);
        parent.below += 1;
        self.newest += 1;
        self.nodes.insert(node, Node::new(dir, name, identity));
        Ok(node)
    }

    /// The node that is called `name`, as far as we know.
    pub(super) fn find(&self, dir: FolderNode, name: &[u8]) -> Option<FolderNode> {
        self.nodes.get(&dir)?.names.get(name).copied()
    }

    /// What is known of a device.
    pub(super) fn is_kernels(&self, dev: u64) -> Option<bool> {
        self.devices.get(&dev).copied()
    }

    pub(super) fn note_device(&mut self, dev: u64, is_kernels: bool) {
        self.devices.insert(dev, is_kernels);
    }

    pub(super) fn identity(&self, node: FolderNode) -> Result<Identity> {
        Ok(self.node(node)?.identity)
    }

    pub(super) fn place(&self, node: FolderNode) -> Result<Place> {
        let Node { parent, name, identity, .. } = self.node(node)?;
        Ok(Place { node, parent: *parent, name: name.clone(), identity: *identity })
    }

    /// The node's descriptor, if it has one that allows `wanted`.
    pub(super) fn open(&mut self, node: FolderNode, wanted: Access) -> Option<Arc<File>> {
        let now = self.clock + 1;
        let (open, used) = self.nodes.get_mut(&node)?.open.as_mut().filter(|(open, _)| open.access.allows(wanted))?;
        if node != ROOT {
            self.clock = now;
            self.recent.remove(used);
            self.recent.insert(now, node);
            *used = now;
        }
        Some(open.fd.clone())
    }

    /// The descriptor of the nearest directory at or above `dir` that has one, and the steps down from there.
    pub(super) fn nearest_open(&mut self, dir: FolderNode) -> Result<(Arc<File>, Vec<Place>)> {
        let (mut at, mut missing) = (dir, Vec::new());
        loop {
            if let Some(fd) = self.open(at, Access::Path) {
                missing.reverse();
                return Ok((fd, missing));
            }
            let place = self.place(at)?;
            at = place.parent;
            missing.push(place);
        }
    }

    /// Keeps a descriptor for a node. Returns what is no longer kept, to be dropped outside the lock.
    pub(super) fn keep(&mut self, node: FolderNode, open: Open) -> Vec<Open> {
        let mut gone = Vec::new();
        let Some(keeper) = self.nodes.get_mut(&node).filter(|_| node != ROOT) else { return vec![open] };
        self.clock += 1;
        if let Some((former, used)) = keeper.open.replace((open, self.clock)) {
            self.recent.remove(&used);
            gone.push(former);
        }
        self.recent.insert(self.clock, node);
        while self.recent.len() > OPEN_MAX {
            let Some((_, oldest)) = self.recent.pop_first() else { break };
            gone.extend(self.nodes.get_mut(&oldest).and_then(|node| node.open.take()).map(|(open, _)| open));
        }
        gone
    }

    /// Undoes one lookup. Returns what is no longer kept.
    pub(super) fn forget(&mut self, node: FolderNode) -> Vec<Open> {
        if let Some(known) = self.nodes.get_mut(&node) {
            known.lookups = known.lookups.saturating_sub(1);
        }
        self.prune(node)
    }

    /// The name means nothing any more.
    pub(super) fn detach(&mut self, dir: FolderNode, name: &[u8]) {
        if let Some(dir) = self.nodes.get_mut(&dir) {
            dir.names.remove(name);
        }
    }

    /// The file called `name` in `from` is called `new` in `to`. Returns what is no longer kept.
    pub(super) fn rename(&mut self, from: FolderNode, name: &[u8], to: FolderNode, new: &[u8]) -> Vec<Open> {
        let moved = self.find(from, name);
        let replaced = self.find(to, new);
        let identity = |node: Option<FolderNode>| node.and_then(|node| self.nodes.get(&node)).map(|node| node.identity);
        if moved.is_some() && identity(moved) == identity(replaced) {
            // Two names of one file: rename(2) does nothing, and says it did.
            return Vec::new();
        }
        self.detach(from, name);
        self.detach(to, new);
        let Some(node) = moved else { return Vec::new() };
        if let Some(known) = self.nodes.get_mut(&node) {
            (known.parent, known.name) = (to, new.to_vec());
        }
        if let Some(parent) = self.nodes.get_mut(&to) {
            parent.names.insert(new.to_vec(), node);
            parent.below += 1;
        }
        if let Some(parent) = self.nodes.get_mut(&from) {
            parent.below -= 1;
        }
        self.prune(from)
    }

    fn node(&self, node: FolderNode) -> Result<&Node> {
        self.nodes.get(&node).ok_or(Failure(libc::ESTALE))
    }

    /// Removes a node that nobody needs, and then perhaps its parents.
    fn prune(&mut self, mut node: FolderNode) -> Vec<Open> {
        let mut gone = Vec::new();
        while node != ROOT && self.nodes.get(&node).is_some_and(|node| node.lookups == 0 && node.below == 0) {
            let Some(removed) = self.nodes.remove(&node) else { break };
            if let Some((open, used)) = removed.open {
                self.recent.remove(&used);
                gone.push(open);
            }
            if let Some(parent) = self.nodes.get_mut(&removed.parent) {
                parent.below -= 1;
                if parent.names.get(&removed.name) == Some(&node) {
                    parent.names.remove(&removed.name);
                }
            }
            node = removed.parent;
        }
        gone
    }

    /// How many nodes there are besides the root.
    pub(super) fn held(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    /// How many nodes there are, and how many of them have a descriptor, the root counted in both.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let open = self.nodes.values().filter(|node| node.open.is_some()).count();
        assert_eq!(open, self.recent.len() + 1);
        (self.nodes.len(), open)
    }
}

impl Node {
    fn new(parent: FolderNode, name: &[u8], identity: Identity) -> Self {
        Self { parent, name: name.to_vec(), identity, lookups: 1, below: 0, names: BTreeMap::new(), open: None }
    }
}
