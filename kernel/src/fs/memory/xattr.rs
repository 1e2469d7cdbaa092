//! Extended attributes of a node.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use kernel_abi::flags::XattrFlags;

use super::node::Node;
use crate::error::{Errno, Result};

/// Bytes of names and values that one file keeps.
const BYTES_MAX: usize = 128 << 10;

/// Values by name.
#[derive(Debug, Default)]
pub(super) struct Kept(BTreeMap<Vec<u8>, Vec<u8>>);

impl Kept {
    fn set(&mut self, name: &[u8], value: &[u8], how: XattrFlags) -> Result<()> {
        match self.0.contains_key(name) {
            true if how.contains(XattrFlags::XATTR_CREATE) => return Err(Errno::EEXIST),
            false if how.contains(XattrFlags::XATTR_REPLACE) => return Err(Errno::ENODATA),
            _ => {}
        }
        let others = self.0.iter().filter(|(other, _)| *other != name);
        let bytes: usize = others.map(|(name, value)| name.len() + value.len()).sum();
        if bytes + name.len() + value.len() > BYTES_MAX {
            return Err(Errno::ENOSPC);
        }
        self.0.insert(name.to_vec(), value.to_vec());
        Ok(())
    }
}

impl Node {
    pub(super) fn kept(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.meta.lock().kept.0.get(name).cloned().ok_or(Errno::ENODATA)
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
        meta.kept.set(name, value, how)?;
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

    #[test]
    fn attributes_are_made_or_replaced_as_asked() {
        let mut kept = Kept::default();
        assert_eq!(kept.set(b"user.a", b"1", XattrFlags::XATTR_REPLACE), Err(Errno::ENODATA));
        assert_eq!(kept.set(b"user.a", b"1", XattrFlags::XATTR_CREATE), Ok(()));
        assert_eq!(kept.set(b"user.a", b"2", XattrFlags::XATTR_CREATE), Err(Errno::EEXIST));
        assert_eq!(kept.set(b"user.a", &[0; 65536], XattrFlags::empty()), Ok(()));
        assert_eq!(kept.set(b"user.b", &[0; 65536], XattrFlags::empty()), Err(Errno::ENOSPC));
    }
}
