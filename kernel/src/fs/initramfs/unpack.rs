//! From an archive to files.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::OpenFlags;
use kernel_abi::structs::{Timespec, device_number};

use super::archive::{Archive, Member};
use crate::error::{Errno, Result};
use crate::vfs::{Block, Change, FileKind, Inode, Make, New, SliceSource};

/// Permission bits of directories that an archive needs and does not have.
const IMPLIED_MODE: u32 = 0o755;

/// What makes two members one file: archive, device, inode number.
type Identity = (usize, (u32, u32), u32);

impl Archive {
    /// Makes all files below `root`, an empty directory; ENOSPC.
    pub fn unpack(&self, root: &Arc<dyn Inode>) -> Result<()> {
        let mut links: BTreeMap<Identity, Arc<dyn Inode>> = BTreeMap::new();
        let mut directories = Vec::new();
        for member in &self.members {
            let Some((name, way)) = member.path.split_last() else {
                directories.push((Arc::clone(root), member));
                continue;
            };
            let mut above = Arc::clone(root);
            for step in way {
                above = directory(&above, step, IMPLIED_MODE)?;
            }
            if member.kind == FileKind::Directory {
                directories.push((directory(&above, name, member.header.mode & 0o7777)?, member));
                continue;
            }
            match above.unlink(name) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
            let identity = (member.volume, member.header.dev, member.header.ino);
            let shared = links.get(&identity).filter(|_| member.header.nlink > 1);
            let inode = match shared {
                Some(inode) if inode.kind() == member.kind => {
                    above.link(name, inode)?;
                    Arc::clone(inode)
                }
                _ => above.create(name, &self.make(member))?,
            };
            self.fill(member, &inode)?;
            if member.header.nlink > 1 {
                links.insert(identity, inode);
            }
        }
        // Last, for making what is in them changes their times.
        directories.iter().try_for_each(|(inode, member)| inode.set_attributes(&change(member)))
    }

    fn data(&self, member: &Member) -> &[u8] {
        &self.texts[member.text][member.header.data.clone()]
    }

    fn make<'a>(&'a self, member: &Member) -> Make<'a> {
        let (major, minor) = member.header.rdev;
        let new = match member.kind {
            FileKind::Regular => New::Regular,
            FileKind::Directory => New::Directory,
            FileKind::Symlink => New::Symlink(self.data(member)),
            kind => New::Special(kind, device_number(major, minor)),
        };
        Make { new, mode: member.header.mode & 0o7777, uid: member.header.uid, gid: member.header.gid }
    }

    /// Gives a file its contents (of several names, one has them) and its attributes.
    fn fill(&self, member: &Member, inode: &Arc<dyn Inode>) -> Result<()> {
        let data = self.data(member);
        if member.kind == FileKind::Regular && !data.is_empty() {
            let file = Arc::clone(inode).open(OpenFlags::O_WRONLY)?;
            let mut done = 0;
            while done < data.len() {
                done += file.write(&mut SliceSource::new(&data[done..]), Some(done as u64), Block::Wait)?;
            }
        }
        inode.set_attributes(&change(member))
    }
}

/// The directory called `name`, made if it is not there.
fn directory(above: &Arc<dyn Inode>, name: &[u8], mode: u32) -> Result<Arc<dyn Inode>> {
    match above.lookup(name) {
        Err(Errno::ENOENT) => above.create(name, &Make { new: New::Directory, mode, uid: 0, gid: 0 }),
        found => found,
    }
}

fn change(member: &Member) -> Change {
    let header = &member.header;
    let time = Timespec { tv_sec: i64::from(header.mtime), tv_nsec: 0 };
    Change {
        mode: Some(header.mode & 0o7777),
        uid: Some(header.uid),
        gid: Some(header.gid),
        atime: Some(time),
        mtime: Some(time),
    }
}
