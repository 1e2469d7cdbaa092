//! Extended attributes: who may have which, xattr(7).

use alloc::vec::Vec;

use kernel_abi::flags::{S_ISVTX, XattrFlags};

use super::attributes::{Access, Attributes, FileKind, Identity, Permissions};
use super::path::Path;
use crate::error::{Errno, Result};

/// What the first part of a name says of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Space {
    /// Anybody's, as the file's permissions say.
    User,
    /// Whom the system trusts.
    Trusted,
    /// Security modules'; all may read.
    Security,
}

/// EOPNOTSUPP for a part of names that is not here, EINVAL where nothing follows it.
fn space(name: &[u8]) -> Result<Space> {
    let spaces = [(&b"user."[..], Space::User), (b"trusted.", Space::Trusted), (b"security.", Space::Security)];
    let (prefix, space) = spaces.into_iter().find(|(prefix, _)| name.starts_with(prefix)).ok_or(Errno::EOPNOTSUPP)?;
    if prefix.len() == name.len() { Err(Errno::EINVAL) } else { Ok(space) }
}

/// Whether the asker may do `access` to an attribute of what is at `place`.
fn permit(place: &Path, name: &[u8], access: Access, who: &Identity, is_admin: bool) -> Result<()> {
    if access.contains(Access::WRITE) {
        place.mount.permit_write()?;
        if place.inode.is_immutable() {
            return Err(Errno::EPERM);
        }
    }
    let permitted = permit_to(&place.inode.permissions()?, name, access, who, is_admin);
    // What keeps no attributes knows no bad names of them either.
    if permitted == Err(Errno::EINVAL) && place.inode.attribute(name) == Err(Errno::EOPNOTSUPP) {
        return Err(Errno::EOPNOTSUPP);
    }
    permitted
}

/// The same of an attribute of what is nowhere, which has none: what is refused then.
pub fn permit_nowhere(found: &Attributes, name: &[u8], access: Access, who: &Identity, is_admin: bool) -> Errno {
    // Nobody but a pipe is asked by security modules.
    if name.starts_with(b"security.") && found.kind != FileKind::Fifo {
        return Errno::EOPNOTSUPP;
    }
    match permit_to(&found.permissions(), name, access, who, is_admin) {
        Ok(()) | Err(Errno::EINVAL) => Errno::EOPNOTSUPP,
        Err(errno) => errno,
    }
}

fn permit_to(found: &Permissions, name: &[u8], access: Access, who: &Identity, is_admin: bool) -> Result<()> {
    let writes = access.contains(Access::WRITE);
    // What one may not see is not there.
    let refusal = if writes { Errno::EPERM } else { Errno::ENODATA };
    if name.starts_with(b"trusted.") && !is_admin {
        return Err(refusal);
    }
    if name.starts_with(b"user.") {
        let is_sticky = found.kind == FileKind::Directory && found.mode & u32::from(S_ISVTX) != 0;
        if !matches!(found.kind, FileKind::Regular | FileKind::Directory) {
            return Err(refusal);
        }
        if is_sticky && writes && !who.owns(found.uid) {
            return Err(Errno::EPERM);
        }
        found.permit(who, access)?;
    }
    let space = match space(name) {
        Ok(space) => space,
        Err(errno) => {
            // The system's own are not its business. Else the file's own permissions come before whether there is such an attribute.
            if !name.starts_with(b"system.") {
                found.permit(who, access)?;
            }
            return Err(errno);
        }
    };
    match space {
        Space::Security if writes && !is_admin => Err(Errno::EPERM),
        Space::User | Space::Trusted | Space::Security => Ok(()),
    }
}

impl Path {
    /// getxattr(2).
    pub fn attribute(&self, name: &[u8], who: &Identity, is_admin: bool) -> Result<Vec<u8>> {
        permit(self, name, Access::READ, who, is_admin)?;
        self.inode.attribute(name)
    }

    /// setxattr(2).
    pub fn set_attribute(
        &self,
        name: &[u8],
        value: &[u8],
        how: XattrFlags,
        who: &Identity,
        is_admin: bool,
    ) -> Result<()> {
        permit(self, name, Access::WRITE, who, is_admin)?;
        self.inode.set_attribute(name, value, how)
    }

    /// removexattr(2).
    pub fn remove_attribute(&self, name: &[u8], who: &Identity, is_admin: bool) -> Result<()> {
        permit(self, name, Access::WRITE, who, is_admin)?;
        self.inode.remove_attribute(name)
    }

    /// listxattr(2): names, each with its NUL.
    pub fn attribute_names(&self, is_admin: bool) -> Result<Vec<u8>> {
        let names = self.inode.attribute_names()?;
        let seen = names.iter().filter(|name| is_admin || !name.starts_with(b"trusted."));
        Ok(seen.flat_map(|name| name.iter().copied().chain([0])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::{Space, space};
    use crate::error::Errno;

    #[test]
    fn a_name_has_two_parts() {
        assert_eq!(space(b"user.x"), Ok(Space::User));
        assert_eq!(space(b"user."), Err(Errno::EINVAL));
        assert_eq!(space(b"user"), Err(Errno::EOPNOTSUPP));
        assert_eq!(space(b"system.posix_acl_access"), Err(Errno::EOPNOTSUPP));
    }
}
