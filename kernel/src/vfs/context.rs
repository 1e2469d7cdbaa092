//! Where a process is in the tree of files, and what it does to names there.

use alloc::borrow::Cow;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use kernel_abi::flags::{OpenFlags, PollEvents, RenameFlags, ResolveFlags, S_ISVTX};
use ostd::sync::Mutex;

use super::attributes::{Access, FileKind, Identity, Permissions};
use super::busy::Occupied;
use super::file::{Block, File};
use super::inode::{Inode, Make, Names, New};
use super::mount::MountTable;
use super::open_file::OpenFile;
use super::path::{Path, Reach};
use super::quota::Share;
use super::transfer::{Sink, Source};
use super::walk::{Follow, Last, Walk, link_text, named, named_or_free};
use crate::error::{Errno, Result};

/// How open(2) was asked to open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenRequest {
    /// How.
    pub flags: OpenFlags,
    /// Permission bits of a file that is made; the umask is applied to them.
    pub mode: u32,
    /// What holds on the way, openat2(2).
    pub resolve: ResolveFlags,
}

struct State {
    root: Path,
    cwd: Path,
    umask: u32,
}

/// Root, working directory and umask: what CLONE_FS shares.
pub struct FsContext {
    mounts: Arc<MountTable>,
    state: Mutex<State>,
}

impl FsContext {
    /// At the top of all mounts, with umask 022.
    pub fn new(mounts: &Arc<MountTable>) -> Arc<Self> {
        let root = mounts.root();
        let state = Mutex::ranked(super::LAST, State { cwd: root.clone(), root, umask: 0o022 });
        Arc::new(Self { mounts: Arc::clone(mounts), state })
    }

    /// A copy of its own.
    pub fn fork(&self) -> Arc<Self> {
        let state = self.state.lock();
        let copy = State { root: state.root.clone(), cwd: state.cwd.clone(), umask: state.umask };
        Arc::new(Self { mounts: Arc::clone(&self.mounts), state: Mutex::ranked(super::LAST, copy) })
    }

    /// The mounts it sees.
    pub fn mounts(&self) -> &Arc<MountTable> {
        &self.mounts
    }

    /// Where `/` is.
    pub fn root(&self) -> Path {
        self.state.lock().root.clone()
    }

    /// Where paths without a slash begin.
    pub fn cwd(&self) -> Path {
        self.state.lock().cwd.clone()
    }

    /// chdir(2), after [`enter`](Self::enter).
    pub fn set_cwd(&self, to: Path) {
        let old = core::mem::replace(&mut self.state.lock().cwd, to);
        drop(old);
    }

    /// chroot(2).
    pub fn set_root(&self, to: Path) {
        let old = core::mem::replace(&mut self.state.lock().root, to);
        drop(old);
    }

    /// Permission bits that new files do not get.
    pub fn umask(&self) -> u32 {
        self.state.lock().umask
    }

    /// umask(2): gives the old one.
    pub fn set_umask(&self, mask: u32) -> u32 {
        core::mem::replace(&mut self.state.lock().umask, mask & 0o777)
    }

    /// The name of a place as this process would write it.
    pub fn path_of(&self, place: &Path) -> (Vec<u8>, Reach) {
        place.name_from(&self.root())
    }

    /// The place a path leads to, from `at` or the working directory.
    pub fn resolve(&self, at: Option<&Path>, path: &[u8], follow: Follow, who: &Identity) -> Result<Path> {
        let found = self.look(at, path, follow, who)?;
        found.mount.note_use();
        Ok(found)
    }

    /// As [`resolve`](Self::resolve), which is no use of a mount that is to expire.
    pub fn look(&self, at: Option<&Path>, path: &[u8], follow: Follow, who: &Identity) -> Result<Path> {
        let start = self.start(at);
        self.walk(who, &start, ResolveFlags::empty()).walk_to_end(&start, path, follow)
    }

    /// The directory a path ends in, and how.
    pub fn parent_of<'p>(&self, at: Option<&Path>, path: &'p [u8], who: &Identity) -> Result<(Path, Last<'p>)> {
        let start = self.start(at);
        self.walk(who, &start, ResolveFlags::empty()).walk_to_parent(&start, path)
    }

    /// EACCES or ENOTDIR unless the place may become a working directory.
    pub fn enter(&self, place: &Path, who: &Identity) -> Result<()> {
        if place.inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        place.inode.permissions()?.permit(who, Access::EXECUTE)
    }

    /// open(2).
    pub fn open(&self, at: Option<&Path>, path: &[u8], request: OpenRequest, who: &Identity) -> Result<Arc<OpenFile>> {
        let share = self.mounts.admit()?;
        let mut flags = request.flags;
        if flags.contains(OpenFlags::O_PATH) {
            flags &= OpenFlags::O_PATH | OpenFlags::O_DIRECTORY | OpenFlags::O_NOFOLLOW | OpenFlags::O_CLOEXEC;
        } else if flags.contains(OpenFlags::O_TMPFILE) {
            return self.open_unnamed(share, at, path, OpenRequest { flags, ..request }, who);
        }
        if flags.contains(OpenFlags::O_CREAT | OpenFlags::O_DIRECTORY) {
            return Err(Errno::EINVAL);
        }
        if flags.contains(OpenFlags::O_CREAT) {
            return self.open_or_make(share, at, path, OpenRequest { flags, ..request }, who);
        }
        let follow = if flags.contains(OpenFlags::O_NOFOLLOW) { Follow::No } else { Follow::Yes };
        let start = self.start(at);
        let found = self.walk(who, &start, request.resolve).walk_to_end(&start, path, follow)?;
        self.open_found(share, &found, flags, who)
    }

    /// Makes a file in the directory that `path` leads to, without a name there: O_TMPFILE.
    fn open_unnamed(
        &self,
        share: Share,
        at: Option<&Path>,
        path: &[u8],
        request: OpenRequest,
        who: &Identity,
    ) -> Result<Arc<OpenFile>> {
        let flags = request.flags;
        let writes = flags.intersects(OpenFlags::O_WRONLY | OpenFlags::O_RDWR);
        if !writes || flags.contains(OpenFlags::O_CREAT) {
            return Err(Errno::EINVAL);
        }
        let start = self.start(at);
        let follow = if flags.contains(OpenFlags::O_NOFOLLOW) { Follow::No } else { Follow::Yes };
        let dir = self.walk(who, &start, request.resolve).walk_to_end(&start, path, follow)?;
        if dir.inode.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        permit_change(&dir, who)?;
        let mode = request.mode & 0o7777 & !self.umask();
        let names = if flags.contains(OpenFlags::O_EXCL) { Names::Never } else { Names::Later };
        let inode = dir.inode.create_unnamed(&Make { new: New::Regular, mode, uid: who.uid, gid: who.gid }, names)?;
        let file = Arc::clone(&inode).open(flags)?;
        let occupied = Occupied::writing(&dir.mount, &inode, flags)?;
        let name = format!("#{}", inode.identity().1);
        Ok(OpenFile::occupying(share, dir.child(name.as_bytes(), inode), file, flags, occupied))
    }

    /// Opens what was found.
    pub fn open_place(&self, found: &Path, flags: OpenFlags, who: &Identity) -> Result<Arc<OpenFile>> {
        self.open_found(self.mounts.admit()?, found, flags, who)
    }

    fn open_found(&self, share: Share, found: &Path, flags: OpenFlags, who: &Identity) -> Result<Arc<OpenFile>> {
        let kind = found.inode.kind();
        found.mount.note_use();
        if flags.contains(OpenFlags::O_DIRECTORY) && kind != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if flags.contains(OpenFlags::O_PATH) {
            return Ok(OpenFile::at(share, found.clone(), Arc::new(Place), flags));
        }
        let access = wanted_access(flags);
        match kind {
            FileKind::Symlink => return Err(Errno::ELOOP),
            FileKind::Directory if access.contains(Access::WRITE) => return Err(Errno::EISDIR),
            FileKind::Char | FileKind::Block if !found.mount.has_devices() => return Err(Errno::EACCES),
            _ => {}
        }
        let attributes = found.inode.attributes()?;
        if access.contains(Access::WRITE) && kind == FileKind::Regular {
            found.mount.permit_write()?;
        }
        attributes.permit(who, access)?;
        if flags.contains(OpenFlags::O_NOATIME) && !who.owns(attributes.uid) {
            return Err(Errno::EPERM);
        }
        let occupied = Occupied::writing(&found.mount, &found.inode, flags)?;
        let file = self.open_inode(found, attributes.rdev, flags)?;
        if flags.contains(OpenFlags::O_TRUNC) && kind == FileKind::Regular {
            found.disarm(who)?;
            file.truncate(0)?;
        }
        Ok(OpenFile::occupying(share, found.clone(), file, flags, occupied))
    }

    fn open_inode(&self, found: &Path, rdev: u64, flags: OpenFlags) -> Result<Arc<dyn File>> {
        if let Some(file) = found.inode.reopen() {
            return Ok(file);
        }
        match found.inode.kind() {
            FileKind::Regular | FileKind::Directory => Arc::clone(&found.inode).open(flags),
            FileKind::Fifo | FileKind::Char | FileKind::Block if found.inode.is_outside() => Err(Errno::ENXIO),
            kind @ (FileKind::Char | FileKind::Block) => self.mounts.devices()?.open_device(kind, rdev, flags),
            FileKind::Fifo => self.mounts.devices()?.open_fifo(&found.inode, flags),
            FileKind::Socket | FileKind::Symlink | FileKind::Nameless => Err(Errno::ENXIO),
        }
    }

    fn open_or_make(
        &self,
        share: Share,
        at: Option<&Path>,
        path: &[u8],
        request: OpenRequest,
        who: &Identity,
    ) -> Result<Arc<OpenFile>> {
        let flags = request.flags;
        let (mut start, mut path) = (self.start(at), Cow::Borrowed(path));
        let mut walk = self.walk(who, &start, request.resolve);
        loop {
            let (dir, last) = walk.walk_to_parent(&start, &path)?;
            let name = match last {
                Last::Name(name, false) => name,
                Last::Dot | Last::DotDot | Last::Root if flags.contains(OpenFlags::O_EXCL) => {
                    return Err(Errno::EEXIST);
                }
                Last::DotDot => return Err(walk.above(&dir).err().unwrap_or(Errno::EISDIR)),
                _ => return Err(Errno::EISDIR),
            };
            let found = match walk.child(&dir, &name) {
                Ok(found) => found,
                Err(Errno::ENOENT) if dir.inode.takes_names() => {
                    permit_change(&dir, who)?;
                    let mode = request.mode & 0o7777 & !self.umask();
                    let make = Make { new: New::Regular, mode, uid: who.uid, gid: who.gid };
                    match dir.inode.create(&name, &make) {
                        Ok(inode) => {
                            // Whoever makes a file may open it, whatever its mode says.
                            let file = Arc::clone(&inode).open(flags)?;
                            let occupied = Occupied::writing(&dir.mount, &inode, flags)?;
                            let place = dir.child(&name, inode);
                            return Ok(OpenFile::occupying(share, place, file, flags, occupied));
                        }
                        // Somebody was faster.
                        Err(Errno::EEXIST) if !flags.contains(OpenFlags::O_EXCL) => continue,
                        Err(errno) => return Err(errno),
                    }
                }
                Err(errno) => return Err(errno),
            };
            if flags.contains(OpenFlags::O_EXCL) {
                return Err(Errno::EEXIST);
            }
            match found.inode.kind() {
                FileKind::Directory => return Err(Errno::EISDIR),
                FileKind::Symlink if !flags.contains(OpenFlags::O_NOFOLLOW) => {
                    if let Some(target) = walk.count_link(&found)? {
                        return self.open_found(share, &target, flags, who);
                    }
                    path = Cow::Owned(link_text(&found)?);
                    start = Cow::Owned(dir);
                }
                _ => return self.open_found(share, &found, flags, who),
            }
        }
    }

    /// mkdir(2), mknod(2), symlink(2): makes what was not there. The umask is applied to `mode`, but for links.
    pub fn make(&self, at: Option<&Path>, path: &[u8], new: New<'_>, mode: u32, who: &Identity) -> Result<()> {
        let (dir, name) = self.free_name(at, path, new == New::Directory, who)?;
        let mode = if matches!(new, New::Symlink(_)) { 0o777 } else { mode & 0o7777 & !self.umask() };
        dir.inode.create(&name, &Make { new, mode, uid: who.uid, gid: who.gid }).map(drop)
    }

    /// Where a new name would be that may be made.
    fn free_name<'p>(
        &self,
        at: Option<&Path>,
        path: &'p [u8],
        may_be_slashed: bool,
        who: &Identity,
    ) -> Result<(Path, Cow<'p, [u8]>)> {
        let (dir, last) = self.parent_of(at, path, who)?;
        let Last::Name(name, is_slashed) = last else { return Err(Errno::EEXIST) };
        match named_or_free(&dir, &name)? {
            Some(_) => return Err(Errno::EEXIST),
            None if is_slashed && !may_be_slashed => return Err(Errno::ENOENT),
            None => {}
        }
        permit_change(&dir, who)?;
        Ok((dir, name))
    }

    /// Why something is not made that takes privilege: whatever is wrong with its name comes first.
    pub fn refusal(&self, at: Option<&Path>, path: &[u8], who: &Identity) -> Errno {
        self.free_name(at, path, false, who).err().unwrap_or(Errno::EPERM)
    }

    /// link(2): another name for what `old` is.
    pub fn link(&self, old: &Path, at: Option<&Path>, path: &[u8], who: &Identity) -> Result<()> {
        let (dir, last) = self.parent_of(at, path, who)?;
        let Last::Name(name, is_slashed) = last else { return Err(Errno::EEXIST) };
        match named_or_free(&dir, &name)? {
            Some(_) => return Err(Errno::EEXIST),
            None if is_slashed => return Err(Errno::ENOENT),
            None => {}
        }
        if old.mount.id != dir.mount.id {
            return Err(Errno::EXDEV);
        }
        permit_change(&dir, who)?;
        if old.inode.kind() == FileKind::Directory {
            return Err(Errno::EPERM);
        }
        dir.inode.link(&name, &old.inode)
    }

    /// unlink(2).
    pub fn unlink(&self, at: Option<&Path>, path: &[u8], who: &Identity) -> Result<()> {
        let (dir, last) = self.parent_of(at, path, who)?;
        let Last::Name(name, is_slashed) = last else { return Err(Errno::EISDIR) };
        dir.mount.permit_write()?;
        let found = named(&dir, &name)?;
        let is_directory = found.kind() == FileKind::Directory;
        if is_slashed {
            return Err(if is_directory { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        permit_removal(&dir, &*found, who)?;
        if is_directory {
            return Err(Errno::EISDIR);
        }
        if self.mounts.is_covered(&dir.mount, &*found) {
            return Err(Errno::EBUSY);
        }
        dir.inode.unlink(&name)
    }

    /// rmdir(2).
    pub fn rmdir(&self, at: Option<&Path>, path: &[u8], who: &Identity) -> Result<()> {
        let (dir, last) = self.parent_of(at, path, who)?;
        let name = match last {
            Last::Name(name, _) => name,
            Last::Dot => return Err(Errno::EINVAL),
            Last::DotDot => return Err(Errno::ENOTEMPTY),
            Last::Root => return Err(Errno::EBUSY),
        };
        dir.mount.permit_write()?;
        let found = named(&dir, &name)?;
        permit_removal(&dir, &*found, who)?;
        if found.kind() != FileKind::Directory {
            return Err(Errno::ENOTDIR);
        }
        if self.mounts.is_covered(&dir.mount, &*found) {
            return Err(Errno::EBUSY);
        }
        dir.inode.rmdir(&name)
    }

    /// renameat2(2).
    pub fn rename(
        &self,
        (old_at, old): (Option<&Path>, &[u8]),
        (new_at, new): (Option<&Path>, &[u8]),
        how: RenameFlags,
        who: &Identity,
    ) -> Result<()> {
        let (old_dir, old_last) = self.parent_of(old_at, old, who)?;
        let (new_dir, new_last) = self.parent_of(new_at, new, who)?;
        if old_dir.mount.id != new_dir.mount.id {
            return Err(Errno::EXDEV);
        }
        let Last::Name(old_name, old_slashed) = old_last else { return Err(Errno::EBUSY) };
        let Last::Name(new_name, new_slashed) = new_last else {
            return Err(if how.contains(RenameFlags::RENAME_NOREPLACE) { Errno::EEXIST } else { Errno::EBUSY });
        };
        old_dir.mount.permit_write()?;
        // Two directories that are moved into each other at once would otherwise both be seen as moved to elsewhere.
        let _alone = self.mounts.renames().lock();
        let source = old_dir.child(&old_name, named(&old_dir, &old_name)?);
        let target = named_or_free(&new_dir, &new_name)?.map(|inode| new_dir.child(&new_name, inode));
        let exchanges = how.contains(RenameFlags::RENAME_EXCHANGE);
        match &target {
            Some(_) if how.contains(RenameFlags::RENAME_NOREPLACE) => return Err(Errno::EEXIST),
            None if exchanges => return Err(Errno::ENOENT),
            // Whoever exchanges gives either name what the other one had.
            Some(target) if exchanges && new_slashed && target.inode.kind() != FileKind::Directory => {
                return Err(Errno::ENOTDIR);
            }
            _ => {}
        }
        let is_directory = source.inode.kind() == FileKind::Directory;
        if !is_directory && (old_slashed || (new_slashed && !exchanges)) {
            return Err(Errno::ENOTDIR);
        }
        if is_directory && is_at_or_above(&source, &new_dir) {
            return Err(Errno::EINVAL);
        }
        if let Some(target) = &target {
            let is_above = target.inode.kind() == FileKind::Directory && is_at_or_above(target, &old_dir);
            if is_above {
                return Err(if exchanges { Errno::EINVAL } else { Errno::ENOTEMPTY });
            }
        }
        // Two names of one file: nothing is to be done, and nobody has to be permitted to.
        if let Some(target) = &target {
            let (one, other) = (source.inode.attributes()?, target.inode.attributes()?);
            if (one.dev, one.ino) == (other.dev, other.ino) {
                return Ok(());
            }
        }
        permit_removal(&old_dir, &*source.inode, who)?;
        match &target {
            Some(target) => permit_removal(&new_dir, &*target.inode, who)?,
            None => permit_change(&new_dir, who).map(|_| ())?,
        }
        if !old_dir.is(&new_dir) {
            permit_move(&source, who)?;
            if let Some(target) = target.as_ref().filter(|_| exchanges) {
                permit_move(target, who)?;
            }
        }
        let is_covered = |place: &Path| self.mounts.is_covered(&place.mount, &*place.inode);
        if is_covered(&source) || target.as_ref().is_some_and(is_covered) {
            return Err(Errno::EBUSY);
        }
        if !how.contains(RenameFlags::RENAME_WHITEOUT) {
            return old_dir.inode.rename(&old_name, &new_dir.inode, &new_name, how);
        }
        // What hides a name in a file system below: a device without a number. It is made first, for that may fail.
        let make = Make { new: New::Special(FileKind::Char, 0), mode: 0, uid: who.uid, gid: who.gid };
        let whiteout = old_dir.inode.create_unnamed(&make, Names::Later).map_err(|errno| match errno {
            Errno::EOPNOTSUPP => Errno::EINVAL,
            other => other,
        })?;
        old_dir.inode.rename(&old_name, &new_dir.inode, &new_name, how)?;
        match old_dir.inode.link(&old_name, &whiteout) {
            // Both names were the same file's, and stayed.
            Err(Errno::EEXIST) => Ok(()),
            answer => answer,
        }
    }

    fn start<'a>(&self, at: Option<&'a Path>) -> Cow<'a, Path> {
        at.map_or_else(|| Cow::Owned(self.cwd()), Cow::Borrowed)
    }

    fn walk<'a>(&'a self, who: &'a Identity, start: &Path, rules: ResolveFlags) -> Walk<'a> {
        Walk::new(self, start, who, rules)
    }
}

/// What open(2)'s flags ask for. Access mode 3 asks for both, and then gives neither.
fn wanted_access(flags: OpenFlags) -> Access {
    let mut access = match flags.intersection(OpenFlags::O_ACCMODE) {
        OpenFlags::O_RDONLY => Access::READ,
        OpenFlags::O_WRONLY => Access::WRITE,
        _ => Access::READ | Access::WRITE,
    };
    access.set(Access::WRITE, access.contains(Access::WRITE) || flags.contains(OpenFlags::O_TRUNC));
    access
}

/// EROFS or EACCES unless names may be added to `dir`. The answer is who else may do what there.
fn permit_change(dir: &Path, who: &Identity) -> Result<Permissions> {
    dir.mount.permit_write()?;
    let permissions = dir.inode.permissions()?;
    permissions.permit(who, Access::WRITE | Access::EXECUTE).map(|()| permissions)
}

/// As [`permit_change`], and EPERM where a sticky directory keeps other people's files.
fn permit_removal(dir: &Path, found: &dyn Inode, who: &Identity) -> Result<()> {
    let above = permit_change(dir, who)?;
    let is_sticky = above.mode & u32::from(S_ISVTX) != 0;
    if is_sticky && !who.owns(above.uid) && !who.owns(found.permissions()?.uid) {
        return Err(Errno::EPERM);
    }
    Ok(())
}

/// EACCES unless the `..` of a directory may change.
fn permit_move(found: &Path, who: &Identity) -> Result<()> {
    if found.inode.kind() == FileKind::Directory {
        found.inode.permissions()?.permit(who, Access::WRITE)
    } else {
        Ok(())
    }
}

/// Whether `dir` is `above`, or somewhere below it in the same mount.
fn is_at_or_above(above: &Path, dir: &Path) -> bool {
    let mut here = dir.clone();
    loop {
        if here.is(above) {
            return true;
        }
        if here.is_mount_root() {
            return false;
        }
        let next = here.parent();
        if next.is(&here) {
            return false;
        }
        here = next;
    }
}

/// What an O_PATH descriptor does: nothing.
struct Place;

impl File for Place {
    fn read(&self, _into: &mut dyn Sink, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EBADF)
    }

    fn write(&self, _from: &mut dyn Source, _at: Option<u64>, _how: Block) -> Result<usize> {
        Err(Errno::EBADF)
    }

    fn attributes(&self) -> Result<super::Attributes> {
        Err(Errno::EBADF)
    }

    fn poll(&self) -> PollEvents {
        PollEvents::POLLNVAL
    }

    fn as_any(&self) -> &dyn core::any::Any {
        self
    }
}
