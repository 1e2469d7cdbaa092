//! Files in memory that no name leads to: memfd_create(2).

use alloc::sync::Arc;

use kernel_abi::flags::{F_SEAL_EXEC, F_SEAL_SEAL, OpenFlags};
use ostd::Machine;

use super::MemoryFs;
use super::node::Node;
use crate::error::{Errno, Result};
use crate::vfs::{Identity, Make, Mount, Names, New, OpenFile, Path, Quota, Share};

/// A tree that is mounted nowhere.
pub struct NamelessFiles(Arc<Mount>);

/// Whether F_ADD_SEALS may be used on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seals {
    /// It may.
    Allowed,
    /// It may, and the file stays no program.
    NoProgram,
    /// The file is sealed against seals.
    Refused,
}

impl NamelessFiles {
    /// No files yet; they are counted in `inodes`. `dev` is the device number stat(2) shows.
    pub fn new(machine: &Machine, inodes: &Arc<Quota>, dev: u64) -> Self {
        let fs = MemoryFs::new(machine, inodes, dev, 0o700);
        Self(Mount::nowhere(fs, b"tmpfs"))
    }

    /// An empty file, open for both directions, that `/proc` calls `name`.
    pub fn make(&self, share: Share, name: &[u8], mode: u32, seals: Seals, who: &Identity) -> Result<Arc<OpenFile>> {
        let top = Path::root_of(&self.0);
        let make = Make { new: New::Regular, mode, uid: who.uid, gid: who.gid };
        let inode = top.inode.create_unnamed(&make, Names::Never)?;
        let node: &Node = inode.as_any().downcast_ref().ok_or(Errno::EINVAL)?;
        node.meta.lock().seals = match seals {
            Seals::Allowed => 0,
            Seals::NoProgram => F_SEAL_EXEC,
            Seals::Refused => F_SEAL_SEAL,
        };
        let file = Arc::clone(&inode).open(OpenFlags::O_RDWR)?;
        Ok(OpenFile::at(share, top.child(name, inode), file, OpenFlags::O_RDWR))
    }
}
