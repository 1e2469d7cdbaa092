//! Extended attributes of a node.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::XattrFlags;

use super::node::Node;
use crate::error::{Errno, Result};
use crate::vfs::{Quota, Share};

/// Bytes of names and values that one file keeps.
const BYTES_MAX: usize = 128 << 10;

/// Bytes of an attribute that take a file's room, as `BOGO_INODE_SIZE` of Linux's tmpfs.
const BYTES_PER_SHARE: usize = 1024;

/// Values by name.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<Vec<u8>, Value>);

#[derive(Debug)]
struct Value {
    bytes: Vec<u8>,
    /// Its right to be: it takes the room of files that there could be.
    _shares: Vec<Share>,
}

impl Kept {
    fn set(&mut self, room: &Arc<Quota>, name: &[u8], value: &[u8], how: XattrFlags) -> Result<()> {
        match self.0.contains_key(name) {
            true if how.contains(XattrFlags::XATTR_CREATE) => return Err(Errno::EEXIST),
            false if how.contains(XattrFlags::XATTR_REPLACE) => return Err(Errno::ENODATA),
            _ => {}
        }
        let others = self.0.iter().filter(|(other, _)| *other != name);
        let bytes: usize = others.map(|(name, value)| name.len() + value.bytes.len()).sum();
        let len = name.len() + value.len();
        if bytes + len > BYTES_MAX {
            return Err(Errno::ENOSPC);
        }
        let shares = core::iter::repeat_with(|| room.take()).take(len.div_ceil(BYTES_PER_SHARE));
        let _shares = shares.collect::<Option<Vec<Share>>>().ok_or(Errno::ENOSPC)?;
        self.0.insert(name.to_vec(), Value { bytes: value.to_vec(), _shares });
        Ok(())
    }
}

impl Node {
    pub(super) fn kept(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.meta.lock().kept.0.get(name).map(|value| value.bytes.clone()).ok_or(Errno::ENODATA)
    }

    pub(super) fn kept_names(&self) -> Vec<Vec<u8>> {
        self.meta.lock().kept.0.keys().cloned().collect()
    }

    pub(super) fn keep(&self, name: &[u8], value: &[u8], how: XattrFlags) -> Result<()> {
        // The folder below takes none.
        if self.through().is_some() {
            return Err(Errno::EOPNOTSUPP);
        }
        let now = self.tree.now();
        let mut meta = self.meta.lock();
        meta.kept.set(&self.tree.inodes, name, value, how)?;
        (meta.ctime, meta.is_own) = (now, true);
        Ok(())
    }

    pub(super) fn keep_no_longer(&self, name: &[u8]) -> Result<()> {
        let now = self.tree.now();
        let mut meta = self.meta.lock();
        meta.kept.0.remove(name).ok_or(Errno::ENODATA)?;
        meta.ctime = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kernel_abi::flags::XattrFlags;

    use super::Kept;
    use crate::error::Errno;
    use crate::vfs::Quota;

    #[test]
    fn attributes_are_made_or_replaced_as_asked() {
        let (mut kept, room) = (Kept::default(), Quota::new(100));
        assert_eq!(kept.set(&room, b"user.a", b"1", XattrFlags::XATTR_REPLACE), Err(Errno::ENODATA));
        assert_eq!(kept.set(&room, b"user.a", b"1", XattrFlags::XATTR_CREATE), Ok(()));
        assert_eq!(kept.set(&room, b"user.a", b"2", XattrFlags::XATTR_CREATE), Err(Errno::EEXIST));
        assert_eq!(kept.set(&room, b"user.a", &[0; 65536], XattrFlags::empty()), Ok(()));
        assert_eq!(kept.set(&room, b"user.b", &[0; 65536], XattrFlags::empty()), Err(Errno::ENOSPC));
    }

    #[test]
    fn attributes_take_the_room_of_files() {
        let (mut kept, room) = (Kept::default(), Quota::new(5));
        let how = XattrFlags::empty();
        assert_eq!(kept.set(&room, b"user.a", &[0; 4000], how), Ok(()));
        assert_eq!(kept.set(&room, b"user.b", &[0; 2000], how), Err(Errno::ENOSPC));
        assert_eq!((kept.set(&room, b"user.b", b"", how), room.used()), (Ok(()), 5));
        drop(kept);
        assert_eq!(room.used(), 0);
    }
}
