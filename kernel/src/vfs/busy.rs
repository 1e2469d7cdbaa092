//! A file that is written or run: never both (ETXTBSY); and what is written is in a mount that stays writable.

use alloc::sync::Arc;

use kernel_abi::flags::OpenFlags;
use ostd::sync::SpinLock;

use super::attributes::FileKind;
use super::inode::Inode;
use super::mount::{Mount, Writer};
use crate::error::{Errno, Result};

/// How many have a file open to write it; below zero, how many run it.
#[derive(Default)]
pub struct Busy(SpinLock<i64>);

impl Busy {
    fn take(&self, by: i64) -> Result<()> {
        let mut users = self.0.lock();
        if users.signum() == -by {
            return Err(Errno::ETXTBSY);
        }
        *users += by;
        Ok(())
    }
}

/// Somebody's hold on a file, until it is dropped.
pub struct Occupied {
    inode: Arc<dyn Inode>,
    by: i64,
    _writer: Option<Writer>,
}

impl Occupied {
    /// By a descriptor that writes; nothing is held by one that does not. O_TRUNC writes too.
    pub(super) fn writing(mount: &Arc<Mount>, inode: &Arc<dyn Inode>, flags: OpenFlags) -> Result<Option<Self>> {
        let writes = flags.intersects(OpenFlags::O_WRONLY | OpenFlags::O_RDWR | OpenFlags::O_TRUNC);
        if !writes || flags.contains(OpenFlags::O_PATH) || inode.kind() != FileKind::Regular {
            return Ok(None);
        }
        let writer = mount.begin_write()?;
        // A file outside is not known to run.
        let held = Self::by(inode, 1)?;
        let mut held = held.unwrap_or_else(|| Self { inode: Arc::clone(inode), by: 0, _writer: None });
        held._writer = Some(writer);
        Ok(Some(held))
    }

    /// By a program that is this file.
    pub fn running(inode: &Arc<dyn Inode>) -> Result<Option<Self>> {
        Self::by(inode, -1)
    }

    fn by(inode: &Arc<dyn Inode>, by: i64) -> Result<Option<Self>> {
        let Some(busy) = inode.busy().filter(|_| inode.kind() == FileKind::Regular) else { return Ok(None) };
        busy.take(by)?;
        Ok(Some(Self { inode: Arc::clone(inode), by, _writer: None }))
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        if let Some(busy) = self.inode.busy() {
            *busy.0.lock() -= self.by;
        }
    }
}
