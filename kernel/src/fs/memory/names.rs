//! What is done to names: found, made, removed, moved.

use alloc::sync::Arc;

use kernel_abi::flags::RenameFlags;

use super::directory::{Known, Origin, found_below};
use super::node::Node;
use crate::error::{Errno, Result};
use crate::vfs::{FileKind, Make};

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
        let ino = {
            let directory = self.directory()?.lock();
            match directory.known(name) {
                Known::Node(node, Origin::Here) => return Ok(node),
                Known::Node(node, Origin::Below) => {
                    drop(directory);
                    return self.find_again(name, node);
                }
                Known::Removed => return Err(Errno::ENOENT),
                Known::Below(_) if directory.is_removed || self.lower.is_none() => return Err(Errno::ENOENT),
                Known::Below(ino) => ino,
            }
        };
        self.adopt_below(name, ino)
    }

    /// Makes a node of what is below.
    fn adopt_below(&self, name: &[u8], ino: Option<u64>) -> Result<Arc<Self>> {
        let lower = self.lower.as_ref().ok_or(Errno::ENOENT)?;
        let mut directory = self.directory()?.lock();
        // Somebody may have been faster.
        if let Known::Node(node, _) = directory.known(name) {
            return Ok(node);
        }
        let Some((below, found)) = found_below(lower, name)? else {
            directory.forget(name);
            return Err(Errno::ENOENT);
        };
        let ino = ino.unwrap_or_else(|| self.tree.new_ino());
        let node = Self::adopt(&self.tree, ino, below, &found, Some((self.this.clone(), name)))?;
        directory.insert(name, Arc::clone(&node), Origin::Below);
        Ok(node)
    }

    /// Looks whether a node that was found below is still what its name means there. One that was changed here stays
    /// whatever happens below; another is forgotten with its name, or for the file that has taken it.
    fn find_again(&self, name: &[u8], node: Arc<Self>) -> Result<Arc<Self>> {
        let (Some(lower), Some(known)) = (&self.lower, &node.lower) else { return Ok(node) };
        match found_below(lower, name) {
            Ok(Some((_, found))) if known.is(&found) && FileKind::of_mode(found.mode) == Some(node.kind) => {
                node.follow_below(&found);
                return Ok(node);
            }
            Ok(_) if node.is_as_below() => {}
            // Changed here, or it cannot be asked about now.
            _ => return Ok(node),
        }
        self.directory()?.lock().forget_node(name, &node);
        self.adopt_below(name, None)
    }

    pub(super) fn make(&self, name: &[u8], make: &Make<'_>) -> Result<Arc<Self>> {
        let _names = self.tree.names.lock();
        self.expect_free(name)?;
        let (node, origin) = match self.through() {
            Some(lower) => (self.make_below(lower, name, make)?, Origin::Below),
            None => (Self::new_in(self, name, make)?, Origin::Here),
        };
        self.change(|directory| directory.insert(name, Arc::clone(&node), origin))?;
        if node.kind == FileKind::Directory {
            self.count_links(1);
        }
        self.touch();
        Ok(node)
    }

    /// Makes a file that is here alone.
    pub(super) fn make_here(&self, name: &[u8], make: &Make<'_>) -> Result<()> {
        let node = Self::new_in(self, name, make)?;
        let is_directory = node.kind == FileKind::Directory;
        self.directory()?.lock().insert(name, node, Origin::Here);
        if is_directory {
            self.meta.lock().nlink += 1;
        }
        Ok(())
    }

    pub(super) fn add_link(&self, name: &[u8], target: &Self) -> Result<()> {
        let _names = self.tree.names.lock();
        if target.tree.dev != self.tree.dev {
            return Err(Errno::EXDEV);
        }
        self.expect_free(name)?;
        // A file without any name stays without.
        let may = |node: &Arc<Self>| {
            let meta = node.meta.lock();
            meta.nlink > 0 || meta.may_be_named
        };
        let node = target.this.upgrade().filter(may).ok_or(Errno::ENOENT)?;
        if let (Some(lower), Some(old)) = (self.through(), &target.lower) {
            lower.link(old, name)?;
        } else {
            // A file that had no name brings its own right.
            let mut meta = node.meta.lock();
            if meta.nlink > 0 {
                meta.names.push(self.tree.admit()?);
            }
        }
        node.count_links(1);
        let origin = self.origin();
        self.change(|directory| directory.insert(name, node, origin))?;
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
        node.expect_unused()?;
        if let Some(lower) = self.through() {
            lower.remove(name, node.kind)?;
        }
        node.retire();
        if node.kind == FileKind::Directory {
            self.count_links(-1);
        }
        self.uncover(name)?;
        self.touch();
        Ok(())
    }

    pub(super) fn move_name(&self, name: &[u8], to: &Self, new_name: &[u8], how: RenameFlags) -> Result<()> {
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
            if self.through().is_some() {
                return Err(Errno::EINVAL);
            }
            self.place(name, target)?;
            to.place(new_name, node)?;
            return Ok(());
        }
        if let Some(target) = &target {
            match (node.kind == FileKind::Directory, target.kind == FileKind::Directory) {
                (true, false) => return Err(Errno::ENOTDIR),
                (false, true) => return Err(Errno::EISDIR),
                _ => {}
            }
            target.expect_unused()?;
        }
        if let (Some(lower), Some(other)) = (self.through(), to.through()) {
            lower.rename(name, other, new_name)?;
        }
        if let Some(target) = target {
            target.retire();
            if target.kind == FileKind::Directory {
                to.count_links(-1);
            }
        }
        to.place(new_name, Arc::clone(&node))?;
        self.uncover(name)?;
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
        let origin = self.origin();
        self.change(|directory| directory.insert(name, node, origin))
    }

    /// Takes a name away, so that nothing below shows through.
    fn uncover(&self, name: &[u8]) -> Result<()> {
        let can_show = self.lower.is_some() && self.through().is_none();
        self.change(|directory| if can_show { directory.cover(name) } else { drop(directory.forget(name)) })
    }

    /// Where nodes come from that are put here.
    fn origin(&self) -> Origin {
        if self.through().is_some() { Origin::Below } else { Origin::Here }
    }

    fn change(&self, change: impl FnOnce(&mut super::directory::Directory)) -> Result<()> {
        let mut directory = self.directory()?.lock();
        directory.is_changed |= self.through().is_none();
        change(&mut directory);
        Ok(())
    }

    /// Takes one name away from a node; a directory, which is empty, is nowhere from then on.
    fn retire(&self) {
        if let Ok(directory) = self.directory() {
            directory.lock().is_removed = true;
            self.count_links(i32::MIN);
        } else {
            self.count_links(-1);
            // The last name's right is the file's own.
            self.meta.lock().names.pop();
        }
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
}
