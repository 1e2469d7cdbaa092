//! What a file system is made of.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use kernel_abi::flags::{OpenFlags, RenameFlags, XattrFlags};
use kernel_abi::structs::Timespec;

use super::attributes::{Attributes, FileKind, Permissions, SystemAttributes};
use super::busy::Busy;
use super::file::File;
use super::path::Path;
use crate::error::{Errno, Result};

/// What a new name shall stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New<'a> {
    /// An empty regular file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link with this target.
    Symlink(&'a [u8]),
    /// A FIFO, socket or device with this number.
    Special(FileKind, u64),
}

/// How a file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Make<'a> {
    /// What.
    pub new: New<'a>,
    /// Permission bits, the umask applied.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group; a directory with S_ISGID hands down its own instead.
    pub gid: u32,
}

/// Whether a file that was made without a name may get one by linkat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It may.
    Later,
    /// It stays without: O_EXCL.
    Never,
}

/// What of an inode is to change; `None` stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Last access.
    pub atime: Option<Timespec>,
    /// Last change of contents.
    pub mtime: Option<Timespec>,
}

/// Where a directory is now.
pub enum Location {
    /// As it was found: directories of this file system do not move.
    AsFound,
    /// Called so in that directory.
    In(Arc<dyn Inode>, Vec<u8>),
    /// Nowhere any more.
    Removed,
}

/// A file, whatever its names. Names given are neither empty nor `.` nor `..`, and at most NAME_MAX long; permission
/// has been checked.
pub trait Inode: Send + Sync {
    /// What stat(2) says.
    fn attributes(&self) -> Result<Attributes>;
    /// What of that says who may do what.
    fn permissions(&self) -> Result<Permissions> {
        self.attributes().map(|found| found.permissions())
    }
    /// Whether nobody may change it, whoever they are.
    fn is_immutable(&self) -> bool {
        false
    }
    /// Device and inode number: two inodes are the same exactly if these are.
    fn identity(&self) -> (u64, u64) {
        self.attributes().map_or((0, 0), |found| (found.dev, found.ino))
    }
    /// What kind of file; never changes.
    fn kind(&self) -> FileKind;
    /// For the file system that made it.
    fn as_any(&self) -> &dyn Any;
    /// The file called `name` in this directory.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>> {
        Err(Errno::ENOTDIR)
    }
    /// Whether this directory may have other names than its file system gives it: else one that is not there cannot be made,
    /// and is ENOENT however long it is.
    fn takes_names(&self) -> bool {
        true
    }
    /// Makes a file called `name`; EEXIST.
    fn create(&self, _name: &[u8], _make: &Make<'_>) -> Result<Arc<dyn Inode>> {
        Err(Errno::EPERM)
    }
    /// Makes a file that no name leads to yet: O_TMPFILE.
    fn create_unnamed(&self, _make: &Make<'_>, _names: Names) -> Result<Arc<dyn Inode>> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Another name for a file of the same file system.
    fn link(&self, _name: &[u8], _target: &Arc<dyn Inode>) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Removes the name of what is no directory (EISDIR).
    fn unlink(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Removes an empty directory (ENOTDIR, ENOTEMPTY).
    fn rmdir(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Moves `name` to `new_name` in `to`, a directory of the same file system, replacing as rename(2) does.
    fn rename(&self, _name: &[u8], _to: &Arc<dyn Inode>, _new_name: &[u8], _how: RenameFlags) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Where a symbolic link points.
    fn read_link(&self) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }
    /// Where a link leads that is more than its text, as those in `/proc/self/fd`; `None` is an ordinary link.
    fn follow(&self) -> Result<Option<Path>> {
        Ok(None)
    }
    /// The open file to share when this is opened, as `/proc/self/fd` and `/dev/fd` do for what has no path.
    fn reopen(&self) -> Option<Arc<dyn File>> {
        None
    }
    /// Changes attributes.
    fn set_attributes(&self, _change: &Change) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// An extended attribute; ENODATA.
    fn attribute(&self, _name: &[u8]) -> Result<Vec<u8>> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Keeps an extended attribute: EEXIST and ENODATA as `how` says.
    fn set_attribute(&self, _name: &[u8], _value: &[u8], _how: XattrFlags) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }
    /// Forgets an extended attribute; ENODATA.
    fn remove_attribute(&self, _name: &[u8]) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }
    /// The names of its extended attributes.
    fn attribute_names(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
    /// Sets a regular file's size.
    fn truncate(&self, _len: u64) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// Whether what a FIFO or device node names is outside the machine: shown, and not opened (ENXIO).
    fn is_outside(&self) -> bool {
        false
    }
    /// Opens a regular file or a directory.
    fn open(self: Arc<Self>, flags: OpenFlags) -> Result<Arc<dyn File>>;
    /// Who writes or runs this file, where that is known.
    fn busy(&self) -> Option<&Busy> {
        None
    }
    /// Where this directory is now.
    fn location(&self) -> Location {
        Location::AsFound
    }
}

/// A tree of inodes that can be mounted.
pub trait FileSystem: Send + Sync {
    /// Its name in `/proc/filesystems`.
    fn name(&self) -> &'static str;
    /// The top.
    fn root(&self) -> Arc<dyn Inode>;
    /// What statfs(2) says.
    fn attributes(&self) -> SystemAttributes;
    /// Brings everything to where it is kept.
    fn sync(&self) -> Result<()> {
        Ok(())
    }
}

/// Who opens what is not in the file system that holds its node.
pub trait Devices: Send + Sync {
    /// Opens a device by its number, see [`kernel_abi::structs::device_parts`]; ENXIO if there is none.
    fn open_device(&self, kind: FileKind, rdev: u64, flags: OpenFlags) -> Result<Arc<dyn File>>;
    /// Opens the FIFO that this node is, waiting for the other end unless O_NONBLOCK.
    fn open_fifo(&self, node: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Arc<dyn File>>;
}
