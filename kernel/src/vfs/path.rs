//! A place in the tree of files that a program sees.

use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::{OpenFlags, S_ISGID, S_ISUID};

use super::attributes::{FileKind, Identity};
use super::busy::Occupied;
use super::inode::{Change, Inode, Location};
use super::mount::Mount;
use crate::error::Result;

/// An inode and how it was found. Cloning is cheap.
#[derive(Clone)]
pub struct Path {
    /// The mount it is in.
    pub mount: Arc<Mount>,
    /// The file.
    pub inode: Arc<dyn Inode>,
    pub(super) found: Option<Arc<Found>>,
}

pub(super) struct Found {
    parent: Path,
    name: Vec<u8>,
}

impl Drop for Found {
    /// One after the other: a place may lie deeper than the stack is for each to end within the end of the next.
    fn drop(&mut self) {
        let mut above = self.parent.found.take();
        while let Some(mut found) = above.and_then(Arc::into_inner) {
            above = found.parent.found.take();
        }
    }
}

impl Path {
    /// The top of a mount.
    pub fn root_of(mount: &Arc<Mount>) -> Self {
        Self { mount: Arc::clone(mount), inode: Arc::clone(&mount.root), found: None }
    }

    /// What is called `name` in `self`, found to be `inode`.
    pub fn child(&self, name: &[u8], inode: Arc<dyn Inode>) -> Self {
        let found = Found { parent: self.clone(), name: name.to_vec() };
        Self { mount: Arc::clone(&self.mount), inode, found: Some(Arc::new(found)) }
    }

    /// A place that no name leads to.
    pub fn nameless(mount: &Arc<Mount>, inode: Arc<dyn Inode>) -> Self {
        Self { mount: Arc::clone(mount), inode, found: None }
    }

    /// A hold on it for somebody who writes it; EROFS, ETXTBSY.
    pub fn occupy(&self) -> Result<Option<Occupied>> {
        Occupied::writing(&self.mount, &self.inode, OpenFlags::O_WRONLY)
    }

    /// Takes away a regular file's right to run as its owner or group, before `who` changes it.
    pub fn disarm(&self, who: &Identity) -> Result<()> {
        if self.inode.kind() != FileKind::Regular || who.keeps_set_ids {
            return Ok(());
        }
        let found = self.inode.attributes()?;
        let mut lost = found.mode & u32::from(S_ISUID);
        // Without the right of its group to run it, the other bit is no right to be that group.
        if found.mode & 0o010 != 0 || !who.is_member(found.gid) {
            lost |= found.mode & u32::from(S_ISGID);
        }
        if lost == 0 {
            return Ok(());
        }
        self.inode.set_attributes(&Change { mode: Some(found.mode & !lost), ..Change::default() })
    }

    /// Whether both are the same file by the same mount.
    pub fn is(&self, other: &Self) -> bool {
        self.mount.id == other.mount.id && self.inode.identity() == other.inode.identity()
    }

    /// Whether this is where its mount begins.
    pub fn is_mount_root(&self) -> bool {
        self.inode.identity() == self.mount.root.identity()
    }

    /// The directory above and the name there, within the mount; `None` at its top and where no name is left.
    fn above(&self) -> Option<(Self, Vec<u8>)> {
        if self.is_mount_root() {
            return None;
        }
        match self.inode.location() {
            Location::In(parent, name) => Some((Self::nameless(&self.mount, parent), name)),
            Location::AsFound => self.found.as_ref().map(|found| (found.parent.clone(), found.name.clone())),
            Location::Removed => None,
        }
    }

    /// `..`, which at the top of the machine's tree is the top itself.
    pub fn parent(&self) -> Self {
        let mut here = self.clone();
        while here.is_mount_root() {
            match &here.mount.at {
                Some(at) => here = at.clone(),
                None => return here,
            }
        }
        if let Some((parent, _)) = here.above() {
            return parent;
        }
        // A removed directory still knows where it was.
        here.found.as_ref().map_or_else(|| here.clone(), |found| found.parent.clone())
    }

    /// Its name as a program whose root is `root` would write it; the flag says whether it can still be reached.
    pub fn name_from(&self, root: &Self) -> (Vec<u8>, Reach) {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut here = self.clone();
        let mut reach = Reach::Yes;
        loop {
            if here.is(root) {
                break;
            }
            if here.is_mount_root() {
                match &here.mount.at {
                    Some(at) => here = at.clone(),
                    None => {
                        reach = Reach::OutsideRoot;
                        break;
                    }
                }
                continue;
            }
            if let Some((parent, name)) = here.above() {
                names.push(name);
                here = parent;
                continue;
            }
            reach = Reach::Removed;
            match &here.found {
                Some(found) => {
                    names.push(found.name.clone());
                    here = found.parent.clone();
                }
                None => break,
            }
        }
        let mut full = Vec::new();
        for name in names.iter().rev() {
            full.push(b'/');
            full.extend_from_slice(name);
        }
        if full.is_empty() {
            full.push(b'/');
        }
        (full, reach)
    }

    /// Whether the way up from here comes by `top`, in whatever mount.
    pub(super) fn is_at_or_below(&self, top: &Self) -> bool {
        let mut here = self.clone();
        while !here.is(top) {
            let next = here.parent();
            if next.is(&here) {
                return false;
            }
            here = next;
        }
        true
    }

    /// The same place, seen in another mount of its file system.
    pub(super) fn seen_in(&self, mount: &Arc<Mount>) -> Self {
        let seen = |found: &Arc<Found>| Found { parent: found.parent.seen_in(mount), name: found.name.clone() };
        let found = self.found.as_ref().map(seen).map(Arc::new);
        Self { mount: Arc::clone(mount), inode: Arc::clone(&self.inode), found }
    }

    /// The top of the machine's tree, seen from here.
    pub fn top(&self) -> Self {
        let mut mount = &self.mount;
        while let Some(at) = &mount.at {
            mount = &at.mount;
        }
        Self::root_of(mount)
    }

    /// The last name by which it was found.
    pub fn last_name(&self) -> Option<&[u8]> {
        self.found.as_ref().map(|found| found.name.as_slice())
    }
}

/// Whether a place can be reached by the name given for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Yes,
    /// It is not below the root asked about.
    OutsideRoot,
    /// It, or a directory on the way, was removed.
    Removed,
}
