//! One tree of nodes in memory, perhaps with a folder of the outside below it.
//!
//! Without a folder it is tmpfs. With one it is an overlay: names are looked up below when they are first asked for,
//! and from then on are nodes like any other; pages are read when first touched; nothing is ever written below. A node
//! keeps its inode number for as long as anybody can see it, and moves whole when it is renamed. A name that was
//! removed, and would show through from below, is a whiteout. What nobody changed here follows what is below: looked
//! at again whenever a path leads to it.
//!
//! A folder that is writable is written through: the same tree, but each change is done below first, and nothing here
//! differs from it for longer than a mapping keeps what was stored there.
//!
//! What is here alone is counted, each name of it once, and there is an end of it; what was found below is not.
//!
//! Lock order: the tree (whoever adds or removes names), a file's turn to write, then one node's lock at a time.
//! Only the turn to write is held while a program's memory is touched.

mod directory;
mod file;
mod lower;
mod nameless;
mod names;
mod node;
mod pages;
#[cfg(test)]
mod tests;
mod through;
mod xattr;

use alloc::sync::Arc;

use kernel_abi::flags::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC};
use kernel_abi::structs::Timespec;
use ostd::Machine;
use ostd::device::SharedFolder;
use ostd::sync::atomic::AtomicU64;
use ostd::sync::{Mutex, Rank};

use crate::error::{Errno, Result};
use crate::vfs::{FileSystem, Inode, Make, New, Quota, Share, SystemAttributes};
use lower::{Lower, SeenLinks};
pub use nameless::{NamelessFiles, Seals};
use node::Node;

/// Names of a tree being added or removed.
const NAMES: Rank = Rank::new("names of a tree", 30);
/// A file's turn to write.
const TURN: Rank = Rank::new("turn to write", 32);
/// A node's names or pages, of one node at a time.
const NODE: Rank = Rank::new("node", 60);
/// A node's attributes.
const META: Rank = Rank::new("attributes of a node", 62);

/// A tree in memory.
pub struct MemoryFs {
    root: Arc<Node>,
}

/// What all nodes of a tree share.
struct Tree {
    machine: Machine,
    dev: u64,
    next_ino: AtomicU64,
    /// Held while names are added or removed.
    names: Mutex<()>,
    seen: SeenLinks,
    /// Whether there is a folder below.
    is_over: bool,
    /// Whether it is to have each change.
    writes_through: bool,
    /// How many files may be here, or in any other tree.
    inodes: Arc<Quota>,
}

impl Tree {
    fn new(machine: &Machine, inodes: &Arc<Quota>, dev: u64, folder: Option<&dyn SharedFolder>) -> Arc<Self> {
        let (machine, inodes, next_ino) = (machine.clone(), Arc::clone(inodes), AtomicU64::new(1));
        let (is_over, writes_through) = (folder.is_some(), folder.is_some_and(SharedFolder::is_writable));
        let (names, seen) = (Mutex::ranked(NAMES, ()), SeenLinks::default());
        Arc::new(Self { machine, dev, next_ino, names, seen, is_over, writes_through, inodes })
    }

    fn new_ino(&self) -> u64 {
        self.next_ino.fetch_add(1)
    }

    /// Room for one more file that is here alone, or for one more name of it; ENOSPC.
    fn admit(&self) -> Result<Share> {
        self.inodes.take().ok_or(Errno::ENOSPC)
    }

    fn now(&self) -> Timespec {
        let ns = self.machine.boot_realtime_ns() + self.machine.monotonic_ns();
        Timespec { tv_sec: (ns / 1_000_000_000).cast_signed(), tv_nsec: (ns % 1_000_000_000).cast_signed() }
    }
}

impl MemoryFs {
    /// An empty tree whose root has these permission bits; its files are counted in `inodes`. `dev` is the device number
    /// stat(2) shows.
    pub fn new(machine: &Machine, inodes: &Arc<Quota>, dev: u64, mode: u32) -> Arc<Self> {
        Arc::new(Self { root: Node::new_root(&Tree::new(machine, inodes, dev, None), mode) })
    }

    /// A tree that begins as what `folder` shows, and writes through to it if it is writable.
    pub fn over(machine: &Machine, inodes: &Arc<Quota>, dev: u64, folder: &Arc<dyn SharedFolder>) -> Result<Arc<Self>> {
        let (lower, found) = Lower::root(folder)?;
        let tree = Tree::new(machine, inodes, dev, Some(&**folder));
        let ino = tree.new_ino();
        Ok(Arc::new(Self { root: Node::adopt(&tree, ino, lower, &found, None)? }))
    }

    /// A directory at the top for something to be mounted on, if there is no such name; it is never written through.
    pub fn make_place(&self, name: &[u8], mode: u32) -> Result<()> {
        match self.root.find(name) {
            Err(Errno::ENOENT) => self.root.make_here(name, &Make { new: New::Directory, mode, uid: 0, gid: 0 }),
            found => found.map(drop),
        }
    }
}

impl FileSystem for MemoryFs {
    fn name(&self) -> &'static str {
        if self.root.lower.is_some() { "overlay" } else { "tmpfs" }
    }

    fn root(&self) -> Arc<dyn Inode> {
        Arc::clone(&self.root) as Arc<dyn Inode>
    }

    fn attributes(&self) -> SystemAttributes {
        let (frames, inodes) = (self.root.tree.machine.frames(), &self.root.tree.inodes);
        let magic = if self.root.lower.is_some() { OVERLAYFS_SUPER_MAGIC } else { TMPFS_MAGIC };
        let (blocks, free) = (frames.total() as u64, frames.free() as u64);
        let (files, files_free) = (inodes.max(), inodes.max() - inodes.used());
        SystemAttributes { magic, blocks, free, files, files_free }
    }
}
